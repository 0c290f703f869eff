"""The clinical rows that count as one sorted file a name.

A name that one batch holds, all of it, is answered by that batch's own file. Where several batches
meet, or rows no longer count, what is left is folded into one file, so that a question opens one
file however many batches and corrections there were, and needs no filter of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.bounded_database import bounded_database
from precisionchain.replica.catalogue import SealedBatch
from precisionchain.replica.fold_rows import FORMAT, CountingFile, fold_rows
from precisionchain.replica.resolve import Withdrawn
from precisionchain.replica.superseded_places import GonePlaces
from precisionchain.replica.unpack_clinical import clinical_names
from precisionchain.schemas.streams import VOCABULARY

_MEMORY: Final = "448MB"
"""DuckDB sorts any number of rows in it by one thread; the process needs 300 MB more."""


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
            origin = "\n\n".join([FORMAT, name, *(source.origin for source in found)])
            digest = sha256(origin.encode()).hexdigest()
            target = folded / digest[:32] / f"{name.replace('/', '.')}.parquet"
            if not target.exists():
                fold_rows(database, name, found, target)
            if pq.read_metadata(target).num_rows:
                answer[name] = target
    return answer


def _sources(
    database: duckdb.DuckDBPyConnection,
    named: Sequence[tuple[SealedBatch, str, Path]],
    gone: Mapping[str, GonePlaces],
    withdrawn: Withdrawn,
) -> dict[str, list[CountingFile]]:
    held = _withdrawn_in(database, ((batch.site, path) for batch, _, path in named), withdrawn)
    found: dict[str, list[CountingFile]] = defaultdict(list)
    for batch, name, path in named:
        places = gone.get(batch.batch)
        listed_by = () if places is None else places.listed_by[batch.batch].get(name, ())
        persons = held.get(path, ())
        where = places.path if places is not None and listed_by else None
        found[name].append(CountingFile(batch, path, where, listed_by, persons))
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
