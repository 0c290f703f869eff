"""What criteria of a cohort definition may ask, by Circe's names, and of which column each is.

One entry for each of Circe's criteria: the table it reads, when its rows start and end, and its
members. What is refused is here as well, with the reason. Source: the classes and SQL templates of
OHDSI's circe-be (``org.ohdsi.circe.cohortdefinition``); ``docs/reference/circe.md`` lists it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DATES: Final = "dates"
WHOLE: Final = "whole"
DECIMAL: Final = "decimal"
CONCEPTS: Final = "concepts"
CHOSEN: Final = "chosen"
ABNORMAL: Final = "abnormal"

AGE: Final = "age"
AGE_AT_END: Final = "age_at_end"
GENDER: Final = "gender"
LENGTH: Final = "length"
LOW_RATIO: Final = "low_ratio"
HIGH_RATIO: Final = "high_ratio"
VISIT_KIND: Final = "visit_kind"
"""What is asked of a row beside its columns; the last of the visit that it is linked to."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A member of a criterion: of what it is, and how it is written.

    Attributes:
        kind: `DATES`, `WHOLE` or `DECIMAL` numbers, `CONCEPTS` in a list, or `CHOSEN` as a set;
            or `ABNORMAL`, a flag of measurements.
        of: a column of the table, ``start``, ``end``, or another of the names above.
        exclude: the flag by which a list of concepts is of those that it must not be.
    """

    kind: str
    of: str
    exclude: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of criteria.

    Attributes:
        table: the CDM table.
        source: the member that names a concept set of source concepts, None where there is none.
        has_set: whether it may name a concept set of its main concepts.
        has_first: whether it may ask for a person's first row.
        has_adjustment: whether its dates may be adjusted.
        has_end: whether rows end at the table's end date.
        endless: days after the start that a row without an end date ends, None where it has none.
        members: what else it may ask, by name.
        counted: what rows may be counted by, and its column.
    """

    table: str
    source: str | None = None
    has_set: bool = True
    has_first: bool = True
    has_adjustment: bool = True
    has_end: bool = True
    endless: int | None = 1
    members: Mapping[str, Asked] = field(default_factory=dict)
    counted: Mapping[str, str] = field(default_factory=dict)


def _of_concepts(name: str, column: str, *, exclude: bool = False) -> dict[str, Asked]:
    """Return a member that is a list of concepts, and its other form, a concept set."""
    flag = f"{name}Exclude" if exclude else None
    return {name: Asked(CONCEPTS, column, flag), f"{name}CS": Asked(CHOSEN, column)}


_GENDER: Final = _of_concepts("Gender", GENDER)
_PERSON: Final = {"Age": Asked(WHOLE, AGE), **_GENDER}
_VISITED: Final = {**_PERSON, **_of_concepts("VisitType", VISIT_KIND)}
_START: Final = {"OccurrenceStartDate": Asked(DATES, "start")}
_BOTH: Final = {**_START, "OccurrenceEndDate": Asked(DATES, "end")}
_ERA: Final = {
    "EraStartDate": Asked(DATES, "start"),
    "EraEndDate": Asked(DATES, "end"),
    "EraLength": Asked(WHOLE, LENGTH),
    "AgeAtStart": Asked(WHOLE, AGE),
    "AgeAtEnd": Asked(WHOLE, AGE_AT_END),
    **_GENDER,
}
_DAYS: Final = {"START_DATE": "start", "END_DATE": "end"}
_PLACED: Final = {**_DAYS, "VISIT_ID": "visit"}
_LASTING: Final = {"DURATION": LENGTH}

