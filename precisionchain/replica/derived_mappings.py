"""Mappings made from the rows that count, where a source has a withdrawn batch.

A mapping row stands in the batch that first needed it, or last changed its number; rows of other
batches rest on it. When its batch is withdrawn they count on, and must still be found. So where a
batch was withdrawn readers take no mapping from the ledger, but what the rows themselves say.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

import duckdb
import pyarrow.parquet as pq

from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.streams import MAP_CONCEPT, MAP_PERSON, person_family

_FORMAT: Final = "derived mappings 1"
_CONCEPTS: Final = f"{MAP_CONCEPT}/map-concept"
_PERSONS: Final = f"{MAP_PERSON}/map-person"
_NAMES: Final = (_CONCEPTS, _PERSONS)
_PERSON_VIEW: Final = person_family(1).removesuffix("1")


def with_derived_mappings(files: Mapping[str, Path], folded: Path) -> dict[str, Path]:
    """Return the files with those of ``map-concept`` and ``map-person`` made from the others.

    Args:
        files: what answers, by logical name.
        folded: the folder of folded files, each below a digest of what it was made from.
    """
    concepts, persons = [], []
    for name, path in sorted(files.items()):
        family, table = name.split("/")
        if table not in TABLES:
            continue
        if family.startswith(_PERSON_VIEW):
            persons.append((family, table, path))
        elif TABLES[table].domain_prefix:
            concepts.append((family, table, path))
    made = {
        **_made(_CONCEPTS, [_concepts(*one) for one in concepts], folded),
        **_made(_PERSONS, [_persons(*one) for one in persons], folded),
    }
    return {name: path for name, path in files.items() if name not in _NAMES} | made


def _concepts(family: str, table: str, path: Path) -> str:
    column = str(TABLES[table].concept_column)
    concept = f"coalesce({column}, 0)" if column in pq.read_schema(path).names else "0::bigint"
    return (
        f"select '{table}' as \"table\", {concept} as concept_id, '{family}' as family, count(*) n,"
        f" site::varchar site from {_rows(path)} group by all"
    )


def _persons(family: str, _table: str, path: Path) -> str:
    if "person_id" not in pq.read_schema(path).names:
        return ""
    return f"select distinct person_id, '{family}' as family, site::varchar site from {_rows(path)}"


def _rows(path: Path) -> str:
    literal = str(path).replace("'", "''")
    return f"read_parquet('{literal}', hive_partitioning = false)"


def _made(name: str, parts: list[str], folded: Path) -> dict[str, Path]:
    parts = [part for part in parts if part]
    if not parts:
        return {}
    # Files of the replica are named by what is in them; the replica itself may lie anywhere.
    origin = "\n".join([_FORMAT, name, *parts]).replace(str(folded.parent), "")
    digest = sha256(origin.encode()).hexdigest()
    target = folded / digest[:32] / f"{name.replace('/', '.')}.parquet"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        with duckdb.connect() as database:
            rows = database.sql(" union ".join(parts))
            rows.order("all").write_parquet(str(partial), compression="zstd")
        partial.replace(target)
    return {name: target}
