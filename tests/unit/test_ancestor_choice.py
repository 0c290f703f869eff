"""The choice of ancestors: against the rule told slowly, and the same however rows are ordered."""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from precisionchain.errors import OmopFormatError
from precisionchain.ingest.ancestor_choice import choose, streams_of
from precisionchain.ingest.ancestor_folders import weighed_folders
from precisionchain.schemas.ancestors import ancestors_text, default_ancestors, read_ancestors
from precisionchain.schemas.omop import TABLES

PREFIXES = [table.domain_prefix for table in TABLES.values() if table.domain_prefix]
Unit = tuple[str, int]
Levels = Mapping[int, Mapping[int, int]]


def slow_choice(weights: Mapping[Unit, int], above: Levels, n: int) -> list[Unit]:
    """The rule as the page tells it, over dictionaries; ``above`` is concept -> ancestor -> levels.

    Each round places every unit anew by all that is chosen, instead of moving some.
    """
    chosen: list[Unit] = []

    def ways(unit: Unit) -> dict[int, int]:
        return {**above.get(unit[1], {}), unit[1]: 0} if unit[1] else {}

    def place(unit: Unit, also: Unit | None = None) -> int:
        among = [concept for prefix, concept in (*chosen, *([also] if also else []))
                 if prefix == unit[0] and concept in ways(unit)]  # fmt: skip
        return min(among, key=lambda concept: (ways(unit)[concept], concept), default=0)

    while len(chosen) < n:
        streams: dict[Unit, list[Unit]] = {}
        for unit in weights:
            streams.setdefault((unit[0], place(unit)), []).append(unit)
        heavy = sorted(streams, key=lambda one: (-sum(weights[u] for u in streams[one]), one))
        for stream in heavy:
            whole = sum(weights[unit] for unit in streams[stream])
            halves = []
            for concept in sorted({one for unit in streams[stream] for one in ways(unit)}):
                new = (stream[0], concept)
                moved = sum(weights[u] for u in streams[stream] if place(u, new) != stream[1])
                if 0 < moved < whole:
                    halves.append((max(moved, whole - moved), concept))
            if halves:
                chosen.append((stream[0], min(halves)[1]))
                break
        else:
            break
    return sorted(chosen)


def drawn_vocabulary(seed: int) -> tuple[dict[Unit, int], dict[int, dict[int, int]]]:
    """Weights of concepts of two tables, and a graph in which concepts have several parents."""
    draw = random.Random(seed)
    above: dict[int, dict[int, int]] = {}
    for concept in range(1, 41):
        found: dict[int, int] = {}
        for parent in draw.sample(range(1, concept), min(concept - 1, draw.choice([0, 1, 1, 2]))):
            for ancestor, levels in {**above[parent], parent: 0}.items():
                found[ancestor] = min(levels + 1, found.get(ancestor, 99))
        above[concept] = found
    weights = {
        (prefix, concept): draw.choice([1, 1, 2, 5, 40])
        for prefix in ("CONDITION", "DRUG")
        for concept in draw.sample(range(41), 25)
    }
    return weights, above


