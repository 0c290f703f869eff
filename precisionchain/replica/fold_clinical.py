"""The clinical rows that count as one sorted file a name.

A name that one batch holds, all of it, is answered by that batch's own file. Where several batches
meet, or rows no longer count, what is left is folded into one file, so that a question opens one
file however many batches and corrections there were, and needs no filter of its own.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.replica.catalogue import ORIGIN, PLACE, SealedBatch
from precisionchain.replica.resolve import Withdrawn
from precisionchain.replica.superseded_places import GonePlaces
from precisionchain.replica.unpack_clinical import clinical_names
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.streams import VOCABULARY

_MEMORY: Final = "640MB"
"""What is beyond it is spilled; to sort 3.4 million rows, of one table of 100,000 persons, takes
more than 448 MB that cannot be."""
_FORMAT: Final = "folded rows 3"
NAMING_TABLES: Final = ("concept", "vocabulary")
"""Tables of the vocabulary slice whose rows of several batches may contradict each other."""
_PERSON: Final[dict[str, pa.DataType]] = {"site": pa.string(), "person_id": pa.int64()}
_LEFT_OUT: Final = pa.schema(_PERSON)


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of one batch under a name, and what of it does not count.

    ``gone`` holds its superseded places, ``listed_by`` says in which batches these are listed,
    ``persons`` are those withdrawn persons whose rows it has.
    """

    batch: SealedBatch
    path: Path
    gone: Path | None
    listed_by: tuple[str, ...]
    persons: tuple[int, ...]

    @property
    def whole(self) -> bool:
        return not self.listed_by and not self.persons

    @property
    def origin(self) -> str:
        return "\n".join([self.batch.batch, *self.listed_by, *map(str, self.persons)])


def fold_clinical(
    batches: Sequence[tuple[SealedBatch, Path]],
    folded: Path,
    *,
    gone: Mapping[str, GonePlaces] | None = None,
    withdrawn: Withdrawn | None = None,
    naming: Sequence[tuple[SealedBatch, Path]] = (),
) -> dict[str, Path]:
    """Return the file that answers for each logical name; none where no row is left.

    Args:
        batches: the OMOP batches that count with their folders.
        folded: the folder of folded files, each named by a digest of what it was folded from, so
            that a later generation finds it again.
        gone: superseded places by batch.
        withdrawn: persons who are left out, by site.
        naming: withdrawn batches with their folders, whose vocabulary slice still names concepts:
            rows of later batches may rest on it.
    """
    named = [
        (batch, name, path)
        for among, every in ((batches, True), (naming, False))
        for batch, folder in among
        for name, path in clinical_names(folder).items()
        if every or name.startswith(f"{VOCABULARY}/")
    ]
    answer = {}
    with _spilling_database(folded.with_name(".folding")) as database:
        for name, found in _sources(database, named, gone or {}, withdrawn or {}).items():
            if len(found) == 1 and found[0].whole:
                answer[name] = found[0].path
                continue
            origin = "\n\n".join([_FORMAT, name, *(source.origin for source in found)])
            digest = sha256(origin.encode()).hexdigest()
            target = folded / digest[:32] / f"{name.replace('/', '.')}.parquet"
            if not target.exists():
                _fold(database, name, found, target)
            if pq.read_metadata(target).num_rows:
                answer[name] = target
    return answer


