"""Places of rows that a later batch of their source lists: which rows no longer count, and where.

Kept as one file for each state of a source, named by the batches that list places, so that
generations with that state share it::

    gone/<digest>.parquet            batch (hex), ordinal, row: sorted and distinct
    gone/<digest>.json               batch -> name -> the batches that list places there

Rules: ``docs/reference/streams.md`` section 7, "State of an OMOP source".
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from precisionchain.bounded_database import bounded_database
from precisionchain.replica.catalogue import SealedBatch, Snapshot, unpacked_folder
from precisionchain.replica.resolve import sources
from precisionchain.replica.unpack_clinical import SUPERSEDED_NAME

_FORMAT: Final = "superseded places 1"

_WHY: Final = {
    "unknown": "in which there is no row",
    "foreign": "of batches that are none before it of its source",
    "twice": "that are listed already",
}

# What every listed place is: `nth` is the place in the chain of the batch that lists it, `own` that
# of the batch it names (null: none before it), `name` the file it stands in (null: no such row).
_JUDGED: Final = """
    with listed as (
        select l.batch, l.ordinal, l."row", c.nth
        from listings l join chain c on c.listing = l.filename
    ), items as (
        select i.*, c.nth
        from item_places i join chain c on c.items = i.filename
    )
    select l.batch, l.ordinal, l."row", l.nth, o.nth own, i.name
    from listed l
    left join chain o on o.batch = l.batch and o.nth < l.nth
    left join items i
        on i.nth = o.nth and i.ordinal = l.ordinal and l."row" >= 0 and l."row" < i.rows
"""


@dataclass(frozen=True, slots=True)
class GonePlaces:
    """Places of one source's rows that no longer count.

    Attributes:
        path: their file.
        listed_by: of each batch, and each name in it that has such places, who lists them; what is
            gone there follows from that.
    """

    path: Path
    listed_by: Mapping[str, Mapping[str, tuple[str, ...]]]


def gone_places(root: Path, sealed: Sequence[SealedBatch]) -> dict[str, GonePlaces]:
    """Return, by batch, the places that no longer count, writing the files that are not there.

    Args:
        root: the replica folder.
        sealed: complete batches up to some position, withdrawn ones among them: what a withdrawn
            batch superseded stays superseded.
    """
    found = {}
    for chain in sources(sealed):
        listing = [one.batch for one in chain if _listing(root, one).exists()]
        if listing:
            digest = sha256("\n".join([_FORMAT, *listing]).encode()).hexdigest()
            gone = _kept(root, chain, root / "gone" / f"{digest[:32]}.parquet")
            found.update(dict.fromkeys(gone.listed_by, gone))
    return found


@dataclass(frozen=True, slots=True)
class InvalidPlaces:
    """Places that a batch lists and that change nothing: ``why`` is ``unknown`` (no such row),
    ``foreign`` (of no earlier batch of the source) or ``twice`` (an earlier batch listed them).
    """

    batch: str
    why: str
    places: int

    def __str__(self) -> str:
        return f"batch {self.batch[:16]} lists {self.places} places {_WHY[self.why]}"


def invalid_places(snapshot: Snapshot) -> Iterator[InvalidPlaces]:
    """Yield what is wrong with the superseded places of a generation's batches."""
    for chain in sources(snapshot.catalogue.sealed):
        if not any(_listing(snapshot.root, one).exists() for one in chain):
            continue
        with bounded_database(snapshot.root / ".judging") as database:
            _judge(database, snapshot.root, chain)
            rows = database.sql("""
                with first as (
                    select *, row_number() over (
                        partition by batch, ordinal, "row", name is null order by nth
                    ) time from judged
                ), wrong as (
                    select nth, case when own is null then 'foreign'
                        when name is null then 'unknown'
                        when time > 1 then 'twice' end why from first
                )
                select nth, why, count(*) from wrong where why is not null group by all order by all
            """).fetchall()
        for nth, why, places in rows:
            yield InvalidPlaces(chain[nth].batch, why, places)


def _kept(root: Path, chain: Sequence[SealedBatch], path: Path) -> GonePlaces:
    said = path.with_suffix(".json")
    if not said.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        with bounded_database(path.with_suffix(".scratch")) as database:
            _judge(database, root, chain)
            valid = database.sql("select * from judged where name is not null")
            distinct = valid.project('batch, ordinal, "row"').distinct()
            distinct.order("all").write_parquet(str(partial), compression="zstd")
            partial.replace(path)
            by = database.sql("""
                select batch, name, list_sort(list(distinct nth)) from judged
                where name is not null group by all order by all
            """).fetchall()
        names: dict[str, dict[str, list[str]]] = {}
        for batch, name, nths in by:
            names.setdefault(batch, {})[name] = [chain[nth].batch for nth in nths]
        partial.write_text(json.dumps(names), encoding="utf-8")
        partial.replace(said)
    read = json.loads(said.read_text(encoding="utf-8"))
    listed_by = {
        batch: {name: tuple(by) for name, by in names.items()} for batch, names in read.items()
    }
    return GonePlaces(path, listed_by)


def _judge(database: duckdb.DuckDBPyConnection, root: Path, chain: Sequence[SealedBatch]) -> None:
    """Make a table ``judged`` of every place that batches of a chain list."""
    items = [str(_own(root, one) / "items.parquet") for one in chain]
    listing = [str(_listing(root, one)) for one in chain]
    there = [path for path in listing if Path(path).exists()]
    table = pa.table(
        {
            "nth": pa.array(range(len(chain)), pa.int32()),
            "batch": [one.batch for one in chain],
            "items": items,
            "listing": listing,
        }
    )
    database.register("chain", table)
    database.read_parquet(there, filename=True, hive_partitioning=False).create_view("listings")
    database.read_parquet(items, filename=True, hive_partitioning=False).create_view("item_places")
    database.execute(f"create temp table judged as {_JUDGED}")


def _own(root: Path, batch: SealedBatch) -> Path:
    return unpacked_folder(root, batch.batch)


def _listing(root: Path, batch: SealedBatch) -> Path:
    return _own(root, batch) / f"{SUPERSEDED_NAME}.parquet"
