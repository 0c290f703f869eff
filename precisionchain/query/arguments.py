"""What the functions of criteria are given, checked and made into one form.

Each refuses with `UsageError` what is not what it should be; no message repeats a value it was
given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from numbers import Integral
from typing import Final, TypeAlias, cast

from precisionchain.errors import UsageError
from precisionchain.query.asked_variants import is_id, variant_or_id
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria import (
    COMPARISONS,
    OPERATORS,
    Attribute,
    Bound,
    ColumnBound,
    Events,
    Interval,
    every_number,
    number,
    number_attributes,
    require_attribute,
)
from precisionchain.schemas.column_names import MAX_TEXT, folded, is_text
from precisionchain.schemas.variant import Region, Variant

Concepts: TypeAlias = "int | Iterable[int] | ConceptSet"
Day: TypeAlias = date | str
Range: TypeAlias = Interval | tuple[float | None, float | None]

_COMPARED: Final = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "="}
_MOST: Final = 1_000_000  # years or days
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def as_concepts(given: Concepts) -> tuple[int, ...]:
    """Return concept ids, ascending, from one or several."""
    if isinstance(given, ConceptSet):
        raise UsageError("no concept set stands here", hint="a concept id, or a list of them")
    if isinstance(given, Integral):
        return (as_integer(given),)
    # The bytes of a text are whole numbers too.
    if isinstance(given, str | bytes | bytearray) or not isinstance(given, Iterable):
        raise UsageError("not a concept", hint="a concept id, or a list of them")
    return tuple(sorted({as_integer(concept) for concept in given}))


def some_concepts(what: str, given: Concepts) -> tuple[int, ...]:
    """Return concept ids, at least one.

    An empty list is what a search that found nothing gives: it must not come to mean any.
    """
    concepts = as_concepts(given)
    if not concepts:
        raise UsageError(f"{what} needs at least one concept")
    return concepts


def concepts_or_set(what: str, given: Concepts) -> tuple[int, ...] | ConceptSet:
    """Return concept ids, at least one, or a concept set."""
    return given if isinstance(given, ConceptSet) else some_concepts(what, given)


def as_integer(given: object) -> int:
    """Return a 64-bit whole number."""
    if not isinstance(given, Integral) or isinstance(given, bool):
        raise UsageError("not a whole number", hint="concepts and counts are integers")
    whole = int(given)
    if not -(2**63) <= whole < 2**63:
        raise UsageError("a whole number out of range", hint="concepts and counts have 64 bits")
    return whole


def is_word_or_whole(given: object) -> bool:
    """Return whether this is a text or a 64-bit whole number."""
    if isinstance(given, Integral) and not isinstance(given, bool):
        return -(2**63) <= int(given) < 2**63
    return isinstance(given, str)


def as_flag(name: str, given: object) -> bool:
    """Return true or false."""
    if not isinstance(given, bool):
        raise UsageError(f"{name} is true or false")
    return given


def as_day(name: str, given: object) -> date | None:
    """Return a day given as one or as ``YYYY-MM-DD``."""
    if isinstance(given, str) and _DATE.fullmatch(given):
        try:
            return date.fromisoformat(given)
        except ValueError:
            raise UsageError(f"{name} is a day that no calendar has") from None
    if given is None or (isinstance(given, date) and not isinstance(given, datetime)):
        return given
    raise UsageError(f"{name} is no date", hint="YYYY-MM-DD")


def as_interval(given: object) -> Interval:
    """Return an interval given as one or as (LOW, HIGH)."""
    if isinstance(given, Interval):
        return given
    if not isinstance(given, tuple) or len(given) != 2:
        raise UsageError("this needs an interval", hint="LOW..HIGH; in Python (LOW, HIGH)")
    return Interval(*given)


def as_whole_interval(given: object) -> Interval:
    """Return an interval of whole years or days with at least one bound."""
    interval = as_interval(given)
    bounds = [bound for bound in (interval.low, interval.high) if bound is not None]
    if not bounds:
        raise UsageError("an interval without bounds says nothing", hint="18..65, 18.. or ..65")
    if not all(isinstance(bound, int) and abs(bound) <= _MOST for bound in bounds):
        raise UsageError("not an interval of whole numbers", hint=f"up to {_MOST} years or days")
    return interval


def as_attributes(
    table: str, given: Mapping[str, object]
) -> tuple[tuple[Bound, ...], tuple[Attribute, ...]]:
    """Return the bounds on the value, and the conditions on other attributes of a table's rows.

    ``route=4132161``, ``quantity=30``, ``quantity=(10, 30)``, ``value__gt=7``,
    ``value__gt="range_high"``.
    """
    concepts: dict[str, tuple[int, ...] | ConceptSet] = {}
    bounds: dict[str, list[Bound]] = {}
    for name, asked in given.items():
        before, separator, suffix = name.rpartition("__")
        compared = bool(separator) and suffix in _COMPARED
        attribute = before if compared else name
        require_attribute(table, attribute)
        if attribute in number_attributes(table):
            operator = _COMPARED[suffix] if compared else None
            bounds.setdefault(attribute, []).extend(_as_bounds(operator, asked))
        elif compared:
            raise UsageError(f"{attribute} is a concept, which is not compared", hint="NAME=ID")
        else:
            concepts[attribute] = concepts_or_set(attribute, cast("Concepts", asked))
    ordered = {
        name: tuple(sorted(set(of), key=lambda bound: OPERATORS.index(bound.operator)))
        for name, of in bounds.items()
    }
    for name, of in ordered.items():
        if len({bound.operator for bound in of}) < len(of):
            raise UsageError(f"{name} is compared twice in one way")
    found = [Attribute(name, concepts=ids) for name, ids in concepts.items()]
    found += [Attribute(name, bounds=of) for name, of in ordered.items() if name != "value"]
    return ordered.get("value", ()), tuple(sorted(found, key=lambda one: one.name))


def _as_bounds(operator: str | None, given: object) -> list[Bound]:
    if operator is None and isinstance(given, Interval | tuple):
        interval = as_interval(given)
        if interval.low is None and interval.high is None:
            raise UsageError("an interval without bounds says nothing", hint="10..30, 10.. or ..30")
        ends = ((">=", interval.low), ("<=", interval.high))
        return [Bound(sign, end) for sign, end in ends if end is not None]
    if isinstance(given, str):
        if given not in every_number():
            raise UsageError("this needs a number", hint="as 7, -0.5 or 1e-3, or one of the row's")
        return [Bound(operator or "=", given)]
    return [Bound(operator or "=", number(given))]


def as_conditions(given: Mapping[str, object]) -> tuple[ColumnBound, ...]:
    """Return the conditions on columns that ``coverage__ge=`` and its like name."""
    found: dict[tuple[str, int], ColumnBound] = {}
    for name, value in given.items():
        before, separator, suffix = name.rpartition("__")
        compared = bool(before and separator and suffix in COMPARISONS)
        column, comparison = folded(before if compared else name), suffix if compared else "eq"
        if not column:
            raise UsageError("a column's name has letters or digits", hint="machine, coverage__ge")
        values = _compared_values(value, several=comparison == "in")
        place = (column, COMPARISONS.index(comparison))
        if place in found:
            raise UsageError(f"{column}__{comparison} stands twice")
        found[place] = ColumnBound(column, comparison, values)
    if not found:
        raise UsageError(
            "sequenced needs a condition on a column",
            hint='sequenced(machine="Illumina NovaSeq 6000", coverage__ge=30); genotyped() is '
            "whoever has genotypes",
        )
    return tuple(found[place] for place in sorted(found))


def _compared_values(given: object, *, several: bool) -> tuple[float | str, ...]:
    if isinstance(given, list | tuple | set | frozenset) != several:
        raise UsageError(
            "__in takes a list, the other comparisons one value", hint='machine__in=["A", "B"]'
        )
    listed = given if isinstance(given, list | tuple | set | frozenset) else [given]
    values = {_compared_value(one) for one in listed}
    if not values:
        raise UsageError("__in needs at least one value")
    return tuple(sorted(values, key=lambda one: (isinstance(one, str), one)))


def _compared_value(given: object) -> float | str:
    if isinstance(given, bool):
        raise UsageError("not a number or text", hint='a text such as "true" stands in quotes')
    if not isinstance(given, str):
        return number(given)
    if not is_text(given):
        raise UsageError(
            "no column of sequencing metadata holds such a text",
            hint=f"1 to {MAX_TEXT} printable characters, no blank at either end",
        )
    return given


def as_event(given: object) -> Events:
    """Return an event, or events together."""
    if not isinstance(given, Events):
        raise UsageError("this needs an event", hint="as condition(201826)")
    return given


def as_variant(given: object) -> Variant | str:
    """Return a variant, or the id of one."""
    place = as_place(given)
    if isinstance(place, Region):
        raise UsageError(
            "this needs a variant", hint="chrom:pos:ref:alt or an id, as 9:22098574:A:G, rs4977574"
        )
    return place


def as_place(given: object) -> Variant | Region | str:
    """Return the variant, its id or the region, as it is printed again: so a value has one
    spelling.
    """
    if isinstance(given, Variant) and given.build is not None:
        raise UsageError(
            "a criterion asks in the network's build", hint="give the variant without a build"
        )
    if isinstance(given, Variant | Region) or is_word_or_whole(given):
        text = str(given)  # a chromosome may be given as a number
        if text.isprintable():
            return _place_of(text, is_region=isinstance(given, Region))
    raise UsageError(
        "this needs a variant or a region",
        hint="9:22098574:A:G, rs4977574 or 9:22000000-22130000",
    )


def _place_of(text: str, *, is_region: bool) -> Variant | Region | str:
    if text.count(":") > 1 or (is_id(text.strip()) and not is_region):
        return variant_or_id(text)
    region = Region.parse(text)
    if is_id(str(region)):
        raise UsageError(
            "a whole contig that is named as a variant's id cannot be told from it",
            hint="name the last position too, as rs7:1-1000000",
        )
    return region
