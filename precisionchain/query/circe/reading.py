"""Read cohort definitions as OHDSI's tools write them, into one form that holds no more than meant.

Every member is looked at: one that is not covered is refused by its place in the document, because
a part that is left out silently changes who is in the cohort. Null members are absent. Names,
descriptions and codes are not looked at and not kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from precisionchain.errors import UsageError
from precisionchain.query.atlas_sets import AtlasSet, atlas_sets, read_document
from precisionchain.query.circe.members import (
    ABNORMAL,
    CHOSEN,
    CONCEPTS,
    DATES,
    DECIMAL,
    KINDS,
    REFUSED,
    WHOLE,
    Kind,
)
from precisionchain.query.criteria.definition import CohortDefinition
from precisionchain.query.criteria.names import MAX_DEPTH

_PAGE: Final = "docs/reference/circe.md says what is covered; ask for this part by a criterion"
_ANY: Final = "DOMAIN_CONCEPT"
_OPERATORS: Final = ("lt", "lte", "eq", "!eq", "gt", "gte", "bt", "!bt")
_GROUPS: Final = ("ALL", "ANY", "AT_LEAST", "AT_MOST")
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_DECIMALS: Final = 4  # to which Circe rounds a number
_MOST_DAYS: Final = 1_000_000
_TEXTS: Final = frozenset({"name", "description", "Title", "cdmVersionRange"})

Json = dict[str, Any]


def cohort_definition(definition: str | Path | Mapping[str, Any]) -> CohortDefinition:
    """Return the criterion of an OHDSI cohort definition, as ATLAS exports it.

    Args:
        definition: a path, or what ``json.loads`` returns of the file.

    Raises:
        UnreadableFileError: the file cannot be read.
        InputError: it is no JSON.
        UsageError: it is no cohort definition, or asks what is not covered; the error says where.
    """
    given: object = definition
    if isinstance(definition, str | Path):
        given = read_document(Path(definition))
    return CohortDefinition(json.dumps(normalised(given), separators=(",", ":")))


def circe(definition: str) -> CohortDefinition:
    """Return the criterion of an OHDSI cohort definition that stands in a text as JSON.

    Args:
        definition: the definition as JSON; files are read by `cohort_definition`.

    Raises:
        UsageError: it is none, or asks what is not covered; the error says where.
    """
    try:
        given = json.loads(definition)
    except (TypeError, ValueError, RecursionError):
        raise UsageError(
            "the cohort definition is not JSON",
            hint="a file is read by --definition, and in Python by cohort_definition",
        ) from None
    return cohort_definition(given if isinstance(given, Mapping) else {})


def normalised(document: object) -> Json:
    """Return a cohort definition in its one form, which is a definition of the same meaning.

    Raises:
        UsageError: it is none, or asks what is not covered; the error says where.
    """
    if isinstance(document, Mapping) and "PrimaryCriteria" not in document:
        inner = document.get("expression", document.get("Expression"))
        if isinstance(inner, str):
            try:
                inner = json.loads(inner)
            except (ValueError, RecursionError):
                inner = None
        document = inner if isinstance(inner, Mapping) else document
    if not isinstance(document, Mapping) or "PrimaryCriteria" not in document:
        raise UsageError(
            "not a cohort definition",
            hint="the JSON of ATLAS or WebAPI, with PrimaryCriteria and ConceptSets",
        )
    reading = _Reading(_sets_of(document))
    found = reading.members(document, "", _DEFINITION, needs=("PrimaryCriteria",))
    used = [reading.sets[number] for number in sorted(reading.used)]
    return {"ConceptSets": [_set_written(one) for one in used], **found}


@dataclass(slots=True)
class _Reading:
    """One reading of a document: the concept sets it has, and those that were named."""

    sets: Mapping[int, AtlasSet]
    used: set[int] = field(default_factory=set)
    depth: int = 0

    def members(
        self,
        given: object,
        where: str,
        known: Mapping[str, _Member],
        *,
        needs: tuple[str, ...] = (),
    ) -> Json:
        """Return an object's members that say something, in the order that they are known in."""
        if not isinstance(given, Mapping):
            raise UsageError("not an object", where=where or None)
        found: Json = {}
        for name, value in given.items():
            place = f"{where}.{name}" if where else str(name)
            if value is None or name in _TEXTS:
                continue
            if name not in known:
                if _says_something(value):
                    raise _not_covered(str(name), place)
                continue
            kept = known[name](self, value, place)
            if kept is not None:
                found[name] = kept
        for name in needs:
            if name not in found:
                raise UsageError(f"{name} is missing", where=where or None)
        return {name: found[name] for name in known if name in found}


