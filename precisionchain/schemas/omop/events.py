"""What happened to persons, was given to them or found in them."""

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


class ConditionOccurrence(Row):
    """A diagnosis, sign or symptom of a person."""

    about = About(prefix="CONDITION")

    condition_occurrence_id: Integer = key()
    person_id: Integer = person()
    condition_concept_id: Integer = main_concept("Condition")
    condition_start_date: Date = start()
    condition_start_datetime: Datetime | None = start_time()
    condition_end_date: Date | None = end()
    condition_end_datetime: Datetime | None = column()
    condition_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    condition_status_concept_id: Integer | None = concept("Condition Status")
    stop_reason: Text | None = text(20)
    provider_id: Integer | None = link("provider")
    visit_occurrence_id: Integer | None = link("visit_occurrence")
    visit_detail_id: Integer | None = link("visit_detail")
    condition_source_value: Text | None = text(50)
    condition_source_concept_id: Integer | None = concept()
    condition_status_source_value: Text | None = text(50)


class DrugExposure(Row):
    """A drug prescribed, dispensed or administered."""

    about = About(prefix="DRUG")

    drug_exposure_id: Integer = key()
    person_id: Integer = person()
    drug_concept_id: Integer = main_concept("Drug")
    drug_exposure_start_date: Date = start()
    drug_exposure_start_datetime: Datetime | None = start_time()
    drug_exposure_end_date: Date | None = end(expected=True)
    drug_exposure_end_datetime: Datetime | None = column()
    verbatim_end_date: Date | None = column()
    drug_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    stop_reason: Text | None = text(20)
    refills: Integer | None = column()
    quantity: Float | None = column()
    days_supply: Integer | None = column()
    sig: Text | None = text()
    route_concept_id: Integer | None = concept("Route")
    lot_number: Text | None = text(50)
    provider_id: Integer | None = link("provider")
    visit_occurrence_id: Integer | None = link("visit_occurrence")
    visit_detail_id: Integer | None = link("visit_detail")
    drug_source_value: Text | None = text(50)
    drug_source_concept_id: Integer | None = concept()
    route_source_value: Text | None = text(50)
    dose_unit_source_value: Text | None = text(50)


class ProcedureOccurrence(Row):
    """A procedure ordered for or carried out on a person."""

    about = About(prefix="PROCEDURE")

    procedure_occurrence_id: Integer = key()
    person_id: Integer = person()
    procedure_concept_id: Integer = main_concept("Procedure")
    procedure_date: Date = start()
    procedure_datetime: Datetime | None = start_time()
    procedure_end_date: Date | None = end(since="5.4")
    procedure_end_datetime: Datetime | None = column(since="5.4")
    procedure_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    modifier_concept_id: Integer | None = concept()
    quantity: Integer | None = column()
    provider_id: Integer | None = link("provider")
    visit_occurrence_id: Integer | None = link("visit_occurrence")
    visit_detail_id: Integer | None = link("visit_detail")
    procedure_source_value: Text | None = text(50)
    procedure_source_concept_id: Integer | None = concept()
    modifier_source_value: Text | None = text(50)


class DeviceExposure(Row):
    """A device, implant or supply used on a person."""

    about = About(prefix="DEVICE")

    device_exposure_id: Integer = key()
    person_id: Integer = person()
    device_concept_id: Integer = main_concept("Device")
    device_exposure_start_date: Date = start()
    device_exposure_start_datetime: Datetime | None = start_time()
    device_exposure_end_date: Date | None = end()
    device_exposure_end_datetime: Datetime | None = column()
    device_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    unique_device_id: Text | None = text(255)
    production_id: Text | None = text(255, since="5.4")
    quantity: Integer | None = column()
    provider_id: Integer | None = link("provider")
    visit_occurrence_id: Integer | None = link("visit_occurrence")
    visit_detail_id: Integer | None = link("visit_detail")
    device_source_value: Text | None = text(50)
    device_source_concept_id: Integer | None = concept()
    unit_concept_id: Integer | None = concept("Unit", since="5.4")
    unit_source_value: Text | None = text(50, since="5.4")
    unit_source_concept_id: Integer | None = concept(since="5.4")


class Measurement(Row):
    """A structured value found by examination or in the laboratory."""

    about = About(prefix="MEASUREMENT")

    measurement_id: Integer = key()
    person_id: Integer = person()
    measurement_concept_id: Integer = main_concept("Measurement")
    measurement_date: Date = start()
    measurement_datetime: Datetime | None = start_time()
    measurement_time: Text | None = text(10)
    measurement_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    operator_concept_id: Integer | None = concept()
    value_as_number: Float | None = column()
    value_as_concept_id: Integer | None = concept()
    unit_concept_id: Integer | None = concept("Unit")
    range_low: Float | None = column()
    range_high: Float | None = column()
    provider_id: Integer | None = link("provider")
    visit_occurrence_id: Integer | None = link("visit_occurrence")
    visit_detail_id: Integer | None = link("visit_detail")
    measurement_source_value: Text | None = text(50)
    measurement_source_concept_id: Integer | None = concept()
    unit_source_value: Text | None = text(50)
    unit_source_concept_id: Integer | None = concept(since="5.4")
    value_source_value: Text | None = text(50)
    measurement_event_id: Integer | None = column(since="5.4")
    meas_event_field_concept_id: Integer | None = concept(since="5.4")


class Observation(Row):
    """A clinical fact that belongs to no other table."""

    about = About(prefix="OBSERVATION")

    observation_id: Integer = key()
    person_id: Integer = person()
    observation_concept_id: Integer = main_concept()
    observation_date: Date = start()
    observation_datetime: Datetime | None = start_time()
    observation_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    value_as_number: Float | None = column()
    value_as_string: Text | None = text(60)
    value_as_concept_id: Integer | None = concept()
    qualifier_concept_id: Integer | None = concept()
    unit_concept_id: Integer | None = concept("Unit")
    provider_id: Integer | None = link("provider")
    visit_occurrence_id: Integer | None = link("visit_occurrence")
    visit_detail_id: Integer | None = link("visit_detail")
    observation_source_value: Text | None = text(50)
    observation_source_concept_id: Integer | None = concept()
    unit_source_value: Text | None = text(50)
    qualifier_source_value: Text | None = text(50)
    value_source_value: Text | None = text(50, since="5.4")
    observation_event_id: Integer | None = column(since="5.4")
    obs_event_field_concept_id: Integer | None = concept(since="5.4")


class Specimen(Row):
    """A biological sample taken from a person."""

    about = About(prefix="SPECIMEN")

    specimen_id: Integer = key()
    person_id: Integer = person()
    specimen_concept_id: Integer = main_concept()
    specimen_type_concept_id: Integer | None = concept("Type Concept", expected=True)
    specimen_date: Date = start()
    specimen_datetime: Datetime | None = start_time()
    quantity: Float | None = column()
    unit_concept_id: Integer | None = concept()
    anatomic_site_concept_id: Integer | None = concept()
    disease_status_concept_id: Integer | None = concept()
    specimen_source_id: Text | None = text(50)
    specimen_source_value: Text | None = text(50)
    unit_source_value: Text | None = text(50)
    anatomic_site_source_value: Text | None = text(50)
    disease_status_source_value: Text | None = text(50)