def write(folder: Path, name: str, rows: list[tuple[object, ...]], shuffle: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    columns = {
        "concept_ancestor": "ancestor_concept_id,descendant_concept_id,min_levels_of_separation",
        "concept": "concept_id,concept_name,domain_id,standard_concept",
        "condition_occurrence": "condition_occurrence_id,person_id,condition_concept_id,"
        "condition_start_date",
        "drug_exposure": "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date",
    }
    random.Random(shuffle).shuffle(rows)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        file.write(f"{columns[name]}\n")
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_folders(
    folder: Path, weights: Mapping[Unit, int], above: Levels, shuffle: int
) -> tuple[Path, Path]:
    """An export whose rows weigh that much, and its vocabulary."""
    pairs = [(a, d, n) for d, ways in above.items() for a, n in ways.items()]
    write(folder / "vocabulary", "concept_ancestor", [*pairs, (7, 7, 0)], shuffle)
    for prefix, table in (("CONDITION", "condition_occurrence"), ("DRUG", "drug_exposure")):
        concepts = Counter({c: n for (p, c), n in weights.items() if p == prefix}).elements()
        rows = [(key, 1, concept, "2020-01-01") for key, concept in enumerate(concepts)]
        write(folder / "export", table, list(rows), shuffle)
    return folder / "vocabulary", folder / "export"


@pytest.mark.parametrize("seed", range(6))
def test_the_list_is_the_rules_however_rows_are_ordered(seed: int, tmp_path: Path) -> None:
    weights, above = drawn_vocabulary(seed)
    total = sum(weights.values())
    shares = {unit: n * 10**9 // total for unit, n in weights.items()}
    expected = ancestors_text(slow_choice(shares, above, 12))
    for shuffle in (1, 2):
        (folder := tmp_path / str(shuffle)).mkdir()
        vocabulary, export = write_folders(folder, weights, above, shuffle)
        assert ancestors_text(choose(weighed_folders([vocabulary], [export]), 12)) == expected


def test_parquet_and_duckdb_are_read_as_text_is(tmp_path: Path) -> None:
    weights, above = drawn_vocabulary(7)
    folders = write_folders(tmp_path, weights, above, 1)
    expected = choose(weighed_folders([folders[0]], [folders[1]]), 12)
    (tmp_path / "parquet").mkdir()
    with duckdb.connect(str(tmp_path / "all.duckdb")) as database:
        for file in (file for folder in folders for file in folder.iterdir()):
            database.execute(f"create table {file.stem} as from read_csv('{file}')")
            to = tmp_path / "parquet" / f"{file.stem}.parquet"
            database.execute(f"copy {file.stem} to '{to}'")
    for place in (tmp_path / "parquet", tmp_path / "all.duckdb"):
        assert choose(weighed_folders([place], [place]), 12) == expected


def test_it_ends_where_no_stream_can_be_split(tmp_path: Path) -> None:
    weights = {("CONDITION", 1): 3, ("CONDITION", 2): 3, ("CONDITION", 0): 9}
    vocabulary, export = write_folders(tmp_path, weights, {2: {1: 1}}, 0)
    weighed = weighed_folders([vocabulary], [export])
    chosen = choose(weighed, 200)
    # Either leaves the nine rows without a concept; 1 takes both concepts, 2 then its own.
    assert chosen == [("CONDITION", 1), ("CONDITION", 2)]
    assert streams_of(weighed, chosen) == {
        ("CONDITION", 0): 600_000_000,
        ("CONDITION", 1): 200_000_000,
        ("CONDITION", 2): 200_000_000,
    }


def test_without_an_export_each_domain_weighs_the_same(tmp_path: Path) -> None:
    concepts = [(c, f"c{c}", "Condition", "S") for c in range(1, 9)]
    concepts += [(c, f"c{c}", "Drug", "S") for c in (11, 12)]
    concepts += [(13, "an ICD code", "Drug", ""), (14, "a unit", "Unit", "S")]
    write(tmp_path / "v", "concept", list(concepts))
    write(tmp_path / "v", "concept_ancestor", [(1, c, 1) for c in range(5, 9)])
    weighed = weighed_folders([tmp_path / "v"])
    assert weighed.prefixes == ("CONDITION", "DRUG")
    # 1 has itself and four more: five eighths of its domain; a drug is half of the other one.
    assert choose(weighed, 2) == [("CONDITION", 1), ("DRUG", 11)]


def test_a_folder_without_what_is_needed_says_so(tmp_path: Path) -> None:
    write(tmp_path / "v", "concept_ancestor", [(1, 2, 1)])
    with pytest.raises(OmopFormatError, match="no folder has the table concept"):
        weighed_folders([tmp_path / "v"])
    with pytest.raises(OmopFormatError, match="no table of events"):
        weighed_folders([tmp_path / "v"], [tmp_path / "v"])


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ancestors_text([("CONDITION", 4), ("DRUG", 3)]), "utf-8")
    read = read_ancestors(tmp_path / "a.csv", PREFIXES)
    assert read == {"CONDITION": (4,), "DRUG": (3,)}
    assert sum(map(len, default_ancestors(PREFIXES).values())) == 200
