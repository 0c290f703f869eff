"""Spans that were derived from events: eras and episodes."""

from __future__ import annotations

from precisionchain.schemas.lexical import Date, Datetime, Float, Integer, Text
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


class ConditionEra(Row):
    """A span of one condition, joined from its occurrences."""

    about = About(prefix="CONDERA", era=True)

    condition_era_id: Integer = key()
    person_id: Integer = person()
    condition_concept_id: Integer = main_concept("Condition")
    condition_era_start_date: Date = start()
    condition_era_end_date: Date | None = end(expected=True)
    condition_occurrence_count: Integer | None = column()


class DrugEra(Row):
    """A span of exposure to one ingredient."""

    about = About(prefix="DRUGERA", era=True)

    drug_era_id: Integer = key()
    person_id: Integer = person()
    drug_concept_id: Integer = main_concept("Drug")
    drug_era_start_date: Date = start()
    drug_era_end_date: Date | None = end(expected=True)
    drug_exposure_count: Integer | None = column()
    gap_days: Integer | None = column()


class DoseEra(Row):
    """A span of exposure to one ingredient at one dose."""

    about = About(prefix="DOSEERA", era=True)

    dose_era_id: Integer = key()
    person_id: Integer = person()
    drug_concept_id: Integer = main_concept("Drug")
    unit_concept_id: Integer | None = concept("Unit", expected=True)
    dose_value: Float | None = column(expected=True)
    dose_era_start_date: Date = start()
    dose_era_end_date: Date | None = end(expected=True)


class Episode(Row):
    """A phase of a disease or of its treatment, abstracted from events."""

    about = About(prefix="EPISODE")

    episode_id: Integer = key()
    person_id: Integer = person()
    episode_concept_id: Integer = main_concept("Episode")
    episode_start_date: Date = start()
    episode_start_datetime: Datetime | None = start_time()
    episode_end_date: Date | None = end()
    episode_end_datetime: Datetime | None = column()
    episode_parent_id: Integer | None = link("episode")
    episode_number: Integer | None = column()
    episode_object_concept_id: Integer | None = concept("Procedure, Regimen", expected=True)
    episode_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    episode_source_value: Text | None = text(50)
    episode_source_concept_id: Integer | None = concept()


class EpisodeEvent(Row):
    """An event that belongs to an episode; it follows the episode's person."""

    about = About(parent="episode")

    episode_id: Integer = link("episode", must=True)
    event_id: Integer = column(must=True)
    episode_event_field_concept_id: Integer = concept("Metadata", must=True)
