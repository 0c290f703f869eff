"""The table of what quality control excluded, and its drafts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.ingest.drafts import Draft
from precisionchain.schemas.exclusions import EXCLUDED, PERSON, RULES, VARIANT, excluded_payload
from precisionchain.schemas.streams import EXCLUDED as EXCLUDED_FAMILY

FILE: Final = "excluded.parquet"

_ITEM_ROWS: Final = 100_000
_SITES_AT_ONCE: Final = 65_536


@dataclass(frozen=True, slots=True)
class Found:
    """What one rule excluded: places (of sites or of samples), values and their n."""

    rule: str
    threshold: float
    places: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    n: npt.NDArray[np.int64]

    def columns(self) -> dict[str, pa.Array[Any]]:
        """Return rule, value (null where there is none), threshold and n."""
        size = len(self.places)
        return {
            "rule": pa.array([self.rule] * size, pa.string()),
            "value": pa.array(self.values, pa.float64(), mask=np.isnan(self.values)),
            "threshold": pa.array(np.full(size, self.threshold)),
            "n": pa.array(self.n, pa.int32()),
        }


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What quality control found in a run.

    Attributes:
        table: of schema `EXCLUDED`: persons in the order of the samples, then alleles in the
            order of the sites.
        persons: int64, places of the excluded persons in the run's samples.
        alleles: int64, places of the excluded alleles in the run's sites.
        founders: founders of the run.
        skipped: why nothing was assessed, or None.
    """

    table: pa.Table
    persons: npt.NDArray[np.int64]
    alleles: npt.NDArray[np.int64]
    founders: int
    skipped: str | None = None

    def counts(self) -> dict[str, int]:
        """Return how many rows fell to each rule."""
        rules = self.table["rule"].to_pylist()
        return {rule: rules.count(rule) for rule in RULES}


@dataclass(slots=True)
class Collector:
    """Gathers what rules find, in any order."""

    persons: list[Found] = field(default_factory=list)
    alleles: list[Found] = field(default_factory=list)

    def exclusions(self, folder: Path, founders: int) -> Exclusions:
        """Return all of it, with the names of persons and alleles from the run."""
        persons, places = _table(self.persons)
        ids = pq.read_table(folder / "samples.parquet", columns=["person_id"])["person_id"]
        persons = persons.append_column("person_id", ids.take(places))
        persons = persons.append_column("kind", _constant(PERSON, len(places)))
        alleles, rows = _table(self.alleles)
        for name, column in _sites(folder, rows).items():
            alleles = alleles.append_column(name, column)
        alleles = alleles.append_column("kind", _constant(VARIANT, len(rows)))
        tables = [_filled(persons), _filled(alleles)]
        return Exclusions(pa.concat_tables(tables).combine_chunks(), places, rows, founders)


def no_exclusions(founders: int, skipped: str) -> Exclusions:
    """Return the exclusions of a run that was not assessed."""
    none = np.zeros(0, np.int64)
    return Exclusions(EXCLUDED.empty_table(), none, none, founders, skipped)


def excluded_drafts(run_folder: Path) -> Iterator[Draft]:
    """Yield the drafts of a run's exclusions: at least one, if quality control was done at all.

    An item without a row says that nothing was excluded, and by which settings.

    Args:
        run_folder: a run as `qc.apply_qc` left it; one of mode ``none`` has no drafts.
    """
    if not (run_folder / FILE).exists():
        return
    description: dict[str, Any] = json.loads((run_folder / "run.json").read_text(encoding="utf-8"))
    rows = pq.read_table(run_folder / FILE)
    for start in range(0, max(len(rows), 1), _ITEM_ROWS):
        payload = excluded_payload(rows.slice(start, _ITEM_ROWS), description["settings"]["qc"])
        yield Draft(EXCLUDED_FAMILY, (), payload)


def _table(found: list[Found]) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return what rules found in the order of the places, and the places."""
    places = np.concatenate([np.zeros(0, np.int64), *(part.places for part in found)])
    order = np.argsort(places, kind="stable")
    schema = pa.schema([EXCLUDED.field(name) for name in ("rule", "value", "threshold", "n")])
    tables = [pa.table(part.columns(), schema=schema) for part in found]
    rows = pa.concat_tables([schema.empty_table(), *tables]).take(order)
    return rows, places[order]


def _sites(folder: Path, rows: npt.NDArray[np.int64]) -> dict[str, pa.ChunkedArray[Any]]:
    """Return chrom, pos, ref and alt of some sites, of which few are in memory at once."""
    names = ["chrom", "pos", "ref", "alt"]
    schema = pa.schema([EXCLUDED.field(name) for name in names])
    found = [schema.empty_table()]
    at = 0
    with pq.ParquetFile(folder / "sites.parquet") as file:
        for batch in file.iter_batches(_SITES_AT_ONCE, columns=names):
            first, last = np.searchsorted(rows, [at, at + batch.num_rows])
            part = pa.Table.from_batches([batch]).take(rows[first:last] - at)
            found.append(part.cast(schema))
            at += batch.num_rows
    table = pa.concat_tables(found)
    return {name: table[name] for name in names}


def _constant(text: str, size: int) -> pa.Array[Any]:
    return pa.array([text] * size, pa.string())


def _filled(table: pa.Table) -> pa.Table:
    """Return a table with exactly the columns of `EXCLUDED`, those it lacks null."""
    columns = [
        table[field.name] if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in EXCLUDED
    ]
    return pa.table(columns, schema=EXCLUDED)
