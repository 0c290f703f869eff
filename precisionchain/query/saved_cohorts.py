"""Cohorts saved by name in a site folder: one Parquet file each, with its digest.

A row is a person of the universe: ``site``, ``person_id`` and ``state`` (``true``, ``unknown``,
``false``), sorted; of a cohort with an index also ``index_date`` and ``end_date``, lists of dates,
null for who has none. The schema's metadata hold under ``cohort`` the criterion, network, positions
and digest as canonical JSON. Files are private, appear whole or not at all, and never change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from precisionchain.errors import CodecError, IntegrityError, PrecisionChainError, UsageError
from precisionchain.query.cohort import Cohort
from precisionchain.query.criteria import NAME
from precisionchain.query.kleene import Truth
from precisionchain.query.output_files import PRIVATE_FOLDER, OutputFiles
from precisionchain.query.spelling import from_json
from precisionchain.query.universe import universe_from
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.canonical import canonical_json, parse_canonical

_FORMAT: Final = 1
_SAID: Final = b"cohort"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_DATES: Final = ("index_date", "end_date")
_STATES: Final = ("false", "true", "unknown")

COHORTS: Final = {
    "name": pl.String,
    "members": pl.Int64,
    "unknown": pl.Int64,
    "universe": pl.Int64,
    "position": pl.Int64,
    "state": pl.String,
    "criterion": pl.String,
    "digest": pl.String,
}
"""Columns of a list of saved cohorts. ``state`` is ``current``, ``older`` than the network,
``damaged`` or ``of another network``."""


@dataclass(frozen=True, slots=True)
class SavedCohorts:
    """The cohorts that a site folder keeps.

    Args:
        folder: where; made when the first one is saved, readable by its owner alone.
        network: the id, in hex, of the network they must be of.
    """

    folder: Path
    network: str

    def require_free(self, name: str, *, overwrite: bool) -> None:
        """Check, before anything is asked, that a cohort may be saved under a name.

        Raises:
            UsageError: it is no name, or taken.
        """
        if not overwrite and self._path(name).exists():
            raise UsageError(
                "a cohort is saved under this name already", hint="another name, or overwrite it"
            )

    def save(self, name: str, cohort: Cohort, *, overwrite: bool = False) -> None:
        """Save a cohort, whole or not at all.

        Raises:
            UsageError: it is no name, or taken, or the cohort is of another network.
        """
        import pyarrow.parquet as pq

        self.require_free(name, overwrite=overwrite)
        if cohort.network != self.network:
            raise UsageError("the cohort is of another network than this site folder")
        self.folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
        path = self._path(name)
        with OutputFiles([path], overwrite=overwrite) as files:
            pq.write_table(_table(cohort), files.partial(path), compression="zstd")
            files.release()

    def load(self, name: str) -> Cohort:
        """Return a saved cohort, checked by its digest.

        Raises:
            UsageError: none is saved under the name, or it is of another network.
            IntegrityError: its file is damaged.
        """
        import pyarrow.parquet as pq

        path = self._existing(name)
        try:
            table = pq.read_table(path)
            said = _said(table.schema)
            if said["network"] != self.network:
                raise _ForeignError
            cohort = _cohort(table, said)
        except _ForeignError:
            raise UsageError("the saved cohort is of another network", where=_shown(path)) from None
        except (OSError, pa.ArrowException, PrecisionChainError, KeyError, TypeError) as error:
            raise _damaged(path) from error
        except (ValueError, pl.exceptions.PolarsError) as error:
            raise _damaged(path) from error
        if cohort.digest != said["digest"]:
            raise _damaged(path)
        return cohort

    def digest_of(self, name: str) -> str:
        """Return the digest that a saved cohort states, without reading a person of it.

        Raises:
            UsageError: none is saved under the name.
            IntegrityError: its file is damaged.
        """
        import pyarrow.parquet as pq

        path = self._existing(name)
        try:
            digest = _said(pq.read_schema(path))["digest"]
        except (OSError, pa.ArrowException, PrecisionChainError, KeyError, TypeError) as error:
            raise _damaged(path) from error
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise _damaged(path)
        return digest

    def listed(self, snapshot: Snapshot) -> tuple[pl.DataFrame, list[Cohort]]:
        """Return what is saved (`COHORTS`), by name, and the cohorts that could be read.

        Args:
            snapshot: the network as it is; cohorts of an earlier one are ``older``.
        """
        rows, readable = [], []
        for name in self._names():
            try:
                cohort = self.load(name).without(snapshot.catalogue.withdrawn)
            except IntegrityError:
                rows.append({"name": name, "state": "damaged"})
                continue
            except UsageError:
                rows.append({"name": name, "state": "of another network"})
                continue
            readable.append(cohort)
            state = "current" if cohort.is_as_of(snapshot) else "older"
            summary = {key: value for key, value in cohort.summary().items() if key in COHORTS}
            rows.append({"name": name, "state": state, **summary})
        return pl.DataFrame(rows, schema=COHORTS), readable

    def _names(self) -> Iterator[str]:
        for path in sorted(self.folder.glob("*.parquet")):
            if NAME.fullmatch(path.stem):
                yield path.stem

    def _existing(self, name: str) -> Path:
        path = self._path(name)
        if not path.exists():
            raise UsageError(
                "no cohort is saved under this name", hint="`precisionchain cohorts` lists them"
            )
        return path

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise UsageError(
                "not a name of a saved cohort",
                hint="a letter, then at most 63 letters, digits, _ or -",
            )
        return self.folder / f"{name}.parquet"


class _ForeignError(Exception):
    """The file says that it is of another network."""


def _table(cohort: Cohort) -> pa.Table:
    truth = cohort.truth
    states = (truth.true + 2 * truth.unknown).astype(np.int8)
    said = {
        "format": _FORMAT,
        "criterion": cohort.criterion.json,
        "network": cohort.network,
        "positions": list(cohort.positions),
        "digest": cohort.digest,
    }
    ids = cohort.everyone.ids
    sites = np.repeat(np.arange(len(ids)), [len(of) for of in ids.values()])
    columns = {
        "site": pa.DictionaryArray.from_arrays(sites, list(ids)),
        "person_id": pa.array(np.concatenate([np.empty(0, np.int64), *ids.values()])),
        "state": pa.DictionaryArray.from_arrays(states, list(_STATES)),
    }
    if cohort.index_dates is not None:
        columns |= _dates_by_person(cohort.everyone.frame, cohort.index_dates)
    return pa.table(columns).replace_schema_metadata({_SAID: canonical_json(said)})


def _dates_by_person(everyone: pl.DataFrame, dates: pl.DataFrame) -> dict[str, pa.Array[Any]]:
    by_person = dates.group_by("site", "person_id", maintain_order=True).agg(*_DATES)
    joined = everyone.join(by_person, on=["site", "person_id"], how="left", maintain_order="left")
    return {name: joined[name].to_arrow() for name in _DATES}


def _said(schema: pa.Schema) -> dict[str, Any]:
    said = parse_canonical((schema.metadata or {})[_SAID])
    if not isinstance(said, dict) or said["format"] != _FORMAT:
        raise CodecError("a saved cohort of another format")
    return said


def _cohort(table: pa.Table, said: dict[str, Any]) -> Cohort:
    rows = pl.from_arrow(table)
    if not isinstance(rows, pl.DataFrame):
        raise AssertionError("a table is a frame")
    dates = None
    if set(_DATES) <= set(rows.columns):
        dates = rows.select(pl.col("site").cast(pl.String), "person_id", *_DATES)
        dates = dates.filter(pl.col("index_date").is_not_null()).explode(*_DATES)
    rows = rows.select(pl.col("site").cast(pl.String), "person_id", pl.col("state").cast(pl.String))
    everyone = universe_from(rows)
    if not everyone.frame.equals(rows.select("site", "person_id")):
        raise CodecError("a saved cohort whose persons are not sorted and distinct")
    state = rows["state"]
    if not state.is_in(_STATES).all():
        raise CodecError("a saved cohort with a state that is none")
    truth = Truth((state == "true").to_numpy(), (state == "unknown").to_numpy())
    positions = tuple(int(position) for position in said["positions"])
    return Cohort(from_json(said["criterion"]), said["network"], positions, everyone, truth, dates)


def _damaged(path: Path) -> IntegrityError:
    return IntegrityError(
        "the saved cohort is damaged",
        where=_shown(path),
        hint="delete the file, and save it again from its criterion",
    )


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
