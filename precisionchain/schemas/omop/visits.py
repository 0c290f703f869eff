"""Visits, and the notes written on them."""

from __future__ import annotations

from precisionchain.schemas.lexical import Date, Datetime, Flag, Integer, Text
from precisionchain.schemas.omop.row import (
    About,
    Row,
    column,
    concept,
    end,
    key,
    link,
    main_concept,
    person,
    start,
    start_time,
    text,
)


class VisitOccurrence(Row):
    """A span in which a person used the health system."""

    about = About(prefix="VISIT")

    visit_occurrence_id: Integer = key()
    person_id: Integer = person()
    visit_concept_id: Integer = main_concept("Visit")
    visit_start_date: Date = start()
    visit_start_datetime: Datetime | None = start_time()
    visit_end_date: Date | None = end(expected=True)
    visit_end_datetime: Datetime | None = column()
    visit_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    provider_id: Integer | None = link("provider")
    care_site_id: Integer | None = link("care_site")
    visit_source_value: Text | None = text(50)
    visit_source_concept_id: Integer | None = concept()
    admitted_from_concept_id: Integer | None = concept("Visit")
    admitted_from_source_value: Text | None = text(50)
    discharged_to_concept_id: Integer | None = concept("Visit")
    discharged_to_source_value: Text | None = text(50)
    preceding_visit_occurrence_id: Integer | None = link("visit_occurrence")


class VisitDetail(Row):
    """A part of a visit: a ward, a transfer, a claim line."""

    about = About(prefix="VISITDET")

    visit_detail_id: Integer = key()
    person_id: Integer = person()
    visit_detail_concept_id: Integer = main_concept("Visit")
    visit_detail_start_date: Date = start()
    visit_detail_start_datetime: Datetime | None = start_time()
    visit_detail_end_date: Date | None = end(expected=True)
    visit_detail_end_datetime: Datetime | None = column()
    visit_detail_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    provider_id: Integer | None = link("provider")
    care_site_id: Integer | None = link("care_site")
    visit_detail_source_value: Text | None = text(50)
    visit_detail_source_concept_id: Integer | None = concept()
    admitted_from_concept_id: Integer | None = concept("Visit")
    admitted_from_source_value: Text | None = text(50)
    discharged_to_source_value: Text | None = text(50)
    discharged_to_concept_id: Integer | None = concept("Visit")
    preceding_visit_detail_id: Integer | None = link("visit_detail")
    parent_visit_detail_id: Integer | None = link("visit_detail")
    visit_occurrence_id: Integer | None = link("visit_occurrence", expected=True)


class Note(Row):
    """An unstructured note. Its text never leaves the site."""

    about = About(prefix="NOTE")

    note_id: Integer = key()
    person_id: Integer = person()
    note_date: Date = start()
    note_datetime: Datetime | None = start_time()
    note_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    note_class_concept_id: Integer = main_concept()
    note_title: Text | None = text(250)
    note_text: Text | None = text(expected=True)
    encoding_concept_id: Integer | None = concept(expected=True)
    language_concept_id: Integer | None = concept(expected=True)
    provider_id: Integer | None = link("provider")
    visit_occurrence_id: Integer | None = link("visit_occurrence")
    visit_detail_id: Integer | None = link("visit_detail")
    note_source_value: Text | None = text(50)
    note_event_id: Integer | None = column(since="5.4")
    note_event_field_concept_id: Integer | None = concept(since="5.4")


class NoteNlp(Row):
    """A term that a program found in a note; it follows the note's person."""

    about = About(parent="note")

    note_nlp_id: Integer = key()
    note_id: Integer = link("note", must=True)
    section_concept_id: Integer | None = concept()
    snippet: Text | None = text(250)
    offset: Text | None = text(50)
    lexical_variant: Text | None = text(250, expected=True)
    note_nlp_concept_id: Integer | None = concept()
    note_nlp_source_concept_id: Integer | None = concept()
    nlp_system: Text | None = text(250)
    nlp_date: Date | None = column(expected=True)
    nlp_datetime: Datetime | None = column()
    term_exists: Flag | None = column()
    term_temporal: Text | None = text(50)
    term_modifiers: Text | None = text(2000)
