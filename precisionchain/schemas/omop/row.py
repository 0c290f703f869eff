"""What the models of OMOP tables are written with: a line a field.

A model describes a row as a file spells it, so its fields take text cells. A field without
``| None`` rejects the row when it is empty; ``expected=True`` is what the CDM calls required
without our refusing the row for it (taken literally, the CDM's rules reject most of real files).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from precisionchain.schemas.lexical import LexicalType, varchar

Scope = Literal["person", "site", "vocabulary"]


@dataclass(frozen=True, slots=True)
class About:
    """What a model says of its table beyond the fields.

    Args:
        prefix: of its streams in the Domain view; None for tables without a main concept.
        scope: whose rows these are: persons', the site's, or the vocabulary's.
        parent: the table whose person the rows follow, where they name none themselves.
        era: whether the rows are derived eras.
    """

    prefix: str | None = None
    scope: Scope = "person"
    parent: str | None = None
    era: bool = False


class Row(BaseModel):
    """A row of text cells; absent, None and NULL spellings are the same."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        protected_namespaces=(),
        defer_build=True,  # most commands read the tables' descriptions and validate no row
    )

    about: ClassVar[About] = About()

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, cells: Any) -> Any:
        if not isinstance(cells, Mapping):
            return cells
        return {name: cell for name, cell in cells.items() if not cls._is_null(name, cell)}

    @classmethod
    def _is_null(cls, name: str, cell: object) -> bool:
        if cell is None:
            return True
        field = cls.model_fields.get(name)
        return field is not None and isinstance(cell, str) and lexical_type(field).is_null(cell)

    @classmethod
    def faults(cls, cells: Mapping[str, str | None]) -> set[tuple[str, str]]:
        """Return the (rule, column) reasons to reject a row of cells, none for an accepted row.

        Only what a row shows by itself: duplicates and unknown persons are rules on sets of rows.
        """
        try:
            cls.model_validate(cells)
        except ValidationError as error:
            return {cls._reason(fault["type"], str(fault["loc"][0])) for fault in error.errors()}
        return set()

    @classmethod
    def _reason(cls, kind: str, column: str) -> tuple[str, str]:
        if kind == "missing":
            return "required", column
        return f"type:{lexical_type(cls.model_fields[column]).name}", column


def lexical_type(field: Any) -> LexicalType:
    """Return the lexical type of a model's field; a text's limit is the field's."""
    found = _find_type([*field.metadata, field.annotation])
    limit = extra(field).get("limit")
    return varchar(limit) if limit else found


def extra(field: Any) -> dict[str, Any]:
    """Return what the functions below noted of a field."""
    return dict(field.json_schema_extra or {})


def _find_type(candidates: list[Any]) -> LexicalType:
    for candidate in candidates:
        if isinstance(candidate, LexicalType):
            return candidate
        inside = [*getattr(candidate, "__metadata__", ()), *getattr(candidate, "__args__", ())]
        if inside:
            return _find_type(inside)
    raise TypeError("a field of an OMOP model has no lexical type")


# ------------------------------------------------------------------ one function a kind of field


def _field(*, must: bool = False, **noted: Any) -> Any:
    said = {name: value for name, value in noted.items() if value}
    return Field(json_schema_extra=said) if must else Field(default=None, json_schema_extra=said)


def key() -> Any:
    """Give the table's primary key."""
    return _field(must=True, role="key")


def code_key(limit: int = 20) -> Any:
    """Give the primary key of a table of the vocabulary whose key is a code."""
    return _field(must=True, role="key", limit=limit)


def person() -> Any:
    """Give the person whose row it is."""
    return _field(must=True, role="person", references="person")


def main_concept(domain: str = "", *, must: bool = True) -> Any:
    """Give the concept that says what the row is about, and by which it is placed."""
    return _field(must=must, role="concept", references="concept", domain=domain)


def concept(
    domain: str = "", *, must: bool = False, expected: bool = False, since: str = ""
) -> Any:
    """Give another concept.

    Args:
        domain: the domains it should be of, separated by ``, ``; empty for any.
        must: whether a row without it is rejected.
        expected: whether the CDM requires it.
        since: ``5.4`` where 5.3 has no such column.
    """
    return _field(must=must, references="concept", domain=domain, expected=expected, since=since)


def start() -> Any:
    """Give the date the row's event starts; a row without it is rejected."""
    return _field(must=True, role="start")


def start_time() -> Any:
    """Give the date and time the row's event starts."""
    return _field(role="start_time")


def end(*, expected: bool = False, since: str = "") -> Any:
    """Give the date the row's event ends."""
    return _field(role="end", expected=expected, since=since)


def link(table: str, *, must: bool = False, expected: bool = False) -> Any:
    """Give the key of a row of another table."""
    return _field(must=must, references=table, expected=expected)


def code(table: str, limit: int = 20, *, must: bool = False, expected: bool = False) -> Any:
    """Give a code of the vocabulary: the textual key of ``table``."""
    return _field(must=must, references=table, limit=limit, expected=expected)


def text(
    limit: int | None = None, *, must: bool = False, expected: bool = False, since: str = ""
) -> Any:
    """Give a text of up to ``limit`` characters."""
    return _field(must=must, limit=limit, expected=expected, since=since)


def column(*, must: bool = False, expected: bool = False, since: str = "") -> Any:
    """Give a number, date, time or flag without another role."""
    return _field(must=must, expected=expected, since=since)
