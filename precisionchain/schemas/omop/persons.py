"""Persons, and the periods they were under observation or insured."""

from __future__ import annotations

from precisionchain.schemas.lexical import Date, Datetime, Integer, Text
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


class Person(Row):
    """Who the records are about: one row a person, with demographics."""

    person_id: Integer = key()
    gender_concept_id: Integer | None = concept("Gender", expected=True)
    year_of_birth: Integer | None = column(expected=True)
    month_of_birth: Integer | None = column()
    day_of_birth: Integer | None = column()
    birth_datetime: Datetime | None = column()
    race_concept_id: Integer | None = concept("Race", expected=True)
    ethnicity_concept_id: Integer | None = concept("Ethnicity", expected=True)
    location_id: Integer | None = link("location")
    provider_id: Integer | None = link("provider")
    care_site_id: Integer | None = link("care_site")
    person_source_value: Text | None = text(50)
    gender_source_value: Text | None = text(50)
    gender_source_concept_id: Integer | None = concept()
    race_source_value: Text | None = text(50)
    race_source_concept_id: Integer | None = concept()
    ethnicity_source_value: Text | None = text(50)
    ethnicity_source_concept_id: Integer | None = concept()


class ObservationPeriod(Row):
    """A span in which events of a person would have been recorded."""

    observation_period_id: Integer = key()
    person_id: Integer = person()
    observation_period_start_date: Date = start()
    observation_period_end_date: Date | None = end(expected=True)
    period_type_concept_id: Integer | None = concept("Type Concept", expected=True)


class Death(Row):
    """That a person died, when, and of what; the CDM gives it no key."""

    about = About(prefix="DEATH")

    person_id: Integer = person()
    death_date: Date = start()
    death_datetime: Datetime | None = start_time()
    death_type_concept_id: Integer | None = concept("Type Concept")
    cause_concept_id: Integer | None = main_concept(must=False)
    cause_source_value: Text | None = text(50)
    cause_source_concept_id: Integer | None = concept()


class PayerPlanPeriod(Row):
    """A span in which a person was insured under one plan."""

    payer_plan_period_id: Integer = key()
    person_id: Integer = person()
    payer_plan_period_start_date: Date = start()
    payer_plan_period_end_date: Date | None = end(expected=True)
    payer_concept_id: Integer | None = concept()
    payer_source_value: Text | None = text(50)
    payer_source_concept_id: Integer | None = concept()
    plan_concept_id: Integer | None = concept()
    plan_source_value: Text | None = text(50)
    plan_source_concept_id: Integer | None = concept()
    sponsor_concept_id: Integer | None = concept()
    sponsor_source_value: Text | None = text(50)
    sponsor_source_concept_id: Integer | None = concept()
    family_source_value: Text | None = text(50)
    stop_reason_concept_id: Integer | None = concept()
    stop_reason_source_value: Text | None = text(50)
    stop_reason_source_concept_id: Integer | None = concept()
