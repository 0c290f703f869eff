"""Concepts and concept sets as they are typed: found, told, imported, resolved, logged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import precisionchain as pc
from precisionchain.errors import AccessRefusedError
from tests.lib.omop_builder import write_omop
from tests.lib.typed_commands import rows, run, typed

TABLES = """
    vocabulary
    vocabulary_id | vocabulary_version
    None          | v5.0 29-AUG-24

    concept
    concept_id | concept_name             | domain_id | vocabulary_id | standard_concept | concept_code
    201820     | Diabetes mellitus        | Condition | SNOMED        | S                | 73211009
    201826     | Type 2 diabetes mellitus | Condition | SNOMED        | S                | 44054006
    201254     | Type 1 diabetes mellitus | Condition | SNOMED        | S                | 46635009
    45600642   | T2DM with hyperglycemia  | Condition | ICD10CM       |                  | E11.65

    concept_ancestor
    ancestor | descendant | levels
    201820   | 201826     | 1
    201820   | 201254     | 1

    concept_relationship
    concept_id_1 | concept_id_2 | relationship_id
    45600642     | 201826       | Maps to

    condition_occurrence
    id | person | concept | start      | condition_source_concept_id
    1  | 7      | 201826  | 2015-03-02 | 45600642
    2  | 7      | 201826  | 2016-03-02 | 0
    3  | 8      | 201254  | 2016-01-01 | 0
    """  # noqa: E501
ATLAS = {
    "id": 4,
    "name": "Diabetes but type 1",
    "expression": {
        "items": [
            {"concept": {"CONCEPT_ID": 201820}, "includeDescendants": True, "includeMapped": True},
            {"concept": {"CONCEPT_ID": 201254}, "isExcluded": True},
            {"concept": {"CONCEPT_ID": 4008576}, "includeDescendants": True},
        ]
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("concepts")
    pc.Site.init(root / "a", site="A").ingest_omop(write_omop(root / "omop", TABLES))
    (root / "atlas.json").write_text(json.dumps(ATLAS), encoding="utf-8")
    (root / "none.json").write_text("[]", encoding="utf-8")
    (root / "no_set.json").write_text('{"ConceptSets": []}', encoding="utf-8")
    (root / "wrong.json").write_text('[{"concept": {}}]', encoding="utf-8")
    return root


def asked(folder: Path, operation: str) -> dict[str, Any]:
    """The question of the newest request of an operation, as every member reads it."""
    with pc.connect(folder / "a") as network:
        entries = network.audit.entries().to_dicts()
    found = [row for row in entries if row["operation"] == operation and row["question"]]
    question = found[-1]["question"]
    read: dict[str, Any] = json.loads(question) if isinstance(question, str) else question
    return read


def test_concepts_are_found_with_counts_and_what_is_cut_is_said(folder: Path) -> None:
    found = rows(folder, "-C", "a", "query", "concepts", "diab mell", "--standard", "--counts")
    assert [(row["concept_id"], row["rows"], row["persons"]) for row in found] == [
        (201820, 0, 0),
        (201254, 1, 1),
        (201826, 2, 1),
    ]
    code, out, err = typed(folder, "-C", "a", "query", "concepts", "--limit", "1", "--json")
    assert (code, len(out.splitlines())) == (0, 1)
    assert "and 3 more" in err
    (code_row,) = rows(folder, "-C", "a", "query", "concepts", "e11.65", "--non-standard")
    assert code_row["concept_id"] == 45600642


def test_words_that_no_vocabulary_has_are_not_logged(folder: Path) -> None:
    assert rows(folder, "-C", "a", "query", "concepts", "Szymborska-Kowalski") == []
    assert "Szymborska" not in json.dumps(asked(folder, "concepts"))
    rows(folder, "-C", "a", "query", "concepts", "Diabetes", "--domain", "condition")
    assert asked(folder, "concepts") == {
        "text": "Diabetes",
        "domain": "condition",
        "vocabulary": None,
        "standard": None,
        "counts": False,
    }


def test_a_set_of_atlas_is_imported_listed_and_shown(folder: Path) -> None:
    run(folder, "-C", "a", "concepts", "import", "atlas.json", "--name", "diabetes")
    assert rows(folder, "-C", "a", "concepts", "list") == [
        {"name": "diabetes", "include": 2, "exclude": 1, "title": "Diabetes but type 1",
         "state": "saved"}
    ]  # fmt: skip
    by_name = rows(folder, "-C", "a", "query", "concept-set", "diabetes")
    assert {row["concept_id"]: row["state"] for row in by_name} == {
        201820: "included",
        201826: "included",
        45600642: "included",
        201254: "excluded",
        4008576: "unknown",
    }
    assert asked(folder, "concept-set") == {
        "include": ["201820+*", "4008576+"],
        "exclude": [201254],
    }
    assert rows(folder, "-C", "a", "query", "concept-set", "atlas.json") == by_name
    words = ("201820+*", "4008576+", "--exclude", "201254")
    assert rows(folder, "-C", "a", "query", "concept-set", *words) == by_name


def test_a_set_stands_in_criteria_as_it_is(folder: Path) -> None:
    run(folder, "-C", "a", "concepts", "import", "atlas.json", "--name", "shown", "--overwrite")
    text = run(folder, "-C", "a", "concepts", "show", "shown").strip()
    assert text == "concept_set(201820+*, 4008576+, exclude=[201254])"
    criterion = pc.condition(pc.atlas_concept_set(folder / "atlas.json"))
    assert criterion.text == f"condition({text})"
    found = rows(folder, "-C", "a", "cohort", f"condition({text})")
    assert [(row["site"], row["person_id"]) for row in found] == [("A", 7)]
    logged = asked(folder, "cohort")["criterion"]
    assert logged == criterion.json


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("concepts", "import", "atlas.json", "--name", "1x"), "not a name"),
        (("concepts", "import", "absent.json", "--name", "x"), "absent.json"),
        (("concepts", "import", "atlas.json", "--name", "x", "--set", "9"), "4 (Diabetes"),
        (("query", "concept-set", "no_such_set"), "no_such_set: neither a saved concept set nor"),
        (("query", "concept-set", "201826++"), "neither a saved concept set nor a file"),
        (("query", "concept-set", "a.json", "b.json"), "concepts"),
        (("query", "concept-set", "4008576+"), "no concept that the set includes"),
        (("query", "concepts", "x", "--standard", "--non-standard"), "contradict"),
        (("query", "concepts", "x", "--vocabulary", "ICD9"), "ICD10CM, SNOMED"),
        (("query", "concept", "4008576"), "4008576"),
        (("concepts", "import", "none.json", "--name", "x"), "none.json: the concept set includes"),
        (("concepts", "import", "no_set.json", "--name", "x"), "no_set.json: no concept set is"),
        (("query", "concept-set", "wrong.json"), "wrong.json: the document.items[0]: an item with"),
    ],
)
def test_what_cannot_be_says_why(folder: Path, words: tuple[str, ...], says: str) -> None:
    code, out, err = typed(folder, "-C", "a", *words)
    assert (code != 0, out) == (True, "")
    assert says in err
    assert "Traceback" not in err


def test_a_concept_is_told_in_full(folder: Path) -> None:
    out = run(folder, "-C", "a", "query", "concept", "201826")
    # What has no row is not drawn.
    assert {"concept", "ancestors", "mapped_from"} <= {line.strip() for line in out.splitlines()}
    assert "T2DM with hyperglycemia" in out
    assert "0 rows" not in out
    said = {row["relation"]: row for row in rows(folder, "-C", "a", "query", "concept", "201826")}
    assert said.keys() == {"concept", "ancestors", "mapped_from"}
    assert "v5.0 29-AUG-24" in out


def test_who_is_no_researcher_finds_nothing(folder: Path) -> None:
    pc.Site(folder / "a").add_user("aud@A", ["auditor"])
    with pc.connect(folder / "a", user="aud@A") as network:
        for ask in (
            network.concepts,
            network.vocabularies,
            lambda: network.concept(201826),
            lambda: network.concept_set([201826]),
        ):
            with pytest.raises(AccessRefusedError):
                ask()


def test_that_nobody_has_sealed_a_vocabulary_is_said(folder: Path, tmp_path: Path) -> None:
    rows_alone = "condition_occurrence\nperson | concept\n7 | 201826"
    pc.Site.init(tmp_path / "b", site="B").ingest_omop(write_omop(tmp_path / "omop", rows_alone))
    for words in (("concepts", "diabetes"), ("vocabularies",), ("vocabularies", "--differences")):
        code, out, err = typed(tmp_path, "-C", "b", "query", *words)
        assert (code, out) == (0, "0 rows\n")
        assert "no sealed batch has a vocabulary slice" in err
        assert "--vocabulary" in err
    _, _, err = typed(folder, "-C", "a", "query", "concepts", "nosuchword")
    assert "slice" not in err
