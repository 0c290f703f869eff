"""A site's thresholds: read from its file, applied by rule and table, refused where they cannot be;
and the SQL that is printed for rules that reject finds the rows that they reject.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.errors import UsageError
from precisionchain.ingest.quality_file import read_policy
from precisionchain.ingest.quality_policy import DEFAULT, QualityPolicy
from precisionchain.ingest.rule_listing import listed
from precisionchain.ingest.rules import RULES
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Staging
from precisionchain.ingest.validate import validate_omop
from tests.lib.omop_builder import write_omop


def found(checked: int, violating: int, table: str = "person") -> dict[str, object]:
    return {
        "rule": "date_order",
        "table_name": table,
        "n_checked": checked,
        "n_violating": violating,
        "threshold": 0.01,
        "block": 0.5,
    }


@pytest.mark.parametrize(
    ("policy", "checked", "violating", "verdict"),
    [
        (QualityPolicy(), 0, 0, "not checked"),
        (QualityPolicy(), 100, 1, "passed"),
        (QualityPolicy(), 100, 2, "failed"),
        (QualityPolicy(), 100, 50, "failed"),
        (QualityPolicy(), 100, 51, "accepted"),
        (QualityPolicy(), 99, 99, "failed"),
        (QualityPolicy(thresholds={"date_order": 0.6}), 100, 50, "passed"),
        (QualityPolicy(thresholds={"date_order:person": 0.6, "date_order": 0}), 9, 5, "passed"),
        (QualityPolicy(thresholds={"date_order:death": 0.6}), 9, 5, "failed"),
        (QualityPolicy(block={"date_order": None}), 100, 100, "failed"),
        (QualityPolicy(block={"date_order": 0.0}), 5, 1, "accepted"),
        (QualityPolicy(block={"date_order:person": None, "date_order": 0.0}), 5, 1, "failed"),
    ],
)
def test_a_verdict_follows_the_nearest_threshold(
    policy: QualityPolicy, checked: int, violating: int, verdict: str
) -> None:
    assert policy.verdict(found(checked, violating)) == verdict


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("suppress_below = 0", "no whole number above 0", 1),
        ("\nsuppress_below = true", "no whole number above 0", 2),
        ("rule_seconds = nan", "rule_seconds is no number above 0", 1),
        ("rule_seconds = 0", "rule_seconds is no number above 0", 1),
        ("rule_seconds = 'long'", "rule_seconds is no number above 0", 1),
        ("[treshold]\na = 1", "unknown: treshold", 1),
        ("[thresholds]\n\n'date_order' = 2", "no share from 0 to 1", 3),
        ("[thresholds]\ndate_order = false", "no share from 0 to 1", 2),
        ("[thresholds]\ndate_order = 0\n[block] # x\ndate_order = true", "no share from", 4),
        ("thresholds = 3", "is no table", 1),
        ("[block]\n[thresholds\n", "the file is not TOML", 2),
        ("a = 1\na = 2\n", "the file is not TOML", 2),
    ],
)
def test_a_file_that_cannot_be_is_refused_with_its_line(
    tmp_path: Path, text: str, said: str, line: int
) -> None:
    (tmp_path / "quality.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said) as refused:
        read_policy(tmp_path / "quality.toml")
    assert refused.value.where == f"quality.toml, line {line}"


@pytest.mark.parametrize(
    ("text", "said", "where"),
    [
        ("[block]\n[thresholds]\ndate_oder = 0\n", "no rule date_oder", "quality.toml, line 3"),
        ('[block]\n"mine:persn" = false\n', "no table persn", "quality.toml, line 2"),
        ('[block]\n"type:Dat" = 0\n', "no rule type:Dat", "quality.toml, line 2"),
        ('block = {"dat\\u0065" = 0}\n', "no rule date", "quality.toml, line 1"),
        ("", "no rule nosuch", "--accept-quality nosuch"),
        ("", "no table persn", "--accept-quality type:Date:persn"),
    ],
)
def test_a_name_that_no_rule_or_table_has_is_refused_with_its_place(
    tmp_path: Path, text: str, said: str, where: str
) -> None:
    (tmp_path / "quality.toml").write_text(text, encoding="utf-8")
    _, _, accepted = where.partition("--accept-quality ")
    policy = read_policy(tmp_path / "quality.toml", (accepted,) if accepted else ())
    with pytest.raises(UsageError, match=said) as refused:
        policy.require_known({"mine"})
    assert refused.value.where == where


def test_names_of_rules_and_tables_are_taken() -> None:
    known = ("mine", "mine:person", "type:Date", "type:Date:person", "date_order:death")
    QualityPolicy(accepted=known, block={"foreign_key": None}).require_known({"mine"})


def test_a_file_says_what_differs_from_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "quality.toml"
    assert read_policy(path).said == {}
    text = 'suppress_below = 20\n[thresholds]\n"a:person" = 0.5\n[block]\nb = false\n'
    path.write_text(text, encoding="utf-8")
    policy = read_policy(path, ("c",))
    assert policy.rule_seconds == 600
    assert policy.suppress_below == 20
    assert policy.said == {
        "thresholds": {"a:person": 0.5},
        "block": {"b": None},
        "accepted": ["c"],
    }


DIRTY = """
    person
    id | year_of_birth
    1  | 1950
    2  | 1960

    note
    id | person | start
    1  | 1      | 2015-01-01
    2  | 9      | 2015-01-01

    note_nlp
    id | note_id
    1  | 1
    2  | 2

    condition_occurrence
    id | person | concept | start
    1  | 1      | 10      | 2015-01-01
    2  |        | 10      | 2015-01-01
    3  | 9      | 10      | 2015-01-01
    4  | 2      | 10      | 2015-01-01
    1  | 2      | 10      | 2015-01-01
    1  | 1      | 10      | 2015-01-01
    """


@pytest.mark.parametrize(
    ("rule", "table"),
    [
        ("required", "condition_occurrence"),
        ("unknown_person", "condition_occurrence"),
        ("unknown_parent", "note_nlp"),
        ("duplicate_key", "condition_occurrence"),
    ],
)
def test_the_sql_that_is_printed_of_a_rule_and_table_finds_what_is_rejected(
    rule: str, table: str, tmp_path: Path
) -> None:
    staging = Staging.open(tmp_path / "staging")
    validate_omop(staging, stage_omop(staging, write_omop(tmp_path / "omop", DIRTY)))
    printed = [row["sql"] for row in listed([RULES[rule]], DEFAULT, table)]
    with staging.database() as database:
        rejected = database.execute(
            f"SELECT record FROM rejected WHERE rule = '{rule}'"
            f" AND table_name = '{table}' ORDER BY 1"
        ).fetchall()
        there = {name for (name,) in database.execute("SHOW TABLES").fetchall()}
        columns = {name for name, *_ in database.execute(f"DESCRIBE raw_{table}").fetchall()}
        asked = [
            row
            for sql in printed
            if rule != "required" or sql.split('"')[1] in columns
            for row in database.execute(f"SELECT _record FROM ({sql})").fetchall()
        ]
    assert f"raw_{table}" in there
    assert sorted(asked) == rejected
    assert rejected


def test_rules_that_read_cells_and_bytes_are_listed_of_a_table() -> None:
    def columns(rule: str, table: str) -> list[str]:
        return [row["tables"] for row in listed([RULES[rule]], DEFAULT, table)]

    assert columns("type:Date", "person") == []
    of_death = [row["tables"] for row in listed(RULES.values(), DEFAULT, "death")]
    assert columns("type:Date", "death") == ["death.death_date"]
    assert columns("type:Datetime", "person") == ["person.birth_datetime"]
    assert columns("quoting", "death") == ["death"]
    assert columns("required", "death") == ["death.person_id", "death.death_date"]
    assert columns("unknown_parent", "death") == columns("duplicate_key", "death") == []
    assert columns("unknown_parent", "episode_event") == ["episode_event.episode_id"]
    assert {"death", "death.death_date"} <= {*of_death}
