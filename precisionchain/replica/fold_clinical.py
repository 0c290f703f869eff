"""The clinical rows that count as one sorted file a name.

A name that one batch holds, all of it, is answered by that batch's own file. Where several batches
meet, or rows no longer count, what is left is folded into one file, so that a question opens one
file however many batches and corrections there were, and needs no filter of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.bounded_database import bounded_database
from precisionchain.replica.catalogue import ORIGIN, PLACE, SealedBatch
from precisionchain.replica.counting_rows import counting_rows
from precisionchain.replica.resolve import Withdrawn
from precisionchain.replica.superseded_places import GonePlaces
from precisionchain.replica.unpack_clinical import clinical_names
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.streams import VOCABULARY

_MEMORY: Final = "448MB"
"""DuckDB sorts any number of rows in it by one thread; the process needs 300 MB more."""
_FORMAT: Final = "folded rows 3"
NAMING_TABLES: Final = ("concept", "vocabulary")
"""Tables of the vocabulary slice whose rows of several batches may contradict each other."""


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
    with bounded_database(folded.with_name(".folding"), _MEMORY, threads=1) as database:
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
        left_out = pa.table({"person_id": pa.array(withdrawn[site], pa.int64())})
        database.register("left_out", left_out)
        rows = database.read_parquet(
            [str(path) for path in paths], filename=True, hive_partitioning=False
        )
        mine = rows.join(database.table("left_out"), "person_id", how="semi")
        grouped = mine.aggregate("filename, list_sort(list(distinct person_id)) as persons")
        held.update({Path(path): tuple(persons) for path, persons in grouped.fetchall()})
        database.unregister("left_out")
    return held


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
    with _counting(database, found) as rows:
        database.execute(
            f"copy (select {chosen} from {rows} order by {order})"
            f" to {_literal(partial)} (format parquet, compression zstd, row_group_size 32768)"
        )
    partial.replace(target)


@contextmanager
def _counting(database: duckdb.DuckDBPyConnection, found: Sequence[_Source]) -> Iterator[str]:
    """Give the rows of some files that count, of the columns that any of them has, in SQL."""
    whole = ", ".join(_literal(source.path) for source in found if source.whole)
    parts = (
        [f"from read_parquet([{whole}], union_by_name => true, hive_partitioning => false)"]
        if whole
        else []
    )
    names: list[str] = []
    for source in found:
        if not source.whole:
            names.append(f"counting_{len(names)}")
            batch, gone, persons = source.batch.batch, source.gone, source.persons
            rows = counting_rows(source.path, batch=batch, gone=gone, persons=persons)
            database.register(names[-1], rows)
    try:
        yield f"({' union all by name '.join([*parts, *(f'from {name}' for name in names)])})"
    finally:
        for name in names:
            database.unregister(name)


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
