"""What belongs to the site as a whole: the health system, costs, cohorts, the export itself."""

from __future__ import annotations

from precisionchain.schemas.lexical import Date, Datetime, Float, Integer, Text
from precisionchain.schemas.omop.row import (
    About,
    Row,
    code,
    column,
    concept,
    end,
    key,
    link,
    start,
    text,
)


class Location(Row):
    """A place or address."""

    about = About(scope="site")

    location_id: Integer = key()
    address_1: Text | None = text(50)
    address_2: Text | None = text(50)
    city: Text | None = text(50)
    state: Text | None = text(2)
    zip: Text | None = text(9)
    county: Text | None = text(20)
    location_source_value: Text | None = text(50)
    country_concept_id: Integer | None = concept(since="5.4")
    country_source_value: Text | None = text(80, since="5.4")
    latitude: Float | None = column(since="5.4")
    longitude: Float | None = column(since="5.4")


class CareSite(Row):
    """A unit of the health system."""

    about = About(scope="site")

    care_site_id: Integer = key()
    care_site_name: Text | None = text(255)
    place_of_service_concept_id: Integer | None = concept()
    location_id: Integer | None = link("location")
    care_site_source_value: Text | None = text(50)
    place_of_service_source_value: Text | None = text(50)


class Provider(Row):
    """A member of staff. Nothing of it leaves the site."""

    about = About(scope="site")

    provider_id: Integer = key()
    provider_name: Text | None = text(255)
    npi: Text | None = text(20)
    dea: Text | None = text(20)
    specialty_concept_id: Integer | None = concept()
    care_site_id: Integer | None = link("care_site")
    year_of_birth: Integer | None = column()
    gender_concept_id: Integer | None = concept("Gender")
    provider_source_value: Text | None = text(50)
    specialty_source_value: Text | None = text(50)
    specialty_source_concept_id: Integer | None = concept()
    gender_source_value: Text | None = text(50)
    gender_source_concept_id: Integer | None = concept()


class Cost(Row):
    """What an event was charged, cost or paid."""

    about = About(scope="site")

    cost_id: Integer = key()
    cost_event_id: Integer | None = column(expected=True)
    cost_domain_id: Text | None = code("domain", expected=True)
    cost_type_concept_id: Integer | None = concept(expected=True)
    currency_concept_id: Integer | None = concept()
    total_charge: Float | None = column()
    total_cost: Float | None = column()
    total_paid: Float | None = column()
    paid_by_payer: Float | None = column()
    paid_by_patient: Float | None = column()
    paid_patient_copay: Float | None = column()
    paid_patient_coinsurance: Float | None = column()
    paid_patient_deductible: Float | None = column()
    paid_by_primary: Float | None = column()
    paid_ingredient_cost: Float | None = column()
    paid_dispensing_fee: Float | None = column()
    payer_plan_period_id: Integer | None = link("payer_plan_period")
    amount_allowed: Float | None = column()
    revenue_code_concept_id: Integer | None = concept()
    revenue_code_source_value: Text | None = text(50)
    drg_concept_id: Integer | None = concept()
    drg_source_value: Text | None = text(3)


class FactRelationship(Row):
    """That two facts of any two tables are related."""

    about = About(scope="site")

    domain_concept_id_1: Integer = concept(must=True)
    fact_id_1: Integer = column(must=True)
    domain_concept_id_2: Integer = concept(must=True)
    fact_id_2: Integer = column(must=True)
    relationship_concept_id: Integer = concept(must=True)


class Metadata(Row):
    """A statement about the export."""

    about = About(scope="site")

    metadata_id: Integer | None = column(expected=True, since="5.4")
    metadata_concept_id: Integer | None = concept(expected=True)
    metadata_type_concept_id: Integer | None = concept(expected=True)
    name: Text | None = text(250, expected=True)
    value_as_string: Text | None = text(250)
    value_as_concept_id: Integer | None = concept()
    value_as_number: Float | None = column(since="5.4")
    metadata_date: Date | None = column()
    metadata_datetime: Datetime | None = column()


class CdmSource(Row):
    """What the export is: source, release, CDM and vocabulary version."""

    about = About(scope="site")

    cdm_source_name: Text | None = text(255, expected=True)
    cdm_source_abbreviation: Text | None = text(25, expected=True)
    cdm_holder: Text | None = text(255, expected=True)
    source_description: Text | None = text()
    source_documentation_reference: Text | None = text(255)
    cdm_etl_reference: Text | None = text(255)
    source_release_date: Date | None = column(expected=True)
    cdm_release_date: Date | None = column(expected=True)
    cdm_version: Text | None = text(10)
    cdm_version_concept_id: Integer | None = concept(expected=True, since="5.4")
    vocabulary_version: Text | None = text(20, expected=True)


class Cohort(Row):
    """That a subject belonged to a cohort for a while."""

    about = About(scope="site")

    cohort_definition_id: Integer = link("cohort_definition", must=True)
    subject_id: Integer = column(must=True)
    cohort_start_date: Date = start()
    cohort_end_date: Date | None = end(expected=True)


class CohortDefinition(Row):
    """What a cohort is."""

    about = About(scope="site")

    cohort_definition_id: Integer = column(must=True)
    cohort_definition_name: Text | None = text(255, expected=True)
    cohort_definition_description: Text | None = text()
    definition_type_concept_id: Integer | None = concept(expected=True)
    cohort_definition_syntax: Text | None = text()
    subject_concept_id: Integer | None = concept(expected=True)
    cohort_initiation_date: Date | None = column()


class CohortAttribute(Row):
    """An attribute of a subject in a cohort (CDM 5.3 only)."""

    about = About(scope="site")

    cohort_definition_id: Integer = link("cohort_definition", must=True)
    subject_id: Integer = column(must=True)
    cohort_start_date: Date | None = column(expected=True)
    cohort_end_date: Date | None = column(expected=True)
    attribute_definition_id: Integer = link("attribute_definition", must=True)
    value_as_number: Float | None = column()
    value_as_concept_id: Integer | None = concept()


class AttributeDefinition(Row):
    """What a cohort attribute is (CDM 5.3 only)."""

    about = About(scope="site")

    attribute_definition_id: Integer = column(must=True)
    attribute_name: Text | None = text(255, expected=True)
    attribute_description: Text | None = text()
    attribute_type_concept_id: Integer | None = concept(expected=True)
    attribute_syntax: Text | None = text()