KINDS: Final[Mapping[str, Kind]] = {
    "ConditionOccurrence": Kind(
        "condition_occurrence",
        "ConditionSourceConcept",
        members={
            **_BOTH,
            **_VISITED,
            **_of_concepts("ConditionType", "condition_type_concept_id", exclude=True),
            **_of_concepts("ConditionStatus", "condition_status_concept_id"),
        },
        counted={**_PLACED, **_LASTING},
    ),
    "ConditionEra": Kind(
        "condition_era",
        endless=None,
        members={**_ERA, "OccurrenceCount": Asked(WHOLE, "condition_occurrence_count")},
        counted={**_DAYS, **_LASTING, "ERA_OCCURRENCES": "condition_occurrence_count"},
    ),
    "Death": Kind(
        "death",
        "DeathSourceConcept",
        has_first=False,
        members={
            **_START,
            **_PERSON,
            **_of_concepts("DeathType", "death_type_concept_id", exclude=True),
        },
        counted=_PLACED,
    ),
    "DeviceExposure": Kind(
        "device_exposure",
        "DeviceSourceConcept",
        members={
            **_BOTH,
            **_VISITED,
            **_of_concepts("DeviceType", "device_type_concept_id", exclude=True),
            "Quantity": Asked(WHOLE, "quantity"),
        },
        counted={**_PLACED, **_LASTING, "QUANTITY": "quantity"},
    ),
    "DoseEra": Kind(
        "dose_era",
        endless=None,
        members={
            **_ERA,
            **_of_concepts("Unit", "unit_concept_id"),
            "DoseValue": Asked(DECIMAL, "dose_value"),
        },
        counted={
            **_PLACED,
            **_LASTING,
            "UNIT": "unit_concept_id",
            "VALUE_AS_NUMBER": "dose_value",
        },
    ),
    "DrugEra": Kind(
        "drug_era",
        endless=None,
        members={**_ERA, "OccurrenceCount": Asked(WHOLE, "drug_exposure_count")},
        counted={
            **_PLACED,
            **_LASTING,
            "ERA_OCCURRENCES": "drug_exposure_count",
            "GAP_DAYS": "gap_days",
        },
    ),
    "DrugExposure": Kind(
        "drug_exposure",
        "DrugSourceConcept",
        members={
            **_START,
            **_VISITED,
            **_of_concepts("DrugType", "drug_type_concept_id", exclude=True),
            **_of_concepts("RouteConcept", "route_concept_id"),
            "Refills": Asked(WHOLE, "refills"),
            "Quantity": Asked(DECIMAL, "quantity"),
            "DaysSupply": Asked(WHOLE, "days_supply"),
        },
        counted={
            **_PLACED,
            **_LASTING,
            "DAYS_SUPPLY": "days_supply",
            "QUANTITY": "quantity",
            "REFILLS": "refills",
        },
    ),
    "Measurement": Kind(
        "measurement",
        "MeasurementSourceConcept",
        members={
            **_START,
            **_VISITED,
            **_of_concepts("MeasurementType", "measurement_type_concept_id", exclude=True),
            **_of_concepts("Operator", "operator_concept_id"),
            **_of_concepts("ValueAsConcept", "value_as_concept_id"),
            **_of_concepts("Unit", "unit_concept_id"),
            "ValueAsNumber": Asked(DECIMAL, "value_as_number"),
            "RangeLow": Asked(DECIMAL, "range_low"),
            "RangeHigh": Asked(DECIMAL, "range_high"),
            "RangeLowRatio": Asked(DECIMAL, LOW_RATIO),
            "RangeHighRatio": Asked(DECIMAL, HIGH_RATIO),
            "Abnormal": Asked(ABNORMAL, "value_as_number"),
        },
        counted={
            **_PLACED,
            "VALUE_AS_NUMBER": "value_as_number",
            "RANGE_LOW": "range_low",
            "RANGE_HIGH": "range_high",
        },
    ),
    "Observation": Kind(
        "observation",
        "ObservationSourceConcept",
        members={
            **_START,
            **_VISITED,
            **_of_concepts("ObservationType", "observation_type_concept_id", exclude=True),
            **_of_concepts("ValueAsConcept", "value_as_concept_id"),
            **_of_concepts("Qualifier", "qualifier_concept_id"),
            **_of_concepts("Unit", "unit_concept_id"),
            "ValueAsNumber": Asked(DECIMAL, "value_as_number"),
        },
        counted={**_PLACED, "VALUE_AS_NUMBER": "value_as_number"},
    ),
    "ObservationPeriod": Kind(
        "observation_period",
        has_set=False,
        endless=None,
        members={
            "PeriodStartDate": Asked(DATES, "start"),
            "PeriodEndDate": Asked(DATES, "end"),
            "PeriodLength": Asked(WHOLE, LENGTH),
            "AgeAtStart": Asked(WHOLE, AGE),
            "AgeAtEnd": Asked(WHOLE, AGE_AT_END),
            **_of_concepts("PeriodType", "period_type_concept_id"),
        },
        counted=_PLACED,
    ),
    "ProcedureOccurrence": Kind(
        "procedure_occurrence",
        "ProcedureSourceConcept",
        has_end=False,  # Circe looks at no procedure_end_date
        members={
            **_START,
            **_VISITED,
            **_of_concepts("ProcedureType", "procedure_type_concept_id", exclude=True),
            **_of_concepts("Modifier", "modifier_concept_id"),
            "Quantity": Asked(WHOLE, "quantity"),
        },
        counted={**_PLACED, "QUANTITY": "quantity"},
    ),
    "Specimen": Kind(
        "specimen",
        has_adjustment=False,
        members={
            **_START,
            **_PERSON,
            **_of_concepts("SpecimenType", "specimen_type_concept_id", exclude=True),
            **_of_concepts("Unit", "unit_concept_id"),
            **_of_concepts("AnatomicSite", "anatomic_site_concept_id"),
            **_of_concepts("DiseaseStatus", "disease_status_concept_id"),
            "Quantity": Asked(DECIMAL, "quantity"),
        },
        counted={**_DAYS},
    ),
    "VisitDetail": Kind(
        "visit_detail",
        "VisitDetailSourceConcept",
        endless=None,
        members={
            "VisitDetailStartDate": Asked(DATES, "start"),
            "VisitDetailEndDate": Asked(DATES, "end"),
            "VisitDetailTypeCS": Asked(CHOSEN, "visit_detail_type_concept_id"),
            "VisitDetailLength": Asked(WHOLE, LENGTH),
            "Age": Asked(WHOLE, AGE_AT_END),
            "GenderCS": Asked(CHOSEN, GENDER),
        },
        counted={**_DAYS, **_LASTING},
    ),
    "VisitOccurrence": Kind(
        "visit_occurrence",
        "VisitSourceConcept",
        endless=None,
        members={
            **_BOTH,
            **_PERSON,
            **_of_concepts("VisitType", "visit_type_concept_id", exclude=True),
            "VisitLength": Asked(WHOLE, LENGTH),
        },
        counted={**_PLACED, **_LASTING},
    ),
}
"""Criteria by Circe's names."""

