"""What is logged of a statement over staging, and what it may reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.errors import UsageError
from precisionchain.ingest.staging import Staging
from precisionchain.ingest.staging_sql import answer, redacted


@pytest.mark.parametrize(
    ("statement", "logged"),
    [
        ("select 1", "select ?"),
        (
            "select * from person where person_source_value = 'MRN-1' -- of Jane\n and x = 42",
            "select * from person where person_source_value = ? ?\n and x = ?",
        ),
        ("select $$a$$, E'x\\'y', t.\"Weird\" from t1", "select ?, ?, t.? from t1"),
        ("select 'Zoë Müller', x from t where y = 'MRN-1'", "select ?, x from t where y = ?"),
        ('select * from person where x = "MRN-1"', "select * from person where x = ?"),
        ("select * from t where x = ‘MRN-1’ or 1", "select * from t where x = ?-?? or ?"),
        ("MRN0042", "?"),
        ("select 0042MRN, 0xMRN", "select ??, ??"),
        ("select 'unterminated", "select ?"),
        ("", ""),
    ],
)
def test_values_in_a_statement_are_not_logged(statement: str, logged: str) -> None:
    assert redacted(statement) == logged


@pytest.mark.parametrize(
    "statement",
    [
        "drop view rejected",
        "select 1; select 2",
        "copy (select 1) to 'x.csv'",
        "attach 'x.db'",
        "set enable_external_access = true",
        "select * from read_csv('/etc/passwd')",
        "select * from nothing_of_that_name",
        "not sql at all",
        "select 1 as a, 2 as a",
        "select union_value(a := 1)",
        "select 'infinity'::timestamp",
        "select null::timestamp, '-infinity'::date",
        "select interval 1 month",
        "select '\udcff'",
    ],
)
def test_a_statement_that_is_not_one_select_over_staging_is_refused(
    statement: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        answer(Staging(tmp_path / "staging"), statement, "A")
    assert list(tmp_path.iterdir()) == []


def test_an_error_about_a_row_does_not_quote_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        answer(Staging(tmp_path / "staging"), "select cast('MR' || 'N1' as integer)", "A")
    assert "MRN1" not in str(caught.value)


def test_persons_in_an_answer_are_what_it_shows(tmp_path: Path) -> None:
    evaluated = answer(
        Staging(tmp_path / "staging"), "select '7' as person_id union all select 'x'", "A"
    )
    assert {site: ids.tolist() for site, ids in evaluated.persons_returned.items()} == {"A": [7]}
    assert evaluated.rows == 2


def test_the_first_and_the_last_day_of_the_calendar_are_answers(tmp_path: Path) -> None:
    statement = "select date '0001-01-01', timestamp '9999-12-31 23:59:59', null::timestamptz"
    assert answer(Staging(tmp_path / "staging"), statement, "A").rows == 1
