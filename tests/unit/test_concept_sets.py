"""Concept sets: what they mean is Circe's SQL; how they are read from ATLAS, written and kept."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

import precisionchain as pc
from precisionchain.errors import (
    InputError,
    IntegrityError,
    UnknownConceptError,
    UnreadableFileError,
    UsageError,
)
from precisionchain.query.atlas_sets import AtlasSet, atlas_concept_set, atlas_sets
from precisionchain.query.concept_search import Wanted, found_concepts, is_named
from precisionchain.query.concept_sets import ConceptItem, ConceptSet, is_word
from precisionchain.query.saved_concept_sets import SavedConceptSets
from precisionchain.query.slice_origins import release_date
from precisionchain.query.slices import CONCEPT_COLUMNS, Pairs, Slices
from tests.lib.circe_sets import concepts_of

Pair = tuple[int, int]


def slices_of(
    known: set[int], below: list[Pair], maps: list[Pair], invalid: frozenset[int] = frozenset()
) -> Slices:
    """Slices of these pairs: (ancestor, descendant) and (source, concept); no names."""

    def pairs(rows: list[Pair]) -> Pairs:
        ordered = np.array(sorted(set(rows)) or np.empty((0, 2)), np.int64)
        return Pairs(ordered[:, 0], ordered[:, 1])

    everything = known | {one for pair in (*below, *maps) for one in pair}
    nothing = pl.DataFrame()
    marks = {"concept_id": sorted(invalid), "invalid_reason": ["D"] * len(invalid)}
    return Slices(
        pl.DataFrame(marks, schema={"concept_id": pl.Int64, "invalid_reason": pl.String}),
        nothing,
        pairs(below),
        pairs([(to, source) for source, to in maps]),
        nothing,
        nothing,
        np.array(sorted(everything), np.int64),
    )


def drawn(seed: int) -> tuple[set[int], list[Pair], list[Pair]]:
    draw = random.Random(seed)
    concepts = range(1, 31)
    below = [(one, one) for one in concepts if one % 2]
    below += [(draw.randrange(1, 30), draw.randrange(2, 31)) for _ in range(40)]
    maps = [(draw.randrange(20, 31), draw.randrange(1, 25)) for _ in range(25)]
    return set(concepts), below, [pair for pair in maps if pair[0] != pair[1]]


def expression(draw: random.Random) -> dict[str, Any]:
    items = [
        {
            "concept": {"CONCEPT_ID": draw.randrange(1, 31)},
            "isExcluded": place > 0 and draw.random() < 0.4,
            "includeDescendants": draw.random() < 0.5,
            "includeMapped": draw.random() < 0.4,
        }
        for place in range(draw.randrange(1, 6))
    ]
    return {"items": items}


@pytest.mark.parametrize("seed", range(5))
def test_a_set_means_what_circes_sql_finds(seed: int) -> None:
    known, below, maps = drawn(seed)
    draw = random.Random(seed)
    invalid = frozenset(draw.sample(sorted(known), 4))
    vocabulary = slices_of(known, below, maps, invalid)
    with duckdb.connect() as database:
        database.execute(
            "create table concept (concept_id int, invalid_reason varchar);"
            "create table concept_ancestor (ancestor_concept_id int, descendant_concept_id int);"
            "create table concept_relationship (concept_id_1 int, concept_id_2 int,"
            " relationship_id varchar default 'Maps to', invalid_reason varchar)"
        )
        marked = [(one, "D" if one in invalid else None) for one in sorted(known)]
        database.executemany("insert into concept values (?, ?)", marked)
        database.executemany("insert into concept_ancestor values (?, ?)", below)
        database.executemany(
            "insert into concept_relationship (concept_id_1, concept_id_2) values (?, ?)", maps
        )
        for _ in range(60):
            asked = expression(draw)
            assert atlas_concept_set(asked).resolve(vocabulary) == concepts_of(database, asked)


def test_unknown_concepts_give_nothing_unless_all_are() -> None:
    vocabulary = slices_of({1}, [(1, 2)], [])
    assert vocabulary.resolve(ConceptSet.from_words(["1+", 77, 2**63 - 1])) == {1, 2}
    with pytest.raises(UnknownConceptError, match="no concept that the set includes"):
        vocabulary.resolve(ConceptSet.from_words(["77+*", 78], exclude=[1]))


# ------------------------------------------------------------------------------------------- words


def test_words_are_read_and_written() -> None:
    read = ConceptSet.from_words(["7*", "5+", 5, -3, "7*", "0"], exclude=["9+*"])
    assert read.include_words == (-3, 0, 5, "5+", "7*")
    assert read.exclude_words == ("9+*",)
    assert read == ConceptSet.from_words(read.include_words[::-1], read.exclude_words)
    assert hash(read) == hash(ConceptSet.from_words(read.include_words, read.exclude_words))
    assert read.concepts == (-3, 0, 5, 7, 9)
    assert ConceptItem.of("5+*") == ConceptItem(5, descendants=True, mapped=True)


@pytest.mark.parametrize("word", ["", "5*+", "05", "+5", "5 ", "x", "9" * 20, True, 1.0, None, "٣"])
def test_what_is_no_word_is_refused(word: Any) -> None:
    with pytest.raises(UsageError):
        ConceptSet.from_words([word])
    assert not (isinstance(word, str) and word != "9" * 20 and is_word(word))


def test_a_set_that_includes_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="includes no concept"):
        ConceptSet.from_words([], exclude=[5])


# ------------------------------------------------------------------------------------------- ATLAS

ITEM = {
    "concept": {
        "CONCEPT_ID": 201826,
        "CONCEPT_NAME": "Type 2 diabetes mellitus",
        "STANDARD_CONCEPT": "S",
        "INVALID_REASON": "V",
    },
    "isExcluded": False,
    "includeDescendants": True,
    "includeMapped": False,
}
LESS = {"concept": {"CONCEPT_ID": 443238}, "isExcluded": True}
MEANT = ConceptSet.from_words(["201826+"], exclude=[443238])
BARE = {"items": [ITEM, LESS]}
WRAPPED = {"id": 4, "name": "T2DM", "createdBy": {"login": "x"}, "expression": BARE}
COHORT = {
    "ConceptSets": [{"id": 0, "name": "empty", "expression": {"items": []}}, WRAPPED],
    "PrimaryCriteria": {},
}


@pytest.mark.parametrize(
    "document",
    [
        BARE,
        [ITEM, LESS],
        WRAPPED,
        [WRAPPED],
        {**WRAPPED, "expression": json.dumps(BARE)},
        {"items": [{"conceptId": 201826, "includeDescendants": bool(ITEM)}, LESS]},
    ],
    ids=["expression", "items", "set", "list of sets", "expression as text", "WebAPI items"],
)
def test_every_form_of_a_set_is_read(document: Any) -> None:
    assert atlas_concept_set(document) == MEANT


@pytest.mark.parametrize(
    "document", [COHORT, {"id": 1, "name": "c", "expression": json.dumps(COHORT)}]
)
def test_sets_of_a_cohort_definition_are_told_by_number_or_name(document: Any) -> None:
    assert atlas_sets(document) == (AtlasSet(0, "empty", None), AtlasSet(4, "T2DM", MEANT))
    assert atlas_concept_set(document, 4) == atlas_concept_set(document, "T2DM") == MEANT
    with pytest.raises(UsageError, match="2 concept sets are there") as error:
        atlas_concept_set(document)
    assert "4 (T2DM)" in str(error.value)
    with pytest.raises(UsageError, match="includes no concept"):
        atlas_concept_set(document, "empty")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"items": [ITEM, {**ITEM, "includeRelated": True}]}, "items[1].includeRelated"),
        ({"items": [{**ITEM, "isExcluded": "no"}]}, "items[0]"),
        ({"items": [{"concept": {"CONCEPT_NAME": "x"}}]}, "without the id"),
        ({"items": [{"concept": {"CONCEPT_ID": "5"}}]}, "without the id"),
        ({"items": [5]}, "not an item"),
        ({"items": 5}, "no list of items"),
        ({"PrimaryCriteria": {}}, "no list of items"),
        ({"ConceptSets": {}}, "not a list"),
        (5, "no list of items"),
    ],
)
def test_what_is_no_set_is_refused_where_it_stands(document: Any, said: str) -> None:
    with pytest.raises(UsageError) as error:
        atlas_concept_set(document)
    assert said in str(error.value)


def test_a_file_is_read_and_one_that_cannot_be_is_named(tmp_path: Path) -> None:
    file = tmp_path / "set.json"
    file.write_text("\ufeff" + json.dumps(WRAPPED), encoding="utf-8")
    assert pc.atlas_concept_set(str(file)) == MEANT
    file.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not JSON"):
        pc.atlas_concept_set(file)
    with pytest.raises(UnreadableFileError, match=r"absent\.json"):
        pc.atlas_concept_set(tmp_path / "absent.json")


def test_saved_sets_are_listed_and_read_again(tmp_path: Path) -> None:
    saved = SavedConceptSets(tmp_path / "concept_sets")
    assert saved.listed().is_empty()
    saved.save("diabetes", MEANT, title="T2DM")
    with pytest.raises(UsageError, match="already"):
        saved.save("diabetes", MEANT)
    saved.save("diabetes", ConceptSet.from_words([5]), overwrite=True)
    saved.save("d2", MEANT, title="T2DM")
    assert saved.load("diabetes") == ConceptSet.from_words([5])
    assert saved.load("d2") == MEANT
    assert (tmp_path / "concept_sets").stat().st_mode & 0o777 == 0o700
    (tmp_path / "concept_sets" / "d2.json").write_text("{}", encoding="utf-8")
    assert saved.listed().rows() == [
        ("d2", None, None, None, "damaged"),
        ("diabetes", 1, 0, None, "saved"),
    ]
    with pytest.raises(IntegrityError):
        saved.load("d2")
    for name in ("absent", "../x", ""):
        with pytest.raises(UsageError):
            saved.load(name)


# ---------------------------------------------------------------------------------------- searches

NAMED = [
    (1, "Diabetes mellitus", "Condition", "SNOMED", "S", "73211009"),
    (2, "Type 2 diabetes mellitus", "Condition", "SNOMED", "S", "44054006"),
    (3, "Diabetes mellitus with complication", "Condition", "ICD10CM", None, "E11.8"),
    (4, "Ménière's disease", "Condition", "SNOMED", "S", "13445001"),
    (5, "Mellitus, sweet (diabetes)", "Drug", "RxNorm", "S", "e11.8"),
    (44054006, "a unit", "Unit", "UCUM", "S", "u"),
    (7, None, None, None, None, None),
]


@pytest.fixture(scope="module")
def names() -> Slices:
    rows = [
        {"concept_id": i, "concept_name": n, "domain_id": d, "vocabulary_id": v,
         "concept_class_id": None, "standard_concept": s, "concept_code": c,
         "invalid_reason": None, "rank": 0}
        for i, n, d, v, s, c in NAMED
    ]  # fmt: skip
    kinds = dict.fromkeys(CONCEPT_COLUMNS, pl.String) | {"concept_id": pl.Int64}
    found = slices_of({1}, [], [])
    said = pl.DataFrame(rows, schema={**kinds, "rank": pl.Int64})
    return Slices(said, *(getattr(found, name) for name in list(Slices.__annotations__)[1:]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("diabetes mellitus", [1, 3, 2, 5]),  # is it; begins with it; shorter names
        ("MELL  diab", [1, 2, 5, 3]),  # beginnings of words, in any order; standard ones first
        ("meniere", [4]),
        ("MÉNIÈRE’S DISEASE", [4]),
        ("44054006", [44054006, 2]),  # the id before the code
        ("E11.8", [5, 3]),
        ("2", [2]),
        ("betes", []),
        ("surname", []),
    ],
)
def test_concepts_are_found_and_ranked(names: Slices, text: str, expected: list[int]) -> None:
    assert found_concepts(names, Wanted(text))["concept_id"].to_list() == expected
    assert is_named(names, Wanted(text)) == bool(expected)


def test_a_search_is_narrowed_by_what_there_is(names: Slices) -> None:
    def ids(wanted: Wanted) -> list[int]:
        return found_concepts(names, wanted)["concept_id"].to_list()

    assert ids(Wanted("diabetes", domain="condition", standard=True)) == [1, 2]
    assert ids(Wanted("diabetes", vocabulary="icd10cm")) == [3]
    assert ids(Wanted(standard=False)) == [3, 7]
    assert len(ids(Wanted())) == len(NAMED)
    with pytest.raises(UsageError, match="of that domain") as error:
        ids(Wanted(domain="Conditions"))
    assert "Condition, Drug, Unit" in str(error.value)
    with pytest.raises(UsageError, match="no word"):
        ids(Wanted(" -- "))


@pytest.mark.parametrize(
    ("release", "day"),
    [
        ("v5.0 29-AUG-24", "2024-08-29"),
        ("v5.0 09-apr-22*", "2022-04-09"),
        ("v5.0 1-JAN-2019", "2019-01-01"),
        ("v5.0 31-FEB-24", None),
        ("v5.0", None),
        (None, None),
    ],
)
def test_a_release_has_the_day_in_its_name(release: str | None, day: str | None) -> None:
    found = release_date(release)
    assert (None if found is None else found.isoformat()) == day