_Member = Callable[[_Reading, Any, str], Any]


def _not_covered(name: str, place: str) -> UsageError:
    why = REFUSED.get(name)
    return UsageError(
        f"{name[:40]} is not covered" + (f": {why}" if why else ""),
        where=place if len(place) < 200 else f"...{place[-200:]}",
        hint=_PAGE,
    )


def _says_something(value: object) -> bool:
    """Whether a member that is not covered would have changed the cohort."""
    return not (value is False or value in ([], {}))


def _sets_of(document: Mapping[str, Any]) -> dict[int, AtlasSet]:
    found: dict[int, AtlasSet] = {}
    for place, one in enumerate(atlas_sets({"ConceptSets": document.get("ConceptSets") or []})):
        if one.number is None or one.number in found:
            raise UsageError(
                "a concept set without a number of its own", where=f"ConceptSets[{place}].id"
            )
        found[one.number] = one
    return found


def _set_written(one: AtlasSet) -> Json:
    items = []
    if one.concepts is not None:
        for among, excluded in ((one.concepts.include, False), (one.concepts.exclude, True)):
            for item in among:
                flags = {
                    "isExcluded": excluded,
                    "includeDescendants": item.descendants,
                    "includeMapped": item.mapped,
                }
                said = {name: True for name, flag in flags.items() if flag}
                items.append({"concept": {"CONCEPT_ID": item.concept}, **said})
    return {"id": one.number, "expression": {"items": items}}


# ---------------------------------------------------------------------------------------- values


def _flag(_reading: _Reading, value: Any, where: str) -> bool | None:
    if not isinstance(value, bool):
        raise UsageError("not true or false", where=where)
    return value or None


def _said_flag(_reading: _Reading, value: Any, where: str) -> bool:
    """A flag of which absence is something else than false."""
    if not isinstance(value, bool):
        raise UsageError("not true or false", where=where)
    return value


