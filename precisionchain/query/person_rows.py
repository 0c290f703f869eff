"""What person rows and observation periods say, as arrays over the universe; kept once read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.event_rows import NO_DAY
from precisionchain.query.universe import Universe
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept
from precisionchain.schemas.streams import person_family

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

DEMOGRAPHICS: Final = {
    "sex": "gender_concept_id",
    "race": "race_concept_id",
    "ethnicity": "ethnicity_concept_id",
    "year": "year_of_birth",
    "month": "month_of_birth",
    "day": "day_of_birth",
}
"""What a person row says, and its column."""

_PERSON_VIEW: Final = person_family(1).rpartition("_")[0] + "_"
_KEPT_BYTES: Final = 128 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A column of person rows: int64 [persons], and where there is a value at all."""

    value: Ints
    known: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Observation periods: int32 places in the universe, first and last days (`NO_DAY`: none)."""

    person: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]


_demographics: Final = Kept[Mapping[str, Column]](
    _KEPT_BYTES, lambda columns: sum(9 * len(column.value) for column in columns.values())
)
_periods: Final = Kept[Periods](_KEPT_BYTES, lambda periods: 12 * len(periods.person))


def demographics(snapshot: Snapshot, universe: Universe) -> Mapping[str, Column]:
    """Return what person rows say (`DEMOGRAPHICS`); of several rows the one sealed last."""
    return _demographics.get(universe.key, lambda: _read_persons(snapshot, universe))


def observation_periods(snapshot: Snapshot, universe: Universe) -> Periods:
    """Return the observation periods of all persons."""

    def make() -> Periods:
        columns = {
            "start": "observation_period_start_date",
            "end": "observation_period_end_date",
        }
        rows = person_view(snapshot, "observation_period", columns, pl.Int32)
        days = [rows[name].fill_null(NO_DAY).to_numpy() for name in columns]
        return Periods(universe.places_of(rows), *days)

    return _periods.get(universe.key, make)


def _read_persons(snapshot: Snapshot, universe: Universe) -> Mapping[str, Column]:
    rows = person_view(snapshot, "person", DEMOGRAPHICS, pl.Int64)
    sealed = {batch.batch: number for number, batch in enumerate(snapshot.catalogue.batches)}
    order = pl.col("batch").replace_strict(sealed, return_dtype=pl.UInt32)
    # The last of several rows for one place is the one that numpy leaves there.
    rows = rows.sort(order, maintain_order=True)
    places = universe.places_of(rows)
    found = {}
    for name in DEMOGRAPHICS:
        value, known = np.zeros(len(universe), np.int64), np.zeros(len(universe), np.bool_)
        value[places] = rows[name].fill_null(0).to_numpy()
        known[places] = rows[name].is_not_null().to_numpy()
        found[name] = Column(value, known)
    return found


def person_view(
    snapshot: Snapshot, table: str, columns: Mapping[str, str], kind: type[pl.DataType]
) -> pl.DataFrame:
    """Return site, person_id, batch and some columns of a table's rows in the Person view."""
    origin = {"site": pl.String, "person_id": pl.Int64, "batch": pl.String}
    parts = [pl.DataFrame(schema={**origin, **dict.fromkeys(columns, kind)})]
    for name, path in snapshot.paths(_PERSON_VIEW).items():
        if name.rpartition("/")[2] != table:
            continue
        scan = pl.scan_parquet(path)
        known = set(scan.collect_schema().names())
        picked = [
            (pl.col(column) if column in known else pl.lit(None)).cast(kind).alias(short)
            for short, column in columns.items()
        ]
        of = [pl.col(column).cast(cast) for column, cast in origin.items()]
        parts.append(scan.select(*of, *picked).collect())
    return pl.concat(parts, rechunk=True)