@contextmanager
def _spilling_database(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a database that spills beyond its memory; the caller holds the replica's lock."""
    shutil.rmtree(scratch, ignore_errors=True)  # of a job that died
    settings: dict[str, Any] = {
        "memory_limit": _MEMORY,
        "temp_directory": str(scratch),
        "threads": 1,  # each thread pins blocks of its own, which a sort cannot spill
    }
    try:
        with duckdb.connect(config=settings) as database:
            yield database
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _sources(
    database: duckdb.DuckDBPyConnection,
    named: Sequence[tuple[SealedBatch, str, Path]],
    gone: Mapping[str, GonePlaces],
    withdrawn: Withdrawn,
) -> dict[str, list[_Source]]:
    held = _withdrawn_in(database, ((batch.site, path) for batch, _, path in named), withdrawn)
    found: dict[str, list[_Source]] = defaultdict(list)
    for batch, name, path in named:
        places = gone.get(batch.batch)
        listed_by = () if places is None else places.listed_by[batch.batch].get(name, ())
        persons = held.get(path, ())
        where = places.path if places is not None and listed_by else None
        found[name].append(_Source(batch, path, where, listed_by, persons))
    return found


def _withdrawn_in(
    database: duckdb.DuckDBPyConnection,
    files: Iterable[tuple[str, Path]],
    withdrawn: Withdrawn,
) -> dict[Path, tuple[int, ...]]:
    """Return which withdrawn persons each file (site, path) has rows of."""
    held: dict[Path, tuple[int, ...]] = {}
    of_site: dict[str, list[Path]] = defaultdict(list)
    for site, path in files:
        if site in withdrawn and "person_id" in pq.read_schema(path).names:
            of_site[site].append(path)
    for site, paths in of_site.items():
        _left_out(database, {site: withdrawn[site]})
        rows = database.read_parquet([str(path) for path in paths], filename=True)
        left_out = database.table("left_out").set_alias("o")
        mine = rows.set_alias("r").join(left_out, "r.person_id = o.person_id", how="semi")
        grouped = mine.aggregate("filename, list_sort(list(distinct person_id)) as persons")
        held.update({Path(path): tuple(persons) for path, persons in grouped.fetchall()})
    return held


def _left_out(database: duckdb.DuckDBPyConnection, persons: Withdrawn) -> None:
    """Make a table ``left_out`` of persons: site, person_id."""
    rows = [{"site": site, "person_id": one} for site, ids in persons.items() for one in ids]
    table = pa.Table.from_pylist(rows, _LEFT_OUT)
    database.register("left_out_rows", table)
    database.execute("create or replace temp table left_out as from left_out_rows")
    database.unregister("left_out_rows")


def _fold(
    database: duckdb.DuckDBPyConnection, name: str, found: Sequence[_Source], target: Path
) -> None:
    family, table = name.split("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    columns = dict.fromkeys(one for source in found for one in pq.read_schema(source.path).names)
    if family == VOCABULARY:
        # Readers choose between names by who gave them; pairs of all count, whoever gave them.
        origin = ORIGIN if table in NAMING_TABLES else ()
        wanted = [one for one in columns if one in origin or one not in (*ORIGIN, *PLACE)]
        chosen, order = f"distinct {_identifiers(wanted)}", "all"
    else:
        wanted = [one for one in columns if one not in PLACE]
        chosen, order = _identifiers(wanted), _identifiers(_sort_columns(family, table, wanted))
    # One statement: there are hundreds of names, and binding costs as much as most have rows.
    database.execute(
        f"copy (select {chosen} from {_counting(database, found)} order by {order})"
        f" to {_literal(partial)} (format parquet, compression zstd, row_group_size 32768)"
    )
    partial.replace(target)


def _counting(database: duckdb.DuckDBPyConnection, found: Sequence[_Source]) -> str:
    """Return the rows of some files that count, of the columns that any of them has, in SQL."""
    whole = ", ".join(_literal(source.path) for source in found if source.gone is None)
    parts = [f"from read_parquet([{whole}], union_by_name => true)"] if whole else []
    parts += [
        f"select r.* from read_parquet({_literal(source.path)}) r anti join"
        f' (select ordinal, "row" from read_parquet({_literal(source.gone)})'
        f" where batch = '{source.batch.batch}') g"
        ' on r.ordinal = g.ordinal and r."row" = g."row"'
        for source in found
        if source.gone is not None
    ]
    rows = f"({' union all by name '.join(parts)}) r"
    if not any(source.persons for source in found):
        return rows
    persons: dict[str, set[int]] = defaultdict(set)
    for source in found:
        persons[source.batch.site] |= set(source.persons)
    _left_out(database, {site: tuple(sorted(ids)) for site, ids in persons.items()})
    return f"{rows} anti join left_out o on r.site = o.site and r.person_id = o.person_id"


def _identifiers(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _sort_columns(family: str, table: str, columns: Sequence[str]) -> list[str]:
    described = TABLES.get(table)
    if described is None:
        return [name for name in ("table", "concept_id", "site", "person_id") if name in columns]
    by_person = family.startswith("CLIN_")
    first = "person_id" if by_person else described.concept_column
    wanted = [first, described.start_date_column, "site", "person_id", described.primary_key]
    return [name for name in wanted if name and name in columns] or list(columns)