def _whole(low: int | None = None) -> _Member:
    def read(_reading: _Reading, value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MOST_DAYS:
            raise UsageError("not a whole number", where=where)
        if low is not None and value < low:
            raise UsageError(f"less than {low}", where=where)
        return value

    return read


def _one_of(*names: str) -> _Member:
    def read(_reading: _Reading, value: Any, where: str) -> str:
        folded = value.upper() if isinstance(value, str) else None
        for name in names:
            if name.upper() == folded:
                return name
        raise UsageError("none of the values it may have", where=where, hint=", ".join(names))

    return read


def _set_number(reading: _Reading, value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in reading.sets:
        raise UsageError("the definition has no concept set of that number", where=where)
    reading.used.add(value)
    return value


def _concepts(_reading: _Reading, value: Any, where: str) -> list[Json] | None:
    if not isinstance(value, list):
        raise UsageError("not a list of concepts", where=where)
    found = set()
    for place, one in enumerate(value):
        concept = one.get("CONCEPT_ID") if isinstance(one, Mapping) else None
        if isinstance(concept, bool) or not isinstance(concept, int) or abs(concept) >= 2**63:
            raise UsageError("a concept without its id", where=f"{where}[{place}].CONCEPT_ID")
        found.add(concept)
    return [{"CONCEPT_ID": concept} for concept in sorted(found)] or None


def _chosen(reading: _Reading, value: Any, where: str) -> Json:
    known = {"CodesetId": _set_number, "IsExclusion": _flag}
    return reading.members(value, where, known, needs=("CodesetId",))


def _day(_reading: _Reading, value: Any, where: str) -> str | None:
    if value == "":
        return None
    parts = _DATE.fullmatch(value) if isinstance(value, str) else None
    try:
        if parts:
            return date(*map(int, parts.groups())).isoformat()
    except ValueError:
        pass
    raise UsageError("not a day", where=where, hint="YYYY-MM-DD")


def _range(value: _Member) -> _Member:
    """Return what reads a range of days or numbers: one, an operator, and for two another."""
    known = {"Value": value, "Op": _one_of(*_OPERATORS), "Extent": value}

    def read(reading: _Reading, given: Any, where: str) -> Json:
        found = reading.members(given, where, known, needs=("Op", "Value"))
        if not found["Op"].endswith("bt"):
            found.pop("Extent", None)
        elif "Extent" not in found:
            raise UsageError("Extent is missing", where=where)
        return found

    return read


def _number(*, whole: bool) -> _Member:
    def read(_reading: _Reading, value: Any, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
            raise UsageError("not a number", where=where)
        if whole and value != int(value):
            raise UsageError("not a whole number; Circe would cut it off", where=where)
        if round(value, _DECIMALS) != value:
            raise UsageError("more decimals than four; Circe would round it", where=where)
        return int(value) if value == int(value) else value

    return read


_BY_KIND: Final[Mapping[str, _Member]] = {
    DATES: _range(_day),
    WHOLE: _range(_number(whole=True)),
    DECIMAL: _range(_number(whole=False)),
    CONCEPTS: _concepts,
    CHOSEN: _chosen,
    ABNORMAL: _flag,
}


# -------------------------------------------------------------------------------------- criteria


def _adjustment(reading: _Reading, value: Any, where: str) -> Json:
    day = _one_of("START_DATE", "END_DATE")
    known = {"StartWith": day, "StartOffset": _whole(), "EndWith": day, "EndOffset": _whole()}
    default = {"StartWith": "START_DATE", "StartOffset": 0, "EndWith": "END_DATE", "EndOffset": 0}
    return default | reading.members(value, where, known)


def _criterion(reading: _Reading, value: Any, where: str) -> Json:
    """Return a criterion: an object of one member, named by what it is of."""
    if not isinstance(value, Mapping) or len(value) != 1:
        raise UsageError(
            "not a criterion", where=where, hint='{"ConditionOccurrence": {"CodesetId": 0}}'
        )
    ((name, given),) = value.items()
    if name not in KINDS:
        raise _not_covered(str(name), f"{where}.{name}")
    kind = KINDS[name]
    found = reading.members(given or {}, f"{where}.{name}", _members_of(kind))
    return {name: _without_idle_flags(kind, found)}


def _members_of(kind: Kind) -> dict[str, _Member]:
    known: dict[str, _Member] = {"CodesetId": _set_number} if kind.has_set else {}
    if kind.source:
        known[kind.source] = _set_number
    if kind.has_first:
        known["First"] = _flag
    for name, asked in kind.members.items():
        known[name] = _BY_KIND[asked.kind]
        if asked.exclude:
            known[asked.exclude] = _flag
    if kind.has_adjustment:
        known["DateAdjustment"] = _adjustment
    return {**known, "CorrelatedCriteria": _group}


def _without_idle_flags(kind: Kind, found: Json) -> Json:
    """Return a criterion without flags that speak of a list which is not there."""
    idle = {
        asked.exclude for name, asked in kind.members.items() if asked.exclude and name not in found
    }
    return {name: value for name, value in found.items() if name not in idle}


def _list_of(member: _Member) -> _Member:
    def read(reading: _Reading, value: Any, where: str) -> list[Any] | None:
        if not isinstance(value, list):
            raise UsageError("not a list", where=where)
        return [member(reading, one, f"{where}[{at}]") for at, one in enumerate(value)] or None

    return read


def _demographic(reading: _Reading, value: Any, where: str) -> Json:
    known = {
        "Age": _BY_KIND[WHOLE],
        "Gender": _concepts,
        "GenderCS": _chosen,
        "Race": _concepts,
        "Ethnicity": _concepts,
        "OccurrenceStartDate": _BY_KIND[DATES],
        "OccurrenceEndDate": _BY_KIND[DATES],
    }
    return reading.members(value, where, known)


def _endpoint(reading: _Reading, value: Any, where: str) -> Json:
    known = {"Days": _whole(0), "Coeff": _whole(-1)}
    found = reading.members(value, where, known, needs=("Coeff",))
    if found["Coeff"] not in (-1, 1):
        raise UsageError("neither -1 nor 1", where=f"{where}.Coeff")
    return found


def _window(reading: _Reading, value: Any, where: str) -> Json:
    known = {
        "Start": _endpoint,
        "End": _endpoint,
        "UseIndexEnd": _said_flag,
        "UseEventEnd": _said_flag,
    }
    return reading.members(value, where, known, needs=("Start", "End"))


def _occurrence(reading: _Reading, value: Any, where: str) -> Json:
    known = {
        "Type": _whole(0),
        "Count": _whole(0),
        "IsDistinct": _flag,
        "CountColumn": lambda _reading, given, _where: given,
    }
    found = reading.members(value, where, known, needs=("Type", "Count"))
    if found["Type"] > 2:
        raise UsageError("0 (exactly), 1 (at most) or 2 (at least)", where=f"{where}.Type")
    if not found.get("IsDistinct"):
        found.pop("CountColumn", None)
    return found


def _correlated(reading: _Reading, value: Any, where: str) -> Json:
    known = {
        "Criteria": _criterion,
        "StartWindow": _window,
        "EndWindow": _window,
        "Occurrence": _occurrence,
        "RestrictVisit": _flag,
        "IgnoreObservationPeriod": _flag,
    }
    needs = ("Criteria", "StartWindow", "Occurrence")
    found = reading.members(value, where, known, needs=needs)
    column = found["Occurrence"].get("CountColumn", _ANY)
    (name,) = found["Criteria"]
    if column != _ANY and column not in KINDS[name].counted:
        raise UsageError(
            f"what is counted of {name} is not covered",
            where=f"{where}.Occurrence.CountColumn",
            hint=", ".join((_ANY, *KINDS[name].counted)),
        )
    return found


def _group(reading: _Reading, value: Any, where: str) -> Json | None:
    """Return a group; None where it is empty, which every event meets."""
    reading.depth += 1
    if reading.depth > MAX_DEPTH:
        raise UsageError(f"groups nest {MAX_DEPTH} deep at most", where=None)
    known = {
        "Type": _one_of(*_GROUPS),
        "Count": _whole(0),
        "CriteriaList": _list_of(_correlated),
        "DemographicCriteriaList": _list_of(_demographic),
        "Groups": _list_of(_inner_group),
    }
    found = reading.members(value, where, known)
    reading.depth -= 1
    if not any(name in found for name in ("CriteriaList", "DemographicCriteriaList", "Groups")):
        return None
    if "Type" not in found:
        raise UsageError("Type is missing", where=where, hint=", ".join(_GROUPS))
    if not found["Type"].startswith("AT_"):
        found.pop("Count", None)
    elif "Count" not in found:
        raise UsageError("Count is missing", where=where)
    return found


def _inner_group(reading: _Reading, value: Any, where: str) -> Json:
    """Return a group in a group: an empty one counts as one that holds."""
    return _group(reading, value, where) or {}


# ------------------------------------------------------------------------------------ definition


def _limit(reading: _Reading, value: Any, where: str) -> Json | None:
    found = reading.members(value, where, {"Type": _one_of("First", "Last", "All")})
    return found if found.get("Type", "First") != "First" else None


def _primary(reading: _Reading, value: Any, where: str) -> Json:
    def around(reading: _Reading, value: Any, where: str) -> Json:
        return reading.members(value, where, {"PriorDays": _whole(0), "PostDays": _whole(0)})

    known = {
        "CriteriaList": _list_of(_criterion),
        "ObservationWindow": around,
        "PrimaryCriteriaLimit": _limit,
    }
    return reading.members(value, where, known, needs=("CriteriaList", "ObservationWindow"))


def _additional(reading: _Reading, value: Any, where: str) -> Json:
    """Return the group of an event's own criteria: an empty one still lets a limit count."""
    return _group(reading, value, where) or {}


def _rule(reading: _Reading, value: Any, where: str) -> Json:
    found = reading.members(value, where, {"expression": _additional})
    return {"expression": found.get("expression", {})}


def _end_strategy(reading: _Reading, value: Any, where: str) -> Json | None:
    def offset(reading: _Reading, value: Any, where: str) -> Json:
        known = {"DateField": _one_of("StartDate", "EndDate"), "Offset": _whole()}
        return {"DateField": "StartDate", "Offset": 0, **reading.members(value, where, known)}

    def era(reading: _Reading, value: Any, where: str) -> Json:
        known = {
            "DrugCodesetId": _set_number,
            "GapDays": _whole(0),
            "Offset": _whole(),
            "DaysSupplyOverride": _whole(0),
        }
        return reading.members(value, where, known, needs=("DrugCodesetId",))

    return reading.members(value, where, {"DateOffset": offset, "CustomEra": era}) or None


def _collapse(reading: _Reading, value: Any, where: str) -> Json | None:
    known = {"CollapseType": _one_of("ERA"), "EraPad": _whole(0)}
    found = reading.members(value, where, known)
    return {"EraPad": found["EraPad"]} if found.get("EraPad") else None


def _censor_window(reading: _Reading, value: Any, where: str) -> Json | None:
    return reading.members(value, where, {"StartDate": _day, "EndDate": _day}) or None


def _sets(_reading: _Reading, _value: Any, _where: str) -> None:
    """Read before all else."""


_DEFINITION: Final[Mapping[str, _Member]] = {
    "ConceptSets": _sets,
    "PrimaryCriteria": _primary,
    "AdditionalCriteria": _additional,
    "QualifiedLimit": _limit,
    "ExpressionLimit": _limit,
    "InclusionRules": _list_of(_rule),
    "EndStrategy": _end_strategy,
    "CensoringCriteria": _list_of(_criterion),
    "CollapseSettings": _collapse,
    "CensorWindow": _censor_window,
}
