"""Tables and their fields, as the rest of the package reads them off the models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from precisionchain.schemas.lexical import LexicalType
from precisionchain.schemas.omop.allow_list import leaves
from precisionchain.schemas.omop.row import Row, Scope, extra, lexical_type

CdmVersion = Literal["5.3", "5.4"]


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a table.

    Args:
        name: as CDM 5.4 names it.
        lexical: how its cells are spelled.
        must: whether a row without it is rejected.
        expected: whether the CDM requires it; a row without it is kept, with a warning.
        references: the table it is a key of, None for none.
        domains: for a concept, the domains it should be of; empty for any.
        since: the CDM version that introduced it.
        published: whether it is on the default column allow-list.
    """

    name: str
    lexical: LexicalType
    must: bool
    expected: bool
    references: str | None
    domains: tuple[str, ...]
    since: CdmVersion
    published: bool


@dataclass(frozen=True)
class Table:
    """A table of the CDM.

    Args:
        name: in lower case.
        model: of a row of cells.
        fields: in CDM order.
        domain_prefix: of its streams in the Domain view; None where rows have no main concept.
        primary_key: None where the CDM gives the table none.
        person_column: None where rows name no person.
        concept_column: the main concept, by which rows are placed.
        start_date_column, start_datetime_column, end_date_column: when the row's event was.
        is_era: whether rows are derived eras.
        parent: the table whose person the rows follow, where they name none themselves.
        scope: whose rows these are.
    """

    name: str
    model: type[Row]
    fields: tuple[Field, ...]
    domain_prefix: str | None
    primary_key: str | None
    person_column: str | None
    concept_column: str | None
    start_date_column: str | None
    start_datetime_column: str | None
    end_date_column: str | None
    is_era: bool
    parent: str | None
    scope: Scope

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the fields, in CDM order."""
        return tuple(field.name for field in self.fields)

    @cached_property
    def published_columns(self) -> tuple[str, ...]:
        """The default column allow-list, in CDM order."""
        return tuple(field.name for field in self.fields if field.published)

    def field(self, name: str) -> Field:
        """Return the field of that name.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}


def table_of(name: str, model: type[Row]) -> Table:
    """Read a table off its model."""
    notes = {column: extra(info) for column, info in model.model_fields.items()}
    roles = {note["role"]: column for column, note in notes.items() if "role" in note}
    about = model.about
    return Table(
        name=name,
        model=model,
        fields=tuple(_field_of(name, model, column) for column in notes),
        domain_prefix=about.prefix,
        primary_key=roles.get("key"),
        person_column="person_id" if "person_id" in notes else None,
        concept_column=roles.get("concept"),
        start_date_column=roles.get("start"),
        start_datetime_column=roles.get("start_time"),
        end_date_column=roles.get("end"),
        is_era=about.era,
        parent=about.parent,
        scope=about.scope,
    )


def _field_of(table: str, model: type[Row], column: str) -> Field:
    info = model.model_fields[column]
    note, lexical = extra(info), lexical_type(info)
    references: str | None = note.get("references")
    must = info.is_required()
    return Field(
        name=column,
        lexical=lexical,
        must=must,
        expected=must or bool(note.get("expected")),
        references=references,
        domains=tuple(note["domain"].split(", ")) if note.get("domain") else (),
        since=note.get("since", "5.3"),
        published=leaves(table, model.about.scope, column, lexical, references),
    )