_PROVIDERS: Final = "providers and care sites are not published"
_TEXT: Final = "free text is not published"
_OLD: Final = "OMOP CDM 5.4 has no such column"

REFUSED: Final[Mapping[str, str]] = {
    "ProviderSpecialty": _PROVIDERS,
    "ProviderSpecialtyCS": _PROVIDERS,
    "PlaceOfService": _PROVIDERS,
    "PlaceOfServiceCS": _PROVIDERS,
    "PlaceOfServiceLocation": _PROVIDERS,
    "StopReason": _TEXT,
    "LotNumber": _TEXT,
    "UniqueDeviceId": _TEXT,
    "ValueAsString": _TEXT,
    "SourceId": _TEXT,
    "EffectiveDrugDose": _OLD,
    "DoseUnit": _OLD,
    "DoseUnitCS": _OLD,
    "SpecimenSourceConcept": _OLD,
    "UserDefinedPeriod": "periods of a definition's own are not covered",
    "GapDays": "Circe compares the gap with EraLength in its place",
    "RaceCS": "Circe compares the set with the gender in its place",
    "EthnicityCS": "Circe compares the set with the gender in its place",
    "OccurrenceEndDate": "Circe compares the start date in its place, or has no end date there",
    "LocationRegion": "places are not published",
    "PayerPlanPeriod": "payer plan periods are not covered",
}
"""Members, and criteria, that are refused by name: why."""
