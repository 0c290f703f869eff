"""A site's own rules: read, tried before a long job, locked in, and part of what is ingested."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from precisionchain.errors import InputError, UnreadableFileError, UsageError
from precisionchain.ingest.custom_rules import CustomRules, read_rules
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.validate import validate_omop
from tests.lib.omop_builder import write_omop

EXPORT = """
    person
    id | year_of_birth
    1  | 1950
    2  | 1990
    3  | 1960

    note
    id | person | start
    1  | 2      | 2015-01-01
    2  | 3      | 2015-01-01

    note_nlp
    id | note_id
    1  | 1
    2  | 2

    measurement
    id | person | concept | start      | value_as_number
    1  | 1      | 10      | 2015-01-01 | 5
    2  | 1      | 10      | 2015-01-02 | 50
    3  | 2      | 10      | 2015-01-03 | 60
    """


def rule(name: str, sql: str, *, severity: str = "error", more: str = "") -> str:
    head = f"-- rule: {name}\n-- severity: {severity}\n-- family: plausibility\n-- finds: a fault\n"
    return f"{head}{more}{sql}\n"


YOUNG = "SELECT 'person' AS table_name, _record AS record FROM person WHERE year_of_birth > 1980"
SMALL = (
    "SELECT 'measurement' AS table_name, _record AS record\n"
    "FROM measurement\nWHERE value_as_number < 10"
)
SHARE = "SELECT count(*) AS n_checked, count(*) FILTER (value_as_number > 40) AS n_violating"


class Site:
    """A staging area with one export, and a folder of rules."""

    def __init__(self, folder: Path) -> None:
        self.rules = folder / "rules"
        self.rules.mkdir()
        self.staging = Staging.open(folder / "staging")
        self.run: Run = stage_omop(self.staging, write_omop(folder / "omop", EXPORT))

    def write(self, **texts: str) -> CustomRules:
        for name, text in texts.items():
            (self.rules / f"{name}.sql").write_text(text, encoding="utf-8")
        return read_rules(self.rules)

    def validate(self, custom: CustomRules) -> Run:
        self.run = validate_omop(self.staging, self.run, custom=custom)
        return self.run

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.staging.database() as database:
            return database.execute(query).fetchall()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_an_error_rejects_rows_and_what_cannot_be_without_them(site: Site) -> None:
    site.validate(site.write(a=rule("young", YOUNG), b=rule("small", SMALL)))
    assert site.ask("SELECT table_name, rule, record, column_name FROM rejected ORDER BY ALL") == [
        ("measurement", "small", 1, None),
        ("measurement", "unknown_person", 3, "person_id"),
        ("note", "unknown_person", 1, "person_id"),
        ("note_nlp", "unknown_parent", 1, "note_id"),
        ("person", "young", 2, None),
    ]
    assert site.ask("SELECT measurement_id FROM measurement") == [(2,)]
    assert site.ask("SELECT note_nlp_id FROM note_nlp") == [(2,)]
    assert site.ask("SELECT n_accepted, n_rejected FROM tables WHERE table_name = 'person'") == [
        (2, 1)
    ]
    found = site.ask(
        "SELECT rule, table_name, n_checked, n_violating FROM quality"
        " WHERE rule IN ('young', 'small', 'unknown_parent') AND n_violating > 0 ORDER BY ALL"
    )
    assert found == [
        ("small", "measurement", 3, 1),
        ("unknown_parent", "note_nlp", 2, 1),
        ("young", "person", 3, 1),
    ]


def test_a_warning_is_counted_and_a_measure_is_a_share(site: Site) -> None:
    custom = site.write(
        a=rule("small", SMALL, severity="warning", more="-- threshold: 0.5\n"),
        b=rule("large", f"{SHARE}\nFROM measurement", severity="measure"),
    )
    site.validate(custom)
    assert site.ask("SELECT count(*) FROM rejected") == [(0,)]
    warned = "SELECT table_name, column_name, n FROM warnings WHERE rule = 'small'"
    assert site.ask(warned) == [("measurement", None, 1)]
    measured = "SELECT table_name, n_checked, n_violating, threshold FROM quality WHERE rule = "
    assert site.ask(measured + "'large'") == [("measurement", 3, 2, 0.0)]
    assert site.ask(measured + "'small'") == [("measurement", 3, 1, 0.5)]


def test_rules_are_part_of_what_the_source_is_known_by(site: Site) -> None:
    plain = site.validate(read_rules(None)).source_id
    one = site.validate(site.write(a=rule("small", SMALL)))
    assert one.source_id != plain
    assert site.validate(site.write()).source_id == one.source_id
    other = site.validate(site.write(a=rule("small", SMALL.replace("10", "11"))))
    assert len({plain, one.source_id, other.source_id}) == 3
    assert other.description["settings"]["site_rules"] == read_rules(site.rules).digest
    again = site.validate(read_rules(None))
    assert again.source_id == plain
    assert "site_rules" not in again.description["settings"]


@pytest.mark.parametrize(
    ("sql", "line", "said"),
    [
        ("SELECT 'person' AS table_name,\n  _record AS record\nFORM person", 7, "syntax error"),
        ("SELECT 'person' AS table_name,\n  weight AS record\nFROM person", 6, "weight"),
        ("SELECT table_name, record\nFROM rejected", 6, "rejected"),
        ("SELECT 1; SELECT 2", 5, "not one SELECT"),
        ("DROP VIEW person", 5, "not one SELECT"),
        ("SELECT count(*) AS n FROM person", 5, "returns record and table_name"),
    ],
)
def test_sql_that_cannot_be_is_an_error_with_file_and_line(
    site: Site, sql: str, line: int, said: str
) -> None:
    with pytest.raises(InputError, match=said) as found:
        site.write(mine=rule("mine", sql))
    assert found.value.where == f"mine.sql, line {line}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT 1", "no line `-- rule: ...`"),
        (rule("mine", SMALL, severity="fatal"), "a severity that there is not"),
        (rule("mine", SMALL, more="-- threshold: 5\n"), "no share from 0 to 1"),
        (rule("mine", SMALL, more="-- threshold: 0; nosuch 0.2\n"), "there is not: nosuch"),
        (rule("mine", SMALL, more="-- treshold: 0.5\n"), "is no line of a rule's header"),
        (rule("Mine", SMALL), "small letters"),
        (rule("date_order", SMALL), "a second rule of the name date_order"),
        (rule("mine", ""), "no SQL below the header"),
    ],
)
def test_a_header_that_cannot_be_is_an_error(site: Site, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as found:
        site.write(mine=text)
    assert "mine.sql" in str(found.value.where)
    if "threshold" in said or "threshold:" in text:
        assert found.value.where == "mine.sql, line 5"


@pytest.mark.parametrize(
    "reaching",
    [
        "SELECT 'person' AS table_name, length(content) AS record FROM read_text('{secret}')",
        "SELECT 'person' AS table_name, 1 AS record FROM read_csv('{secret}')",
        "SELECT 'person' AS table_name, 1 AS record FROM glob('{folder}/*')",
        "SELECT 'person' AS table_name, 1 AS record FROM '{other}'",
    ],
)
def test_a_rule_reaches_nothing_outside_its_run(site: Site, tmp_path: Path, reaching: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("MRN\n777\n", encoding="utf-8")
    other = site.run.path / "rejected.parquet"
    sql = reaching.format(secret=secret, folder=tmp_path, other=other)
    with pytest.raises(InputError) as found:
        site.write(mine=rule("mine", sql))
    assert "777" not in str(found.value)


def test_what_a_rule_returns_never_carries_a_cell_out(site: Site) -> None:
    names = "SELECT note_source_value AS table_name, _record AS record FROM note"
    with pytest.raises(InputError, match="table_name that is no table of the CDM"):
        site.validate(site.write(mine=rule("mine", names)))
    column = "SELECT 1 AS n_checked, 1 AS n_violating, 'MRN777' AS column_name FROM note"
    with pytest.raises(InputError, match="column_name that is no column") as found:
        site.validate(site.write(mine=rule("mine", column, severity="measure")))
    assert "MRN777" not in str(found.value)
    cast = "SELECT 'note' AS table_name, CAST('MRN777' || _record AS INT) AS record FROM note"
    with pytest.raises(InputError, match="ConversionException") as found:
        site.validate(site.write(mine=rule("mine", cast)))
    assert "MRN777" not in str(found.value)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 5 AS n_checked, -3 AS n_violating", "no numbers of rows"),
        ("SELECT 5.5 AS n_checked, 2 AS n_violating", "no numbers of rows"),
        ("SELECT 5 AS n_checked, 'NaN'::DOUBLE AS n_violating", "no numbers of rows"),
        ("SELECT 5 AS n_checked, 9 AS n_violating", "more than n_checked"),
        ("SELECT 5 AS n_checked, 2 AS n_violating FROM measurement", "two rows of measurement"),
        ("SELECT 5 AS n_checked, NULL::INT AS n_violating", "n_violating is NULL"),
    ],
)
def test_a_measure_that_is_no_share_is_refused(site: Site, sql: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as found:
        site.validate(site.write(mine=rule("mine", sql, severity="measure")))
    assert found.value.where == "mine.sql, line 5"


@pytest.mark.parametrize("record", ["_record + 90", "NULL::BIGINT"])
@pytest.mark.parametrize("severity", ["error", "warning"])
def test_a_record_that_no_accepted_row_has_is_refused(
    site: Site, record: str, severity: str
) -> None:
    sql = f"SELECT 'person' AS table_name, {record} AS record FROM person"
    with pytest.raises(
        InputError, match="have a record that no accepted row of person has"
    ) as found:
        site.validate(site.write(mine=rule("mine", sql, severity=severity)))
    assert found.value.where == "mine.sql, line 5"


ENDLESS = {
    "recursion": "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n)\n"
    "SELECT 'person' AS table_name, i AS record FROM n",
    "join": "SELECT 'person' AS table_name, p._record AS record\n"
    "FROM person AS p, range(1000000000000000)",
}


@pytest.mark.parametrize("sql", [*ENDLESS.values()], ids=[*ENDLESS])
def test_a_rule_that_does_not_end_is_stopped_by_name_and_changes_nothing(
    site: Site, sql: str
) -> None:
    site.write(a=rule("small", SMALL), b=rule("endless", sql))
    before, began = site.run.description, time.monotonic()
    custom = read_rules(site.rules, 0.5)
    with pytest.raises(
        InputError, match=r"rule endless was stopped: it takes longer than 0\.5 s"
    ) as e:
        site.validate(custom)
    assert time.monotonic() - began < 20
    assert e.value.where == "b.sql, line 5"
    assert "rule_seconds in quality.toml" in str(e.value.hint)
    assert [run.description for run in site.staging.runs()] == [before]


def test_a_rule_without_a_limit_is_answered(site: Site) -> None:
    site.write(a=rule("small", SMALL))
    site.validate(read_rules(site.rules, float("inf")))
    assert site.ask("SELECT rule, record FROM rejected") == [("small", 1)]


def test_steps_name_each_rule_and_a_share_is_told(site: Site) -> None:
    custom = site.write(
        a=rule("young", YOUNG),
        b=rule("late", f"{SHARE}\nFROM measurement", severity="measure"),
    )
    steps: list[str] = []
    shares: list[tuple[int, int]] = []
    validate_omop(
        site.staging,
        site.run,
        custom=custom,
        step=steps.append,
        advance=lambda *at: shares.append(at),
    )
    assert steps[-3:] == [
        "check data quality: rule young (a.sql)",
        "check data quality: rule late (b.sql)",
        "check data quality",
    ]
    done = [n for n, _ in shares]
    assert done == sorted(set(done))
    assert shares[-1] == (done[-1], done[-1])
    assert len(done) > 10


def test_a_row_that_is_returned_often_counts_once_and_a_measure_without_rows_is_known(
    site: Site,
) -> None:
    often = f"{YOUNG.replace('FROM person', 'FROM person, range(1000)')}"
    nothing = f"{SHARE} FROM measurement GROUP BY person_id HAVING false"
    site.validate(
        site.write(
            a=rule("young", often, severity="warning"),
            b=rule("none", nothing, severity="measure"),
        )
    )
    counted = "SELECT rule, table_name, n_checked, n_violating FROM quality WHERE rule IN "
    assert site.ask(counted + "('young', 'none') ORDER BY 1") == [
        ("none", "measurement", 0, 0),
        ("young", "person", 3, 1),
    ]


def test_a_site_s_plausible_values_take_the_place_of_ours(site: Site) -> None:
    columns = "measurement_id,person_id,measurement_concept_id,measurement_date"
    rows = f"{columns},value_as_number,unit_concept_id\n1,1,3027018,2015-01-01,300,8541\n"
    folder = site.rules.parent / "omop"
    (folder / "measurement.csv").write_text(rows, encoding="utf-8")
    site.run = stage_omop(site.staging, folder)
    high = "SELECT n_checked, n_violating FROM quality WHERE rule = 'value_high'"
    plain = site.validate(read_rules(None)).source_id
    assert site.ask(high) == [(1, 0)]
    own = site.rules / "plausible_ranges.csv"
    own.write_text("concept_id,unit_concept_id,low,high\n3027018,8541,10,250\n", encoding="utf-8")
    assert site.validate(read_rules(site.rules)).source_id != plain
    assert site.ask(high) == [(1, 1)]
    own.write_text("concept_id,unit_concept_id,low,high\n3027018,8541,ten,250\n", encoding="utf-8")
    with pytest.raises(InputError, match="not a row of plausible values") as found:
        read_rules(site.rules)
    assert found.value.where == "plausible_ranges.csv, line 2"


def test_names_and_headers_as_editors_write_them_are_rules(site: Site) -> None:
    """A byte-order mark, capitals, a comment of another kind; and a name in capitals."""
    header = "-- Rule: small\n-- Author: us\n-- SEVERITY: Error\n-- Family: Plausibility\n"
    text = f"\ufeff{header}-- Finds: a fault\n{SMALL}"
    (site.rules / "SMALL.SQL").write_text(text, encoding="utf-8")
    site.validate(read_rules(site.rules))
    assert site.ask("SELECT rule, record FROM rejected") == [("small", 1)]
    (site.rules / "small.sql.txt").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="not taken for a rule") as found:
        read_rules(site.rules)
    assert found.value.where == "small.sql.txt"


def test_rows_of_a_vocabulary_come_back_when_a_rule_is_mended(tmp_path: Path) -> None:
    site = Site(tmp_path)
    terms = write_omop(
        tmp_path / "terms",
        """
        concept
        concept_id | concept_name
        10         | ten
        20         | twenty
        """,
    )
    site.run = stage_omop(site.staging, tmp_path / "omop", vocabulary=terms)
    sql = "SELECT 'concept' AS table_name, _record AS record FROM concept WHERE concept_id {} 10"
    for comparison, left in (("=", [20]), ("<>", [10]), ("=", [20])):
        site.validate(site.write(mine=rule("mine", sql.format(comparison))))
        assert site.ask("SELECT concept_id FROM concept") == [(one,) for one in left]
        assert site.ask("SELECT count(*) FROM rejected") == [(1,)]
    site.validate(read_rules(None))
    assert site.ask("SELECT concept_id FROM concept ORDER BY 1") == [(10,), (20,)]
    assert site.ask("SELECT count(*) FROM rejected") == [(0,)]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="no folder of rules"):
        read_rules(tmp_path / "nowhere")
