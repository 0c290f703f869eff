"""A site's thresholds: read from its file, applied by rule and table, refused where they cannot be;
and the SQL that is printed for rules that reject finds the rows that they reject.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.errors import UsageError
from precisionchain.ingest.quality_policy import QualityPolicy, read_policy
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
    ("text", "said"),
    [
        ("suppress_below = 0", "no whole number above 0"),
        ("suppress_below = true", "no whole number above 0"),
        ("[treshold]\na = 1", "unknown: treshold"),
        ("[thresholds]\ndate_order = 2", "no share from 0 to 1"),
        ("[thresholds]\ndate_order = false", "a threshold is a share"),
        ("[block]\ndate_order = true", "no share from 0 to 1"),
        ("thresholds = 3", "is no table"),
        ("[thresholds\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "quality.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said) as refused:
        read_policy(tmp_path / "quality.toml")
    assert refused.value.where == "quality.toml"


def test_a_file_says_what_differs_from_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "quality.toml"
    assert read_policy(path).said == {}
    text = 'suppress_below = 20\n[thresholds]\n"a:person" = 0.5\n[block]\nb = false\n'
    path.write_text(text, encoding="utf-8")
    policy = read_policy(path, ("c",))
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
    ("rule", "words"),
    [
        ("required", {"table": "condition_occurrence", "column": "person_id"}),
        ("unknown_person", {"table": "condition_occurrence"}),
        (
            "unknown_parent",
            {"table": "note_nlp", "column": "note_id", "key": "note_id", "referred": "note"}
            | {"type": "BIGINT"},
        ),
        (
            "duplicate_key",
            {"table": "condition_occurrence", "key": "condition_occurrence_id", "type": "BIGINT"},
        ),
    ],
)
def test_the_sql_of_a_rule_that_rejects_finds_what_it_rejects(
    rule: str, words: dict[str, str], tmp_path: Path
) -> None:
    staging = Staging.open(tmp_path / "staging")
    validate_omop(staging, stage_omop(staging, write_omop(tmp_path / "omop", DIRTY)))
    sql = RULES[rule].definition.format(**words)
    with staging.database() as database:
        rejected = database.execute(
            f"SELECT record FROM rejected WHERE rule = '{rule}'"
            f" AND table_name = '{words['table']}' ORDER BY 1"
        ).fetchall()
        asked = database.execute(f"SELECT _record FROM ({sql}) ORDER BY 1").fetchall()
    assert asked == rejected
    assert rejected
