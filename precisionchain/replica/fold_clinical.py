"""The clinical files of all current batches as one sorted file a name.

A name that one batch holds is answered by that batch's own file; a name that several hold is
folded into one file, so that a question opens one file however many batches there were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import duckdb

from precisionchain.replica.catalogue import SealedBatch
from precisionchain.replica.unpack_clinical import ORIGIN, PLACE, clinical_names
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.streams import VOCABULARY


def fold_clinical(batches: Sequence[tuple[SealedBatch, Path]], folded: Path) -> dict[str, Path]:
    """Return the file that answers for each logical name, folding where several batches meet.

    Args:
        batches: the current OMOP batches with their folders.
        folded: the folder of folded files, each named by a digest of what it was folded from, so
            that a later generation finds it again.
    """
    sources: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for batch, folder in batches:
        for name, path in clinical_names(folder).items():
            sources[name].append((batch.batch, path))
    answer = {}
    with duckdb.connect() as database:
        for name, found in sources.items():
            if len(found) == 1:
                answer[name] = found[0][1]
                continue
            origin = "\n".join([name, *(batch for batch, _ in found)])
            digest = sha256(origin.encode()).hexdigest()
            target = folded / digest[:32] / f"{name.replace('/', '.')}.parquet"
            if not target.exists():
                _fold(database, name, [path for _, path in found], target)
            answer[name] = target
    return answer


def _fold(
    database: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path], target: Path
) -> None:
    family, table = name.split("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    rows = database.read_parquet([str(path) for path in paths], union_by_name=True)
    if family == VOCABULARY:
        rows = rows.project(f"* exclude ({', '.join((*ORIGIN, *PLACE))})").distinct().order("all")
    else:
        rows = rows.project(f"* exclude ({', '.join(PLACE)})")
        order = _sort_columns(family, table, rows.columns)
        rows = rows.order(", ".join(f'"{column}"' for column in order))
    rows.write_parquet(str(partial), compression="zstd", row_group_size=32_768)
    partial.replace(target)


def _sort_columns(family: str, table: str, columns: Sequence[str]) -> list[str]:
    described = TABLES.get(table)
    if described is None:
        return [name for name in ("table", "concept_id", "site", "person_id") if name in columns]
    by_person = family.startswith("CLIN_")
    first = "person_id" if by_person else described.concept_column
    wanted = [first, described.start_date_column, "site", "person_id", described.primary_key]
    return [name for name in wanted if name and name in columns] or list(columns)
