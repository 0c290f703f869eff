"""Concept sets over real vocabularies: what Circe's SQL finds in the raw files, and rows use."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from precisionchain.errors import UnknownConceptError
from precisionchain.opened import OpenSite
from precisionchain.query.atlas_sets import atlas_concept_set
from precisionchain.query.slices import Slices, slices
from tests.lib.circe_sets import concepts_of
from tests.validation.conftest import OMOP_FOLDERS, IngestedFolder, run_cli
from tests.validation.omop_oracle import ERAS, EVENTS

Ingest = Callable[[str], IngestedFolder]
N_SETS = 400


@dataclass(frozen=True)
class Vocabulary:
    """A network's slices beside the raw files: tables of Circe's names, and ``used`` (id)."""

    slices: Slices
    raw: duckdb.DuckDBPyConnection

    def ids(self, sql: str) -> list[int]:
        return sorted(row[0] for row in self.raw.sql(sql).fetchall())


def files_of(folder: Path) -> dict[str, Path]:
    return {path.stem.lower(): path for path in folder.iterdir() if path.suffix == ".csv"}


def raw_tables(files: dict[str, Path], exports: list[Path]) -> duckdb.DuckDBPyConnection:
    """Circe's tables from the files; what the hierarchy or a main concept column has, and the names
    lack, is a valid concept, as it is known to readers.

    ``used`` are the ids in any concept column of the export's tables of events and persons.
    """
    database = duckdb.connect()
    columns = {
        "concept": ("concept_id::bigint concept_id", "nullif(invalid_reason, '') invalid_reason"),
        "concept_ancestor": (
            "ancestor_concept_id::bigint ancestor_concept_id",
            "descendant_concept_id::bigint descendant_concept_id",
        ),
        "concept_relationship": (
            "concept_id_1::bigint concept_id_1",
            "concept_id_2::bigint concept_id_2",
            "relationship_id",
            "nullif(invalid_reason, '') invalid_reason",
        ),
    }
    for name, wanted in columns.items():
        database.execute(
            f"create table {name} as select {', '.join(wanted)} from read_csv('{files[name]}',"
            " header = true, all_varchar = true, normalize_names = true)"
        )
    parts, main = [], []
    for path in exports:
        rows = database.sql(f"from read_csv('{path}', header = true, all_varchar = true)")
        ids = [one for one in rows.columns if one.lower().endswith("concept_id")]
        for one in ids:
            parts.append(
                f"select try_cast({one} as bigint) c from read_csv('{path}', header = true,"
                " all_varchar = true)"
            )
            if one.lower() == (EVENTS | ERAS).get(path.stem.lower()):
                main.append(parts[-1])
    database.execute(
        f"create table used as select distinct c from ({' union all '.join(parts)})"
        " where c is not null and c <> 0"
    )
    database.execute(
        "insert into concept select distinct id, null from (select ancestor_concept_id id"
        " from concept_ancestor union select descendant_concept_id from concept_ancestor"
        f" union {' union '.join(main)}) where id not in (select concept_id from concept)"
    )
    return database


def events_of(files: dict[str, Path]) -> list[Path]:
    suffixes = ("_occurrence", "_exposure", "_era", "measurement", "observation", "person", "death")
    return [path for name, path in files.items() if name.endswith(suffixes)]


@pytest.fixture(scope="module", params=["gibleed", "synthea27nj by dbt-synthea's vocabulary"])
def vocabulary(
    request: pytest.FixtureRequest,
    ingested_folder: Ingest,
    shared_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Vocabulary]:
    files = files_of(shared_data / OMOP_FOLDERS[request.param.partition(" ")[0]])
    exports = events_of(files)
    if request.param == "gibleed":
        site = ingested_folder("gibleed").site
    else:
        terms = shared_data / "omop_vocab_dbtsynthea/csv"
        site = tmp_path_factory.mktemp("synthea") / "site_a"
        run_cli("init", site, "--site", "A", "--build", "GRCh37")
        source = files["person"].parent
        run_cli("-C", site, "ingest", "omop", source, "--vocabulary", terms)
        files |= files_of(terms)
    opened = OpenSite(site)
    with raw_tables(files, exports) as raw:
        yield Vocabulary(slices(opened.sync_if_behind()), raw)
    opened.close()


def expressions(vocabulary: Vocabulary) -> Iterator[dict[str, Any]]:
    """Sets of concepts that rows use, of what is above these, and of what they map to."""
    draw = random.Random(29)
    pools = [
        vocabulary.ids("from used"),
        vocabulary.ids(
            "select distinct ancestor_concept_id from concept_ancestor"
            " semi join used on descendant_concept_id = c"
        ),
        vocabulary.ids(
            "select distinct concept_id_2 from concept_relationship semi join used"
            " on concept_id_1 = c where relationship_id = 'Maps to'"
        )
        or [0],
    ]
    for _ in range(N_SETS):
        items = [
            {
                "concept": {"CONCEPT_ID": draw.choice(draw.choice(pools))},
                "isExcluded": place > 0 and draw.random() < 0.35,
                "includeDescendants": draw.random() < 0.6,
                "includeMapped": draw.random() < 0.4,
            }
            for place in range(draw.randrange(1, 7))
        ]
        yield {"items": items}


def test_a_set_means_what_circes_sql_finds_among_what_rows_use(vocabulary: Vocabulary) -> None:
    used = set(vocabulary.ids("from used"))
    wrong, found = [], 0
    for expression in expressions(vocabulary):
        expected = concepts_of(vocabulary.raw, expression) & used
        try:
            meant = vocabulary.slices.resolve(atlas_concept_set(expression)) & used
        except UnknownConceptError:
            meant = frozenset()
        found += len(expected) > 1
        if meant != expected:
            wrong.append((expression, sorted(meant ^ expected)))
    assert not wrong, f"{len(wrong)} of {N_SETS}: {wrong[:2]}"
    assert found > N_SETS // 4


def test_descendants_and_mappings_of_every_concept_are_those_of_the_files(
    vocabulary: Vocabulary,
) -> None:
    below = vocabulary.raw.sql(
        "select ancestor_concept_id, list(distinct descendant_concept_id) from concept_ancestor"
        " semi join used on descendant_concept_id = c group by 1"
    ).fetchall()
    maps = vocabulary.raw.sql(
        "select concept_id_2, list(distinct concept_id_1) from concept_relationship"
        " semi join used on concept_id_1 = c where relationship_id = 'Maps to'"
        " and invalid_reason is null and concept_id_1 <> concept_id_2 group by 1"
    ).fetchall()
    used = set(vocabulary.ids("from used"))
    assert len(below) > 500
    assert [c for c, ids in below if vocabulary.slices.below.of([c]) & used != set(ids)] == []
    assert [c for c, ids in maps if vocabulary.slices.mapped_to([c]) != set(ids)] == []
