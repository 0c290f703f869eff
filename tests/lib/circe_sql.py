"""Cohort definitions as SQL over the rows of CSV files, written after the templates of circe-be.

Written from OHDSI's published SQL templates, not from the project's page or code: it reads the JSON
by itself. Each criterion is a table of events; groups, limits and ends follow the templates step by
step. Where Circe leaves the order of events of one day to the database, it is made definite: by
key, end, visit and observation period. Read are valid files of one site.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from precisionchain.schemas.omop import TABLES
from tests.lib.circe_sets import concepts_of

_OPERATORS: Final = {"lt": "<", "lte": "<=", "eq": "=", "!eq": "<>", "gt": ">", "gte": ">="}
_COUNTS: Final = ("=", "<=", ">=")

# Circe's criteria: table, prefix of key and dates, concept column, end of an event.
_PLUS = "{0} + 1"
_DOMAINS: Final[dict[str, tuple[str, str, str, str, str]]] = {
    "ConditionOccurrence": (
        *("condition_occurrence", "condition_occurrence_id", "condition_concept_id"),
        *("condition_start_date", "coalesce(condition_end_date, condition_start_date + 1)"),
    ),
    "DrugExposure": (
        *("drug_exposure", "drug_exposure_id", "drug_concept_id", "drug_exposure_start_date"),
        (
            "coalesce(drug_exposure_end_date, drug_exposure_start_date + days_supply::int,"
            " drug_exposure_start_date + 1)"
        ),
    ),
    "ProcedureOccurrence": (
        *("procedure_occurrence", "procedure_occurrence_id", "procedure_concept_id"),
        *("procedure_date", "procedure_date + 1"),
    ),
    "DeviceExposure": (
        *("device_exposure", "device_exposure_id", "device_concept_id"),
        "device_exposure_start_date",
        "coalesce(device_exposure_end_date, device_exposure_start_date + 1)",
    ),
    "Measurement": (
        *("measurement", "measurement_id", "measurement_concept_id"),
        *("measurement_date", "measurement_date + 1"),
    ),
    "Observation": (
        *("observation", "observation_id", "observation_concept_id"),
        *("observation_date", "observation_date + 1"),
    ),
    "Specimen": (
        *("specimen", "specimen_id", "specimen_concept_id"),
        *("specimen_date", "specimen_date + 1"),
    ),
    "Death": ("death", "person_id", "cause_concept_id", "death_date", "death_date + 1"),
    "VisitOccurrence": (
        *("visit_occurrence", "visit_occurrence_id", "visit_concept_id"),
        *("visit_start_date", "visit_end_date"),
    ),
    "VisitDetail": (
        *("visit_detail", "visit_detail_id", "visit_detail_concept_id"),
        *("visit_detail_start_date", "visit_detail_end_date"),
    ),
    "ConditionEra": (
        *("condition_era", "condition_era_id", "condition_concept_id"),
        *("condition_era_start_date", "condition_era_end_date"),
    ),
    "DrugEra": (
        *("drug_era", "drug_era_id", "drug_concept_id"),
        *("drug_era_start_date", "drug_era_end_date"),
    ),
    "DoseEra": (
        *("dose_era", "dose_era_id", "drug_concept_id"),
        *("dose_era_start_date", "dose_era_end_date"),
    ),
    "ObservationPeriod": (
        *("observation_period", "observation_period_id", "period_type_concept_id"),
        *("observation_period_start_date", "observation_period_end_date"),
    ),
}
_START: Final = ("OccurrenceStartDate", "EraStartDate", "PeriodStartDate", "VisitDetailStartDate")
_END: Final = ("OccurrenceEndDate", "EraEndDate", "PeriodEndDate", "VisitDetailEndDate")
_NUMBERS: Final = {
    "EraLength": "end_date - start_date",
    "VisitLength": "end_date - start_date",
    "VisitDetailLength": "end_date - start_date",
    "PeriodLength": "end_date - start_date",
    "AgeAtStart": "year(start_date) - p.year_of_birth",
    "AgeAtEnd": "year(end_date) - p.year_of_birth",
    "ValueAsNumber": "value_as_number",
    "DoseValue": "dose_value",
    "RangeLow": "range_low",
    "RangeHigh": "range_high",
    "RangeLowRatio": "value_as_number / nullif(range_low, 0)",
    "RangeHighRatio": "value_as_number / nullif(range_high, 0)",
    "Quantity": "quantity",
    "DaysSupply": "days_supply",
    "Refills": "refills",
}
_CONCEPTS: Final = {
    "ConditionType": "condition_type_concept_id",
    "ConditionStatus": "condition_status_concept_id",
    "DrugType": "drug_type_concept_id",
    "RouteConcept": "route_concept_id",
    "ProcedureType": "procedure_type_concept_id",
    "Modifier": "modifier_concept_id",
    "DeviceType": "device_type_concept_id",
    "MeasurementType": "measurement_type_concept_id",
    "Operator": "operator_concept_id",
    "ValueAsConcept": "value_as_concept_id",
    "Unit": "unit_concept_id",
    "ObservationType": "observation_type_concept_id",
    "Qualifier": "qualifier_concept_id",
    "SpecimenType": "specimen_type_concept_id",
    "AnatomicSite": "anatomic_site_concept_id",
    "DiseaseStatus": "disease_status_concept_id",
    "DeathType": "death_type_concept_id",
    "PeriodType": "period_type_concept_id",
    "VisitDetailType": "visit_detail_type_concept_id",
    "Gender": "p.gender_concept_id",
}
_COLUMNS: Final = {
    "START_DATE": "start_date",
    "END_DATE": "end_date",
    "VISIT_ID": "visit_occurrence_id",
    "DURATION": "end_date - start_date",
    "DAYS_SUPPLY": "days_supply",
    "QUANTITY": "quantity",
    "REFILLS": "refills",
    "RANGE_LOW": "range_low",
    "RANGE_HIGH": "range_high",
    "UNIT": "unit_concept_id",
    "GAP_DAYS": "gap_days",
}
_NONE: Final = "select null::bigint where false"


def load_raw(database: duckdb.DuckDBPyConnection, folder: Path, schema: str = "main") -> None:
    """Load a folder of CSV files as typed tables of every name the CDM has."""
    for table in TABLES.values():
        types = {field.name: _stored(field.lexical.sql_type) for field in table.fields}
        file = folder / f"{table.name}.csv"
        given: dict[str, str] = {}
        if file.exists():
            named = database.sql(f"select * from read_csv('{file}', all_varchar=true)").columns
            given = {_folded(name): name for name in named}
        picked = ", ".join(
            f"cast(nullif(\"{given[name]}\", '') as {kind}) as {name}"
            if name in given
            else f"cast(null as {kind}) as {name}"
            for name, kind in types.items()
        )
        rows = f"from read_csv('{file}', all_varchar=true)" if given else "where false"
        database.execute(f"create table {schema}.{table.name} as select {picked} {rows}")


def _folded(name: str) -> str:
    name = name.lower()
    return name.removeprefix("date(").partition(",")[0] if name.startswith("date(") else name


def _stored(kind: str) -> str:
    # Texts, and times of day, are not looked at.
    return kind if kind in ("BIGINT", "DOUBLE", "DATE") else "VARCHAR"


@dataclass
class CirceSql:
    """An oracle on one folder of CSV files.

    Args:
        folder: the files.
    """

    folder: Path
    database: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)
    sets: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        load_raw(self.database, self.folder)
        for table in ("observation_period", "death", *{one[0] for one in _DOMAINS.values()}):
            # Rows of persons without a person row are rejected when files are ingested.
            self.database.execute(
                f"delete from {table} where person_id not in (select person_id from person)"
            )
        if not (self.folder / "concept.csv").exists():
            self.database.execute(
                "insert into concept (concept_id) select distinct unnest(["
                "ancestor_concept_id, descendant_concept_id]) from concept_ancestor"
            )

    def answer(self, definition: dict[str, Any]) -> list[tuple[int, Any, Any]]:
        """Return person, start and end of each time in the cohort, in order."""
        self.sets = {
            one["id"]: ", ".join(map(str, concepts_of(self.database, one["expression"]))) or _NONE
            for one in definition["ConceptSets"]
        }
        steps = list(self._steps(definition))
        query = ", ".join(f"{name} as materialized ({sql})" for name, sql in steps)
        return self.database.sql(
            f"with {query} select * from {steps[-1][0]} order by all"
        ).fetchall()

    # ------------------------------------------------------------------------------ definition

    def _steps(self, definition: dict[str, Any]) -> Iterator[tuple[str, str]]:
        primary = definition["PrimaryCriteria"]
        window = primary["ObservationWindow"]
        rows = " union all ".join(self._criterion(one) for one in primary["CriteriaList"])
        limit = primary["PrimaryCriteriaLimit"]["Type"]
        order = "desc" if limit == "Last" else "asc"
        yield (
            "primary_events",
            "select * exclude (event_id, place), place as event_id from (select *,"
            " row_number() over (partition by person_id order by start_date"
            f" {order}, e.event_id, end_date nulls last, visit_occurrence_id nulls last, op_start)"
            f" as place from (select * from ({rows}) e join {_PERIODS} op using (person_id)"
            f" where start_date >= op_start and start_date <= op_end"
            f" and op_start + {window['PriorDays']} <= start_date"
            f" and start_date + {window['PostDays']} <= op_end) e)"
            + ("" if limit == "All" else " where place = 1"),
        )
        additional = definition.get("AdditionalCriteria")
        group = self._group(additional) if additional else "true"
        last = definition["QualifiedLimit"]["Type"]
        limited = additional is not None and last != "All"
        yield (
            "qualified",
            f"select * from primary_events e where {group}" + (_limited(last) if limited else ""),
        )
        rules = [self._group(rule["expression"]) for rule in definition["InclusionRules"]]
        last = definition["ExpressionLimit"]["Type"]
        yield (
            "included",
            f"select * from qualified e where {' and '.join(rules) or 'true'}"
            + (_limited(last) if last != "All" else ""),
        )
        yield from self._ends(definition)

    def _ends(self, definition: dict[str, Any]) -> Iterator[tuple[str, str]]:
        strategy = definition.get("EndStrategy") or {}
        ends = []
        if "DateOffset" not in strategy:
            ends.append("select person_id, event_id, op_end as end_date from included")
        else:
            said = strategy["DateOffset"]
            of = "start_date" if said["DateField"] == "StartDate" else "end_date"
            moved = f"{of} + {said['Offset']}"
            ends.append(
                "select person_id, event_id, case when "
                f"{moved} > op_end then op_end else {moved} end as end_date from included"
            )
        if "CustomEra" in strategy:
            said = strategy["CustomEra"]
            gap, concepts = said.get("GapDays", 0), self.sets[said["DrugCodesetId"]]
            end = _DOMAINS["DrugExposure"][4]
            if said.get("DaysSupplyOverride") is not None:
                end = f"drug_exposure_start_date + {said['DaysSupplyOverride']}"
            one = (
                f"select person_id, drug_exposure_start_date as start_date,"
                f" {end} + {gap + said.get('Offset', 0)} as end_date from drug_exposure where "
            )
            rows = (
                f"{one} drug_concept_id in ({concepts}) union all"
                f" {one} drug_source_concept_id in ({concepts})"
            )
            yield "eras", _eras(rows, gap)
            ends.append(
                "select i.person_id, i.event_id, r.end_date from included i join eras r"
                " on r.person_id = i.person_id"
                " and i.start_date between r.start_date and r.end_date"
            )
        for criterion in definition.get("CensoringCriteria") or []:
            ends.append(
                "select i.person_id, i.event_id, min(c.start_date) as end_date from included i"
                f" join ({self._criterion(criterion)}) c on c.person_id = i.person_id"
                " and c.start_date >= i.start_date and c.start_date <= i.op_end group by all"
            )
        yield "ends", " union all ".join(ends)
        yield (
            "ended",
            (
                "select i.person_id, i.start_date, min(e.end_date) as end_date from included i"
                " join ends e using (person_id, event_id) where e.end_date >= i.start_date"
                " group by i.person_id, i.event_id, i.start_date"
            ),
        )
        pad = (definition.get("CollapseSettings") or {}).get("EraPad", 0)
        padded = f"select person_id, start_date, end_date + {pad} as end_date from ended"
        yield "collapsed", _eras(padded, pad)
        censor = definition.get("CensorWindow") or {}
        start, end = "start_date", "end_date"
        if censor.get("StartDate"):
            start = f"greatest(start_date, date '{censor['StartDate']}')"
        if censor.get("EndDate"):
            end = f"least(end_date, date '{censor['EndDate']}')"
        yield (
            "final",
            (
                f"select person_id, {start} as first_day, {end} as last_day from collapsed"
                " where first_day <= last_day"
            ),
        )

    # ---------------------------------------------------------------------------------- groups

    def _group(self, group: dict[str, Any]) -> str:
        """Return a group as an expression of an event ``e``."""
        parts = [self._correlated(one) for one in group.get("CriteriaList") or []]
        parts += [self._demographic(one) for one in group.get("DemographicCriteriaList") or []]
        parts += [self._group(one) for one in group.get("Groups") or []]
        if not parts:
            return "true"
        count = " + ".join(f"coalesce(({part})::int, 0)" for part in parts)
        test = {
            "ALL": f"= {len(parts)}",
            "ANY": "> 0",
            "AT_LEAST": f">= {group.get('Count')}",
            "AT_MOST": f"<= {group.get('Count')}",
        }[group["Type"].upper()]
        return f"(({count}) {test})"

    def _correlated(self, asked: dict[str, Any]) -> str:
        occurrence, ignores = asked["Occurrence"], asked.get("IgnoreObservationPeriod", False)
        column = occurrence.get("CountColumn") or "DOMAIN_CONCEPT"
        distinct = occurrence.get("IsDistinct", False)
        where = ["a.person_id = e.person_id"]
        if not ignores:
            where.append("a.start_date >= e.op_start and a.start_date <= e.op_end")
        where += self._window(asked["StartWindow"], "start_date", ignores=ignores)
        if asked.get("EndWindow"):
            where += self._window(asked["EndWindow"], "end_date", ignores=ignores)
        if asked.get("RestrictVisit"):
            where.append("a.visit_occurrence_id = e.visit_occurrence_id")
        rows = self._criterion(asked["Criteria"], column)
        counted = "count(distinct a.what)" if distinct else "count(*)"
        return (
            f"(select {counted} from ({rows}) a where {' and '.join(where)})"
            f" {_COUNTS[occurrence['Type']]} {occurrence['Count']}"
        )

    @staticmethod
    def _window(window: dict[str, Any], default: str, *, ignores: bool) -> list[str]:
        use = window.get("UseEventEnd")
        event = default if use is None else ("end_date" if use else "start_date")
        index = "end_date" if window.get("UseIndexEnd") else "start_date"
        found = []
        for name, compare in (("Start", ">="), ("End", "<=")):
            point = window[name]
            if point.get("Days") is not None:
                bound = f"e.{index} + {point['Coeff'] * point['Days']}"
            elif ignores:
                continue
            else:
                bound = "e.op_start" if point["Coeff"] == -1 else "e.op_end"
            found.append(f"a.{event} {compare} {bound}")
        return found

    def _demographic(self, asked: dict[str, Any]) -> str:
        where = ["p.person_id = e.person_id"]
        if asked.get("Age"):
            where.append(_range("year(e.start_date) - p.year_of_birth", asked["Age"]))
        for name in ("Gender", "Race", "Ethnicity"):
            if asked.get(name):
                where.append(f"p.{name.lower()}_concept_id in ({_ids(asked[name])})")
        if asked.get("GenderCS"):
            where.append(self._chosen("p.gender_concept_id", asked["GenderCS"]))
        for name, column in (
            ("OccurrenceStartDate", "e.start_date"),
            ("OccurrenceEndDate", "e.end_date"),
        ):
            if asked.get(name):
                where.append(_range(column, asked[name], quoted=True))
        return f"exists (select 1 from person p where {' and '.join(where)})"

    # -------------------------------------------------------------------------------- criteria

    def _criterion(self, criterion: dict[str, Any], column: str = "DOMAIN_CONCEPT") -> str:
        """Return the events of a criterion, with ``what`` they are counted by."""
        ((name, asked),) = criterion.items()
        table, key, concept, start, end = _DOMAINS[name]
        chosen = []
        if asked.get("CodesetId") is not None:
            chosen.append(f"{concept} in ({self.sets[asked['CodesetId']]})")
        source = f"{name.removesuffix('Occurrence').removesuffix('Exposure')}SourceConcept"
        if asked.get(source) is not None:
            of = concept.replace("_concept_id", "_source_concept_id")
            chosen.append(f"{of} in ({self.sets[asked[source]]})")
        visit = "visit_occurrence_id"
        if "visit_occurrence_id" not in TABLES[table].columns:
            visit = "null::bigint as visit_occurrence_id"
        rows = (
            f"select *, {start} as start_date, {end} as end_date from {table}"
            f" where {' and '.join(chosen) or 'true'}"
        )
        if asked.get("First"):
            rows += (
                f" qualify row_number() over (partition by person_id order by {start}, {key}) = 1"
            )
        if asked.get("DateAdjustment"):
            rows = _adjusted(rows, asked["DateAdjustment"])
        counted = concept if column == "DOMAIN_CONCEPT" else _COLUMNS.get(column)
        if column == "ERA_OCCURRENCES":
            counted = (
                "condition_occurrence_count" if name == "ConditionEra" else "drug_exposure_count"
            )
        if column == "VALUE_AS_NUMBER":
            counted = "dose_value" if name == "DoseEra" else "value_as_number"
        if column == "VISIT_ID" and "visit_occurrence_id" not in TABLES[table].columns:
            counted = "null"
        where = " and ".join(self._tests(name, asked)) or "true"
        events = (
            f"select c.person_id, c.{key} as event_id, start_date, end_date, {visit},"
            f" {counted} as what from ({rows}) c left join person p on p.person_id = c.person_id"
            f" where {where}"
        )
        group = asked.get("CorrelatedCriteria")
        if not group or not any(
            group.get(part) for part in ("CriteriaList", "DemographicCriteriaList", "Groups")
        ):
            return events
        return (
            f"select * from ({events}) o where exists (select 1 from (select * from ({events}) q"
            f" join {_PERIODS} op using (person_id) where op_start <= q.start_date"
            f" and op_end >= q.start_date) e where e.person_id = o.person_id"
            f" and e.event_id = o.event_id and {self._group(group)})"
        )

    def _tests(self, name: str, asked: dict[str, Any]) -> Iterator[str]:
        for member, said in asked.items():
            bare = member.removesuffix("CS")
            if not said:
                continue
            if member in _START:
                yield _range("start_date", said, quoted=True)
            elif member in _END:
                yield _range("end_date", said, quoted=True)
            elif member == "Age":
                of = "end_date" if name == "VisitDetail" else "start_date"
                yield _range(f"year({of}) - p.year_of_birth", said)
            elif member == "OccurrenceCount":
                of = "condition_occurrence" if name == "ConditionEra" else "drug_exposure"
                yield _range(f"{of}_count", said)
            elif member in _NUMBERS:
                yield _range(_NUMBERS[member], said)
            elif member == "Abnormal":
                yield (
                    "(value_as_number < range_low or value_as_number > range_high"
                    " or value_as_concept_id in (4155142, 4155143))"
                )
            elif bare == "VisitType" and name != "VisitOccurrence":
                of = (
                    f"v.visit_concept_id in ({_ids(said)})"
                    if bare == member
                    else self._chosen("v.visit_concept_id", said)
                )
                yield (
                    "exists (select 1 from visit_occurrence v where v.person_id = c.person_id"
                    f" and v.visit_occurrence_id = c.visit_occurrence_id and {of})"
                )
            elif bare in _CONCEPTS or bare == "VisitType":
                column = _CONCEPTS.get(bare, "visit_type_concept_id")
                if bare == member:
                    sign = "not in" if asked.get(f"{member}Exclude") else "in"
                    yield f"{column} {sign} ({_ids(said)})"
                else:
                    yield self._chosen(column, said)

    def _chosen(self, column: str, said: dict[str, Any]) -> str:
        sign = "not in" if said.get("IsExclusion") else "in"
        return f"{column} {sign} ({self.sets[said['CodesetId']]})"


_PERIODS: Final = (
    "(select person_id, observation_period_start_date as op_start,"
    " observation_period_end_date as op_end from observation_period)"
)


def _limited(which: str) -> str:
    order = "desc" if which == "Last" else "asc"
    return (
        f" qualify row_number() over (partition by person_id order by start_date {order},"
        " event_id) = 1"
    )


def _eras(rows: str, pad: int) -> str:
    """Return times that meet as one, less ``pad`` days at the end."""
    return (
        f"select person_id, min(start_date) as start_date, max(end_date) - {pad} as end_date from ("
        "select *, sum(is_start) over (partition by person_id order by start_date, is_start desc"
        " rows unbounded preceding) as era from (select *, case when max(end_date) over (partition"
        " by person_id order by start_date rows between unbounded preceding and 1 preceding)"
        f" >= start_date then 0 else 1 end as is_start from ({rows}))) group by person_id, era"
    )


def _adjusted(rows: str, said: dict[str, Any]) -> str:
    start, end = (f"{said[f'{of}With'].lower()} + {said[f'{of}Offset']}" for of in ("Start", "End"))
    return (
        f"select * from (select * replace ({start} as start_date, {end} as end_date) from ({rows}))"
        " where end_date >= start_date"
    )


def _range(value: str, said: dict[str, Any], *, quoted: bool = False) -> str:
    low, high = (
        f"date '{said.get(name)}'" if quoted else said.get(name) for name in ("Value", "Extent")
    )
    if said["Op"].endswith("bt"):
        sign = "not " if said["Op"].startswith("!") else ""
        return f"{sign}({value} >= {low} and {value} <= {high})"
    return f"{value} {_OPERATORS[said['Op']]} {low}"


def _ids(concepts: list[dict[str, Any]]) -> str:
    return ", ".join(str(one["CONCEPT_ID"]) for one in concepts)
