"""Break rows on purpose, and keep a list of what was broken and which rule must say so.

Broken rows are added to a clean table as further records; no clean row is touched. Each fault is
a copy of some clean row, under a key of its own, with the cells named here overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from precisionchain.synthetic.tables import KEYS

STRANGER = "999999999"  # a person id that no table of persons has
NOT_UTF8, RAW_QUOTE = "\ue0ff", "\ue022"
"""Stand for a byte that is not UTF-8, and for a quotation mark that is written as it is."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way of breaking a record.

    Args:
        cells: column -> text written instead.
        reasons: the (rule, column) pairs that must be reported; column is None for the record.
        fields: fields too many (1) or too few (-1).
        twin: the record repeats the key of the row it was copied from, and follows it.
    """

    reasons: tuple[tuple[str, str | None], ...]
    cells: dict[str, str] = field(default_factory=dict)
    fields: int = 0
    twin: bool = False


def _cell(column: str, text: str, rule: str) -> Fault:
    return Fault(((rule, column),), {column: text})


_LONG = Fault((("ragged", None),), fields=1)
_SHORT = Fault((("ragged", None),), fields=-1)


def _twin(key: str) -> Fault:
    return Fault((("duplicate_key", key),), twin=True)


_UNKNOWN_PERSON = _cell("person_id", STRANGER, "unknown_person")
_NO_PERSON = _cell("person_id", "", "required")

# Each rule that rejects a row of an event table occurs; `too_long`, `type:Flag` and
# `unknown_parent` do not: they need records of two megabytes, or tables that are not written.
FAULTS: dict[str, tuple[Fault, ...]] = {
    "location": (_cell("latitude", "north", "type:Float"),),
    "care_site": (_twin("care_site_id"),),
    "provider": (_cell("provider_id", "", "required"),),
    "person": (_cell("year_of_birth", "19xx", "type:Integer64"), _twin("person_id")),
    "observation_period": (
        _UNKNOWN_PERSON,
        _cell("observation_period_start_date", "", "required"),
    ),
    "death": (_cell("death_date", "", "required"), _UNKNOWN_PERSON),
    "visit_occurrence": (
        _cell("visit_start_date", "2012-13-01", "type:Date"),
        _cell("visit_concept_id", "outpatient", "type:Integer64"),
        _UNKNOWN_PERSON,
        _twin("visit_occurrence_id"),
    ),
    "visit_detail": (_cell("visit_detail_end_date", "later", "type:Date"), _NO_PERSON),
    "condition_occurrence": (
        _cell("condition_start_date", "2019-02-30", "type:Date"),
        _cell("condition_start_date", "31/12/2018", "type:Date"),
        _cell("condition_start_date", "", "required"),
        _cell("condition_concept_id", "E11.9", "type:Integer64"),
        _cell("condition_concept_id", "", "required"),
        _cell("condition_occurrence_id", "", "required"),
        _NO_PERSON,
        _UNKNOWN_PERSON,
        Fault(
            (("required", "person_id"), ("type:Date", "condition_end_date")),
            {"person_id": "", "condition_end_date": "unknown"},
        ),
        _twin("condition_occurrence_id"),
        _LONG,
    ),
    "drug_exposure": (
        _cell("quantity", "two", "type:Float"),
        _cell("days_supply", "30 days", "type:Integer64"),
        _cell("drug_exposure_end_date", "2020-00-10", "type:Date"),
        _cell("drug_concept_id", "", "required"),
        _UNKNOWN_PERSON,
        _twin("drug_exposure_id"),
        _SHORT,
    ),
    "procedure_occurrence": (
        _cell("procedure_date", "", "required"),
        _cell("procedure_datetime", "yesterday", "type:Datetime"),
        _UNKNOWN_PERSON,
        _LONG,
    ),
    "device_exposure": (
        _cell("device_exposure_start_date", "2018-06-31", "type:Date"),
        _twin("device_exposure_id"),
    ),
    "measurement": (
        _cell("value_as_number", "high", "type:Float"),
        _cell("measurement_date", "0000-00-00", "type:Date"),
        _cell("measurement_datetime", "2015-06-01 25:00:00", "type:Datetime"),
        _cell("measurement_concept_id", "12e400", "type:Integer64"),
        _NO_PERSON,
        _UNKNOWN_PERSON,
        _twin("measurement_id"),
        _SHORT,
    ),
    "observation": (
        Fault((("encoding", None),), {"value_as_string": f"caf{NOT_UTF8}"}),
        Fault((("quoting", None),), {"value_as_string": f"{RAW_QUOTE}a word{RAW_QUOTE} more"}),
        _cell("observation_concept_id", "", "required"),
        _UNKNOWN_PERSON,
    ),
    "condition_era": (
        _cell("condition_era_end_date", "2016-1-1-1", "type:Date"),
        _twin("condition_era_id"),
    ),
    "drug_era": (_cell("gap_days", "none", "type:Integer64"), _UNKNOWN_PERSON),
}

# Spellings of a date that the rules accept; each is given to a few clean rows.
DATE_SPELLINGS = ("%Y%m%d", "%Y-%-m-%-d", "%Y-%m-%d 00:00:00")


@dataclass(frozen=True, slots=True)
class DirtyTable:
    """A table as text, in the order in which it will be written.

    Args:
        text: every column of the table as text (null: an empty cell), and ``_fields``, the number
            of fields too many or too few.
        rejected: rule, record (1 = the first after the header), column_name (null: the record).
    """

    text: pl.DataFrame
    rejected: pl.DataFrame

    @property
    def rejected_keys(self) -> list[str]:
        """First columns that only rejected records have, as text."""
        record = pl.Series(range(1, len(self.text) + 1), dtype=pl.Int64)
        rejected = record.is_in(self.rejected["record"].implode())
        keys = self.text.to_series()
        kept = set(keys.filter(~rejected).to_list())
        found = keys.filter(rejected).unique(maintain_order=True).drop_nulls().to_list()
        return [key for key in found if key not in kept]


def soil(
    name: str,
    clean: pl.DataFrame,
    rng: np.random.Generator,
    *,
    copies: int,
    strangers: Sequence[str] = (STRANGER,),
) -> DirtyTable:
    """Turn a clean table into text and add ``copies`` records of every fault, at random places.

    Args:
        name: table, a key of ``FAULTS``.
        clean: its typed rows.
        rng: randomness.
        copies: records of each fault; 0 leaves the table clean, as does an empty table.
        strangers: person ids (text) that the ``unknown_person`` faults use in turn.
    """
    copies = copies if len(clean) else 0
    text = _spell(clean.select(_as_text(clean)), copies, rng).with_columns(
        _fields=pl.lit(0), _fault=pl.lit(-1), _place=pl.int_range(pl.len()).cast(pl.Float64)
    )
    parts = [text]
    for number, fault in enumerate(FAULTS[name] if copies else ()):
        broken = _broken(text, KEYS[name], number, fault=fault, copies=copies, rng=rng)
        if fault.cells.get("person_id") == STRANGER:
            ids = [strangers[i % len(strangers)] for i in range(copies)]
            broken = broken.with_columns(person_id=pl.Series(ids))
        parts.append(broken)
    placed = pl.concat(parts).sort("_place", "_fault").with_row_index("record", offset=1)
    reasons = pl.DataFrame(
        [
            (number, rule, column)
            for number, fault in enumerate(FAULTS[name])
            for rule, column in fault.reasons
        ],
        schema={"_fault": pl.Int32, "rule": pl.String, "column_name": pl.String},
        orient="row",
    )
    rejected = (
        placed.select(pl.col("record").cast(pl.Int64), "_fault")
        .join(reasons, on="_fault", maintain_order="left")
        .select("rule", "record", "column_name")
    )
    return DirtyTable(placed.drop("record", "_fault", "_place"), rejected)


def _as_text(clean: pl.DataFrame) -> list[pl.Expr]:
    """Every column as OMOP tools write it; datetimes without fractions."""
    formats = {pl.Date: "%Y-%m-%d", pl.Datetime: "%Y-%m-%d %H:%M:%S"}
    return [
        pl.col(column).dt.strftime(formats[dtype.base_type()])
        if dtype.base_type() in formats
        else pl.col(column).cast(pl.String)
        for column, dtype in clean.schema.items()
    ]


def _spell(text: pl.DataFrame, copies: int, rng: np.random.Generator) -> pl.DataFrame:
    """Spell some of the start dates, a table's first, in the other accepted ways."""
    column = next((c for c in text.columns if c.endswith("_date")), None)
    if column is None or not copies:
        return text
    spelling = rng.integers(0, 50, len(text))  # 0, 1, 2: one of the spellings; else as it is
    spelled = pl.col(column)
    for number, pattern in enumerate(DATE_SPELLINGS):
        chosen = pl.Series(spelling == number)
        again = pl.col(column).str.to_date("%Y-%m-%d").dt.strftime(pattern)
        spelled = pl.when(chosen).then(again).otherwise(spelled)
    return text.with_columns(spelled.alias(column))


def _broken(
    text: pl.DataFrame,
    key: str | None,
    number: int,
    *,
    fault: Fault,
    copies: int,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """The records of one fault, copied from random clean rows of ``text``."""
    rows = rng.choice(len(text), copies, replace=len(text) < copies)
    after = rows if fault.twin else np.zeros(copies)
    places = after + rng.random(copies) * (len(text) - after)
    broken = text[rows]
    if key is not None and not fault.twin:
        last = int(text[key].cast(pl.Int64).max() or 0)  # type: ignore[arg-type]
        keys = [str(last + 1 + number * copies + i) for i in range(copies)]
        broken = broken.with_columns(pl.Series(key, keys))
    return broken.with_columns(
        _fields=pl.lit(fault.fields),
        _fault=pl.lit(number),
        _place=pl.Series(places),
    ).with_columns(pl.lit(value or None, pl.String).alias(c) for c, value in fault.cells.items())
