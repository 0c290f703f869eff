"""A slow reader of OMOP CSV files: every reason to reject a record, by Python's csv module."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

Reason = tuple[str, str, int, int, str | None]  # table, rule, record, line, column
Row = dict[str, str]

# Columns without which a row is rejected; the first is the key, if the table has one.
REQUIRED = {
    "location": ["location_id"],
    "care_site": ["care_site_id"],
    "provider": ["provider_id"],
    "person": ["person_id"],
    "observation_period": [
        "observation_period_id",
        "person_id",
        "observation_period_start_date",
    ],
    "death": ["person_id", "death_date"],
    "visit_occurrence": [
        "visit_occurrence_id",
        "person_id",
        "visit_concept_id",
        "visit_start_date",
    ],
    "visit_detail": [
        "visit_detail_id",
        "person_id",
        "visit_detail_concept_id",
        "visit_detail_start_date",
    ],
    "condition_occurrence": [
        "condition_occurrence_id",
        "person_id",
        "condition_concept_id",
        "condition_start_date",
    ],
    "drug_exposure": [
        "drug_exposure_id",
        "person_id",
        "drug_concept_id",
        "drug_exposure_start_date",
    ],
    "procedure_occurrence": [
        "procedure_occurrence_id",
        "person_id",
        "procedure_concept_id",
        "procedure_date",
    ],
    "device_exposure": [
        "device_exposure_id",
        "person_id",
        "device_concept_id",
        "device_exposure_start_date",
    ],
    "measurement": ["measurement_id", "person_id", "measurement_concept_id", "measurement_date"],
    "observation": ["observation_id", "person_id", "observation_concept_id", "observation_date"],
    "condition_era": [
        "condition_era_id",
        "person_id",
        "condition_concept_id",
        "condition_era_start_date",
    ],
    "drug_era": ["drug_era_id", "person_id", "drug_concept_id", "drug_era_start_date"],
}
WITHOUT_PERSON = ("location", "care_site", "provider")
WITHOUT_KEY = ("death",)
_FLOATS = ("value_as_number", "range_low", "range_high", "latitude", "longitude")
_WHOLES = ("refills", "days_supply", "gap_days", "quantity", "year_of_birth", "month_of_birth")
_TEXTS = ("unique_device_id", "production_id")


def kind_of(table: str, column: str) -> str:
    """The lexical type of a column, from its name."""
    if column.endswith("_datetime"):
        return "Datetime"
    if column.endswith("_date"):
        return "Date"
    if column in _FLOATS or (table, column) == ("drug_exposure", "quantity"):
        return "Float"
    whole = column in _WHOLES or column.endswith(("_id", "_id_1", "_count", "day_of_birth"))
    return "Integer64" if whole and column not in _TEXTS else "Text"


def plain(kind: str, text: str) -> object:
    """A cell as a Python value, None where it is empty.

    Raises:
        ValueError: it is not of that kind.
    """
    if text == "" or kind == "Text":
        return text or None
    if kind == "Datetime":
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    if kind == "Date":
        return _date(text.removesuffix(" 00:00:00"))
    if not re.fullmatch(r"-?\d+" if kind == "Integer64" else r"-?\d+(\.\d+)?", text, re.ASCII):
        raise ValueError(text)
    return int(text) if kind == "Integer64" else float(text)


def _date(text: str) -> date:
    compact = re.fullmatch(r"\d{8}", text, re.ASCII)
    return datetime.strptime(text, "%Y%m%d" if compact else "%Y-%m-%d").date()  # noqa: DTZ007


def records(path: Path) -> Iterator[tuple[int, int, list[str], str | None]]:
    """Number, line, cells of each record of a file, and the rule it breaks before it has cells."""
    text = path.read_bytes().decode("utf-8", errors="surrogateescape")
    lines = text.splitlines(keepends=True)
    reader = csv.reader(lines)
    next(reader)
    line = reader.line_num + 1
    for record, cells in enumerate(reader, start=1):
        raw = lines[line - 1 : reader.line_num]
        yield record, line, cells, _unreadable(raw)
        line = reader.line_num + 1


def _unreadable(raw: list[str]) -> str | None:
    if any("\udc80" <= letter <= "\udcff" for letter in "".join(raw)):
        return "encoding"
    try:
        list(csv.reader(raw, strict=True))
    except csv.Error:
        return "quoting"
    return None


def judge(omop: Path) -> tuple[set[Reason], dict[str, list[Row]]]:
    """Every reason to reject a record of the tables of a folder, and the rows that are left."""
    rejected: set[Reason] = set()
    accepted: dict[str, list[Row]] = {}
    persons: set[str] = set()
    for table, required in REQUIRED.items():
        seen: set[str] = set()
        accepted[table] = []
        with (omop / f"{table}.csv").open(encoding="utf-8", errors="surrogateescape") as file:
            header = next(csv.reader(file))
        for record, line, cells, broken in records(omop / f"{table}.csv"):
            reasons: set[tuple[str, str | None]] = set()
            row = dict(zip(header, cells, strict=False))
            if broken or len(cells) != len(header):
                reasons.add((broken or "ragged", None))
            else:
                reasons |= _cell_reasons(table, row)
                reasons |= {("required", c) for c in required if row[c] == ""}
                key = required[0]
                if table not in WITHOUT_KEY and row[key] and row[key] in seen:
                    reasons.add(("duplicate_key", key))
                seen.add(row[key])
                strange = row.get("person_id") and row["person_id"] not in persons
                if strange and table not in (*WITHOUT_PERSON, "person"):
                    reasons.add(("unknown_person", "person_id"))
            rejected |= {(table, rule, record, line, column) for rule, column in reasons}
            if not reasons:
                accepted[table].append(row)
                persons |= {row["person_id"]} if table == "person" else set()
    return rejected, accepted


def _cell_reasons(table: str, row: Row) -> set[tuple[str, str | None]]:
    found: set[tuple[str, str | None]] = set()
    for column, text in row.items():
        kind = kind_of(table, column)
        try:
            plain(kind, text)
        except ValueError:
            found.add((f"type:{kind}", column))
    return found
