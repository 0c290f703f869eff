"""What a page says of quality: failed rules, and source values of enough persons to be codes."""

from __future__ import annotations

from pathlib import Path

from precisionchain.ingest.page_quality import LEAST_PERSONS, SHOWN_CODES, quality_page
from precisionchain.ingest.run_tables import QUALITY, UNMAPPED, write_run_table


def unmapped(value: str | None, rows: int, persons: int) -> dict[str, object]:
    return {
        "table_name": "condition_occurrence",
        "source_value": value,
        "source_concept_id": 0,
        "n_rows": rows,
        "n_persons": persons,
    }


def found(rule: str, checked: int, violating: int) -> dict[str, object]:
    return {
        "rule": rule,
        "severity": "measure",
        "family": "plausibility",
        "table_name": "condition_occurrence",
        "column_name": "",
        "n_checked": checked,
        "n_violating": violating,
        "threshold": 0.05,
        "block": 0.5,
    }


def test_values_of_few_persons_are_counted_and_not_shown(tmp_path: Path) -> None:
    rows = [
        unmapped("MRN00777", 500, LEAST_PERSONS - 1),
        unmapped(None, 900, 100),
        unmapped("K21.9", 30, LEAST_PERSONS),
        *(unmapped(f"code{n}", 40 + n, 20) for n in range(SHOWN_CODES)),
    ]
    write_run_table(tmp_path, UNMAPPED, rows)
    page = quality_page(tmp_path)
    assert [code.value for code in page.codes] == [f"code{n}" for n in range(SHOWN_CODES)][::-1]
    assert page.codes_left == 2


def test_failed_rules_stand_with_the_largest_share_first(tmp_path: Path) -> None:
    rows = [
        found("outside_period", 200, 10),
        found("outside_visit", 200, 11),
        found("date_order", 200, 101),
        found("value_low", 0, 0),
    ]
    write_run_table(tmp_path, QUALITY, rows)
    page = quality_page(tmp_path)
    assert page.checked == 3
    assert [(one.rule, one.blocks) for one in page.failed] == [
        ("date_order", True),
        ("outside_visit", False),
    ]
    assert quality_page(tmp_path / "nowhere").failed == ()
