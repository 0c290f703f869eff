"""Draws OHDSI cohort definitions, as ATLAS would write them, of what a database holds."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import duckdb

_DOMAINS: Final = {
    "ConditionOccurrence": ("condition_occurrence", "condition_concept_id"),
    "DrugExposure": ("drug_exposure", "drug_concept_id"),
    "ProcedureOccurrence": ("procedure_occurrence", "procedure_concept_id"),
    "Measurement": ("measurement", "measurement_concept_id"),
    "Observation": ("observation", "observation_concept_id"),
    "DeviceExposure": ("device_exposure", "device_concept_id"),
    "Specimen": ("specimen", "specimen_concept_id"),
    "Death": ("death", "cause_concept_id"),
    "VisitOccurrence": ("visit_occurrence", "visit_concept_id"),
    "VisitDetail": ("visit_detail", "visit_detail_concept_id"),
    "ConditionEra": ("condition_era", "condition_concept_id"),
    "DrugEra": ("drug_era", "drug_concept_id"),
    "DoseEra": ("dose_era", "drug_concept_id"),
    "ObservationPeriod": ("observation_period", "period_type_concept_id"),
}
_LINKED: Final = (
    *("ConditionOccurrence", "DrugExposure", "ProcedureOccurrence"),
    *("Measurement", "Observation", "DeviceExposure"),
)
_ERAS: Final = ("ConditionEra", "DrugEra", "DoseEra")
_LASTING: Final = (*_ERAS, "VisitOccurrence", "VisitDetail", "ConditionOccurrence", "DrugExposure")
_TYPES: Final = {
    "ConditionOccurrence": ("ConditionType", "ConditionStatus"),
    "DrugExposure": ("DrugType", "RouteConcept"),
    "ProcedureOccurrence": ("ProcedureType", "Modifier"),
    "Measurement": ("MeasurementType", "Operator", "ValueAsConcept", "Unit"),
    "Observation": ("ObservationType", "ValueAsConcept", "Qualifier", "Unit"),
    "DeviceExposure": ("DeviceType",),
    "Specimen": ("SpecimenType", "Unit", "AnatomicSite", "DiseaseStatus"),
    "Death": ("DeathType",),
    "VisitOccurrence": ("VisitType",),
    "DoseEra": ("Unit",),
}
_NUMBERS: Final = {
    "DrugExposure": ("Refills", "Quantity", "DaysSupply"),
    "ProcedureOccurrence": ("Quantity",),
    "Measurement": ("ValueAsNumber", "RangeLow", "RangeHigh", "RangeLowRatio", "RangeHighRatio"),
    "Observation": ("ValueAsNumber",),
    "DeviceExposure": ("Quantity",),
    "Specimen": ("Quantity",),
    "ConditionEra": ("OccurrenceCount", "EraLength"),
    "DrugEra": ("OccurrenceCount", "EraLength"),
    "DoseEra": ("DoseValue", "EraLength"),
    "VisitOccurrence": ("VisitLength",),
    "VisitDetail": ("VisitDetailLength",),
    "ObservationPeriod": ("PeriodLength",),
}
_SOURCES: Final = {
    "ConditionOccurrence": "condition_source_concept_id",
    "DrugExposure": "drug_source_concept_id",
    "ProcedureOccurrence": "procedure_source_concept_id",
    "Measurement": "measurement_source_concept_id",
    "Observation": "observation_source_concept_id",
}
_OPERATORS: Final = ("lt", "lte", "eq", "gt", "gte", "bt", "!bt", "!eq")


@dataclass(frozen=True)
class World:
    """What definitions are drawn of.

    Attributes:
        concepts: the main concepts of each kind of criteria, the frequent ones more than once.
        attributes: concepts of attributes.
        sources: source concepts of each kind.
        years: the years of most events.
        above: concepts of which these are descendants.
    """

    concepts: dict[str, list[int]]
    attributes: list[int]
    sources: dict[str, list[int]]
    years: tuple[int, int]
    above: list[int]

    @classmethod
    def of(cls, database: duckdb.DuckDBPyConnection) -> World:
        """Return the world of a database with CDM tables."""
        concepts = {
            kind: _frequent(database, table, column) for kind, (table, column) in _DOMAINS.items()
        }
        concepts = {kind: some for kind, some in concepts.items() if some}
        sources = {
            kind: _frequent(database, _DOMAINS[kind][0], column)
            for kind, column in _SOURCES.items()
            if kind in concepts
        }
        types = {
            *_frequent(database, "condition_occurrence", "condition_type_concept_id"),
            *_frequent(database, "drug_exposure", "drug_type_concept_id"),
            *_frequent(database, "measurement", "unit_concept_id"),
            *_frequent(database, "visit_occurrence", "visit_concept_id"),
            *_frequent(database, "measurement", "value_as_concept_id"),
        }
        used = sorted({one for some in concepts.values() for one in some})
        above = database.sql(
            "select distinct ancestor_concept_id from concept_ancestor a"
            f" where descendant_concept_id in ({', '.join(map(str, used))})"
            " and exists (select 1 from concept c where c.concept_id = a.ancestor_concept_id)"
            " order by 1"
        ).fetchall()
        ((years,),) = database.sql(
            "select quantile_disc(year(condition_start_date), [0.2, 0.9]) from condition_occurrence"
        ).fetchall()
        return cls(
            concepts, sorted(types), sources, (years[0], years[1]), [row[0] for row in above]
        )


def _frequent(database: duckdb.DuckDBPyConnection, table: str, column: str) -> list[int]:
    rows = database.sql(
        f"select {column} from {table} where {column} is not null group by 1"
        f" order by count(*) desc, 1 limit 12"
    ).fetchall()
    found = [row[0] for row in rows]
    return found[:4] + found


class Definitions:
    """Draws definitions; the same seed and number draw the same."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self._random = random.Random()
        self._sets: list[dict[str, Any]] = []

    def __call__(self, number: int) -> dict[str, Any]:
        """Return the definition of a number."""
        self._random = random.Random(f"{self.seed}/{number}")
        self._sets = []
        several = self._pick((1, 1, 1, 2, 3))
        primary = {
            "CriteriaList": [self.criterion(depth=1) for _ in range(several)],
            "ObservationWindow": {
                "PriorDays": self._pick((0, 0, 0, 30, 365)),
                "PostDays": self._pick((0, 0, 0, 90)),
            },
            "PrimaryCriteriaLimit": {"Type": self._limit()},
        }
        drawn: dict[str, Any] = {
            "PrimaryCriteria": primary,
            "QualifiedLimit": {"Type": self._limit()},
            "ExpressionLimit": {"Type": self._limit()},
            "InclusionRules": [
                {"name": f"rule {rule}", "expression": self.group(depth=1)}
                for rule in range(self._pick((0, 0, 1, 2)))
            ],
            "CensoringCriteria": [
                self.criterion(depth=2) for _ in range(self._pick((0, 0, 0, 1, 2)))
            ],
            "CollapseSettings": {
                "CollapseType": "ERA",
                "EraPad": self._pick((0, 0, 0, 30, 400)),
            },
            "CensorWindow": {},
            "cdmVersionRange": ">=5.0.0",
        }
        if self._chance(0.4):
            drawn["AdditionalCriteria"] = self.group(depth=0)
        if self._chance(0.5):
            drawn["EndStrategy"] = self._strategy()
        if self._chance(0.15):
            year = self._year()
            drawn["CensorWindow"] = {"StartDate": f"{year}-02-01"}
            if self._chance(0.6):
                drawn["CensorWindow"]["EndDate"] = f"{year + self._pick((1, 5, 30))}-06-30"
        return {"ConceptSets": self._sets, **drawn}

    # --------------------------------------------------------------------------------- criteria

    def criterion(self, *, depth: int) -> dict[str, Any]:
        """Return a criterion."""
        kinds = [one for one in self.world.concepts for _ in range(3 if one in _LINKED else 1)]
        kind = self._pick(kinds)
        asked: dict[str, Any] = {}
        if kind != "ObservationPeriod" and (
            kind not in ("Death", "VisitOccurrence") or self._chance(0.6)
        ):
            asked["CodesetId"] = self._set(self.world.concepts[kind])
        if self.world.sources.get(kind) and self._chance(0.08):
            asked[f"{kind.removesuffix('Occurrence').removesuffix('Exposure')}SourceConcept"] = (
                self._set(self.world.sources[kind], plain=True)
            )
        if kind != "Death" and self._chance(0.2):
            asked["First"] = True
        for chance, add in (
            (0.2, self._add_dates),
            (0.15, self._add_person),
            (0.15, self._add_concepts),
            (0.2, self._add_numbers),
            (0.1, self._add_visit),
        ):
            if self._chance(chance):
                add(kind, asked)
        if kind == "Measurement" and self._chance(0.1):
            asked["Abnormal"] = True
        if kind not in ("Specimen", "Death") and self._chance(0.1):
            asked["DateAdjustment"] = {
                "StartWith": self._pick(("START_DATE", "START_DATE", "END_DATE")),
                "StartOffset": self._pick((0, -7, 10)),
                "EndWith": self._pick(("START_DATE", "END_DATE")),
                "EndOffset": self._pick((0, 7, 30, -1)),
            }
        if depth < 3 and self._chance(0.12):
            asked["CorrelatedCriteria"] = self.group(depth=depth + 1)
        return {kind: asked}

    def _add_dates(self, kind: str, asked: dict[str, Any]) -> None:
        prefix = {"ObservationPeriod": "Period", "VisitDetail": "VisitDetail"}.get(kind)
        prefix = prefix or ("Era" if kind in _ERAS else "Occurrence")
        asked[f"{prefix}StartDate"] = self._dates()
        ended = (*_ERAS, "VisitOccurrence", "VisitDetail", "ConditionOccurrence", "DeviceExposure")
        if kind in (*ended, "ObservationPeriod") and self._chance(0.3):
            asked[f"{prefix}EndDate"] = self._dates()

    def _add_person(self, kind: str, asked: dict[str, Any]) -> None:
        eras = (*_ERAS, "ObservationPeriod")
        asked["AgeAtStart" if kind in eras else "Age"] = self._range(range(0, 90, 5))
        if kind in eras and self._chance(0.3):
            asked["AgeAtEnd"] = self._range(range(0, 90, 5))
        if kind not in ("ObservationPeriod", "VisitDetail") and self._chance(0.5):
            asked["Gender"] = self._concepts((8507, 8532))

    def _add_concepts(self, kind: str, asked: dict[str, Any]) -> None:
        if kind not in _TYPES:
            return
        name = self._pick(_TYPES[kind])
        if self._chance(0.3):
            asked[f"{name}CS"] = {
                "CodesetId": self._set(self.world.attributes, plain=True),
                "IsExclusion": self._chance(0.4),
            }
            return
        asked[name] = self._concepts(self.world.attributes)
        if name.endswith("Type") and self._chance(0.4):
            asked[f"{name}Exclude"] = True

    def _add_numbers(self, kind: str, asked: dict[str, Any]) -> None:
        if kind in _NUMBERS:
            name = self._pick(_NUMBERS[kind])
            numbers: Any = range(40) if "Length" in name else (*range(11), 30)
            if name in ("ValueAsNumber", "RangeLowRatio", "DoseValue"):
                numbers = (*numbers, 0.5, 6.5)
            asked[name] = self._range(numbers)

    def _add_visit(self, kind: str, asked: dict[str, Any]) -> None:
        if kind in _LINKED and "VisitOccurrence" in self.world.concepts:
            asked["VisitType"] = self._concepts(self.world.concepts["VisitOccurrence"])

    # ----------------------------------------------------------------------------------- groups

    def group(self, *, depth: int) -> dict[str, Any]:
        """Return a group of criteria."""
        several = self._pick((1, 1, 2, 3))
        kind = self._pick(("ALL", "ALL", "ANY", "AT_LEAST", "AT_MOST"))
        group: dict[str, Any] = {
            "Type": kind,
            "CriteriaList": [self._correlated(depth) for _ in range(several)],
            "DemographicCriteriaList": [],
            "Groups": [],
        }
        if self._chance(0.2):
            group["DemographicCriteriaList"].append(self._demographic())
        if depth < 2 and self._chance(0.2):
            group["Groups"].append(self.group(depth=depth + 1))
        if kind.startswith("AT_"):
            group["Count"] = self._pick((0, 1, 1, 2))
        return group

    def _correlated(self, depth: int) -> dict[str, Any]:
        criterion = self.criterion(depth=depth + 1)
        kind = next(iter(criterion))
        occurrence: dict[str, Any] = {
            "Type": self._pick((0, 1, 2, 2, 2)),
            "Count": self._pick((0, 0, 1, 1, 1, 2, 3)),
        }
        if self._chance(0.25):
            occurrence["IsDistinct"] = True
            columns = ["DOMAIN_CONCEPT", "START_DATE", "END_DATE"]
            if kind in _LINKED:
                columns.append("VISIT_ID")
            if kind in _LASTING:
                columns.append("DURATION")
            if self._chance(0.7):
                occurrence["CountColumn"] = self._pick(columns)
        asked: dict[str, Any] = {
            "Criteria": criterion,
            "StartWindow": self._window(),
            "Occurrence": occurrence,
        }
        if self._chance(0.25):
            asked["EndWindow"] = self._window()
        if self._chance(0.1):
            asked["RestrictVisit"] = True
        if self._chance(0.15):
            asked["IgnoreObservationPeriod"] = True
        return asked

    def _window(self) -> dict[str, Any]:
        low, high = sorted(self._pick((-3650, -365, -30, -1, 0, 0, 1, 30, 365)) for _ in range(2))
        start: dict[str, Any] = {"Days": abs(low), "Coeff": -1 if low <= 0 else 1}
        end: dict[str, Any] = {"Days": abs(high), "Coeff": -1 if high < 0 else 1}
        if self._chance(0.3):
            start = {"Coeff": -1}
        if self._chance(0.3):
            end = {"Coeff": 1, "Days": None}
        window: dict[str, Any] = {"Start": start, "End": end}
        for name in ("UseIndexEnd", "UseEventEnd"):
            if self._chance(0.3):
                window[name] = self._chance(0.5)
        return window

    def _demographic(self) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        if self._chance(0.6):
            asked["Age"] = self._range(range(0, 90, 5))
        if self._chance(0.5):
            asked["Gender"] = self._concepts((8507, 8532))
        if self._chance(0.2):
            asked["Race"] = self._concepts((8515, 8516, 8527))
        if self._chance(0.2):
            asked["OccurrenceStartDate"] = self._dates()
        return asked

    # ----------------------------------------------------------------------------------- values

    def _strategy(self) -> dict[str, Any]:
        if self._chance(0.5) or "DrugExposure" not in self.world.concepts:
            field = self._pick(("StartDate", "EndDate"))
            return {"DateOffset": {"DateField": field, "Offset": self._pick((0, 1, 30, 365, -3))}}
        era: dict[str, Any] = {
            "DrugCodesetId": self._set(self.world.concepts["DrugExposure"]),
            "GapDays": self._pick((0, 30, 90)),
            "Offset": self._pick((0, 7)),
        }
        if self._chance(0.3):
            era["DaysSupplyOverride"] = self._pick((1, 14))
        return {"CustomEra": era}

    def _set(self, concepts: list[int], *, plain: bool = False) -> int:
        """Add a concept set of some concepts; return its number."""
        items: list[dict[str, Any]] = []
        for _ in range(self._pick((1, 2, 3, 5))):
            above = not plain and self._chance(0.3) and self.world.above
            concept = self._pick(self.world.above if above else concepts)
            items.append(
                {
                    "concept": {"CONCEPT_ID": concept, "CONCEPT_NAME": "a name"},
                    "isExcluded": bool(items) and self._chance(0.15),
                    "includeDescendants": bool(above) or self._chance(0.3),
                    "includeMapped": False,
                }
            )
        number = len(self._sets)
        self._sets.append({"id": number, "name": f"set {number}", "expression": {"items": items}})
        return number

    def _concepts(self, among: Any) -> list[dict[str, Any]]:
        chosen = {self._pick(tuple(among)) for _ in range(self._pick((1, 1, 2)))}
        return [{"CONCEPT_ID": one, "CONCEPT_CODE": "x"} for one in sorted(chosen)]

    def _range(self, among: Any) -> dict[str, Any]:
        low, high = sorted((self._pick(tuple(among)), self._pick(tuple(among))))
        operator = self._pick(_OPERATORS)
        extent = {"Extent": high} if operator.endswith("bt") else {}
        return {"Value": low, "Op": operator, **extent}

    def _dates(self) -> dict[str, Any]:
        low, high = sorted((self._year(), self._year()))
        operator = self._pick(("lt", "lte", "gt", "gte", "bt", "!bt"))
        extent = {"Extent": f"{high}-12-31"} if operator.endswith("bt") else {}
        return {"Value": f"{low}-03-04", "Op": operator, **extent}

    def _limit(self) -> str:
        return str(self._pick(("First", "All", "All", "Last")))

    def _year(self) -> int:
        return self._random.randint(*self.world.years)

    def _chance(self, of: float) -> bool:
        return self._random.random() < of

    @property
    def _pick(self) -> Callable[[Any], Any]:
        return self._random.choice
