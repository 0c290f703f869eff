"""The functions that make criteria of events: their rows, counted, in order, and as an index.

``expressions.functions()`` names them; ``docs/reference/cohorts.md`` says what each means.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from numbers import Integral
from typing import Any, Concatenate, ParamSpec

from precisionchain.errors import UsageError
from precisionchain.query.arguments import (
    Concepts,
    Day,
    Range,
    as_attributes,
    as_concepts,
    as_day,
    as_event,
    as_flag,
    as_integer,
    as_whole_interval,
    concepts_or_set,
    some_concepts,
)
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria import (
    ANY_EVENT,
    EVENT_TABLES,
    And,
    AtLeast,
    Criterion,
    Either,
    Event,
    Events,
    Index,
    Interval,
    Window,
    WithinDays,
    checked,
)

P = ParamSpec("P")


def _event(
    name: str,
    /,
    concepts: Concepts | None = None,
    *,
    exclude: Concepts = (),
    descendants: bool = True,
    since: Day | None = None,
    until: Day | None = None,
    end_since: Day | None = None,
    end_until: Day | None = None,
    unit: Concepts | None = None,
    age: Range | None = None,
    exact_age: bool = False,
    first: bool = False,
    observed: bool = False,
    from_index: Range | None = None,
    from_index_end: Range | None = None,
    end_from_index: Range | None = None,
    end_from_index_end: Range | None = None,
    same_visit: bool = False,
    same_period: bool = False,
    where: Criterion | None = None,
    **attributes: object,
) -> Event:
    table = EVENT_TABLES[name]
    value, others = as_attributes(table, attributes)
    window = Window(
        _days(from_index),
        _days(from_index_end),
        _days(end_from_index),
        _days(end_from_index_end),
        as_flag("same_visit", same_visit),
        as_flag("same_period", same_period),
    )
    return Event(
        table,
        () if concepts is None else concepts_or_set(name, concepts),
        as_concepts(exclude),
        as_flag("descendants", descendants),
        as_day("since", since),
        as_day("until", until),
        value,
        () if unit is None else some_concepts("unit", unit),
        None if age is None else as_whole_interval(age),
        as_flag("exact_age", exact_age),
        as_flag("first", first),
        others,
        as_day("end_since", end_since),
        as_day("end_until", end_until),
        as_flag("observed", observed),
        None if window == Window() else window,
        None if where is None else checked(where),
    )


def _days(given: Range | None) -> Interval | None:
    return None if given is None else as_whole_interval(given)


def _reading(name: str, make: Callable[Concatenate[str, P], Event]) -> Callable[P, Event]:
    """Return the function of one table's events, with the signature of all."""

    def events(*args: P.args, **kwargs: P.kwargs) -> Event:
        return make(name, *args, **kwargs)

    table = EVENT_TABLES[name]
    events.__name__ = events.__qualname__ = name
    events.__doc__ = (
        f"Return the criterion of a person with such a row of "
        f"{'any table but eras' if table == ANY_EVENT else table}; arguments, attributes, rules: "
        "``docs/reference/cohorts.md``."
    )
    whole = inspect.signature(make)
    others = [each for each in whole.parameters.values() if each.name != "name"]
    events.__signature__ = whole.replace(parameters=others)  # type: ignore[attr-defined]
    return events


event = _reading("event", _event)
condition = _reading("condition", _event)
drug = _reading("drug", _event)
procedure = _reading("procedure", _event)
device = _reading("device", _event)
measurement = _reading("measurement", _event)
observation = _reading("observation", _event)
visit = _reading("visit", _event)
visit_detail = _reading("visit_detail", _event)
death = _reading("death", _event)
specimen = _reading("specimen", _event)
episode = _reading("episode", _event)
condition_era = _reading("condition_era", _event)
drug_era = _reading("drug_era", _event)
dose_era = _reading("dose_era", _event)


def concept_set(*concepts: int | str, exclude: int | str | Iterable[int | str] = ()) -> ConceptSet:
    """Return a concept set, to stand where concepts do.

    Args:
        concepts: each an id, or ``201826+`` with descendants, ``201826*`` with what is mapped to
            it, ``201826+*`` with both.
        exclude: the same, of what is left out.
    """
    left_out = [exclude] if isinstance(exclude, int | str) else _listed(exclude)
    return ConceptSet.from_words(concepts, left_out)


def _listed(given: object) -> list[Any]:
    if not isinstance(given, Iterable):
        raise UsageError("exclude= is a concept, or a list of them")
    return list(given)


def either(*events: Events) -> Either:
    """Return the rows of several events together, each row once."""
    return Either(tuple(as_event(one) for one in events))


def index(
    event: Events,
    which: str = "first",
    *,
    where: Criterion | None = None,
    ends: str = "period",
    offset: int = 0,
    censor: Events | None = None,
) -> Index:
    """Return the criterion of an index: of each person's events the first, the last or each.

    Args:
        event: an event, or events together.
        which: ``first``, ``last`` or ``each``.
        where: what must be true as of the one chosen.
        ends: what the time that begins with it ends with: the observation ``period``, or the
            event's own ``start`` or ``end``.
        offset: so many days after that.
        censor: events whose start ends it earlier.
    """
    return Index(
        as_event(event),
        which,
        None if where is None else checked(where),
        ends,
        as_integer(offset),
        None if censor is None else as_event(censor),
    )


def at_least(
    n: int, event: Events, *, days: bool = False, concepts: bool = False, visits: bool = False
) -> AtLeast:
    """Return the criterion of at least ``n`` such events, or days, concepts or visits of them."""
    flags = {"days": days, "concepts": concepts, "visits": visits}
    return AtLeast(
        as_integer(n), as_event(event), *(as_flag(name, flag) for name, flag in flags.items())
    )


def at_most(
    n: int, event: Events, *, days: bool = False, concepts: bool = False, visits: bool = False
) -> Criterion:
    """Return the criterion of at most ``n`` such events: not of one more."""
    if as_integer(n) < 0:
        raise UsageError("at_most needs a number from 0 up")
    return ~at_least(n + 1, event, days=days, concepts=concepts, visits=visits)


def exactly(
    n: int, event: Events, *, days: bool = False, concepts: bool = False, visits: bool = False
) -> Criterion:
    """Return the criterion of exactly ``n`` such events: at least so many, and at most."""
    most = at_most(n, event, days=days, concepts=concepts, visits=visits)
    if not n:
        return most
    return And((at_least(n, event, days=days, concepts=concepts, visits=visits), most))


def within_days(first: Events, second: Events, days: int | Range) -> WithinDays:
    """Return the criterion of two events so many days apart.

    Args:
        first: an event.
        second: an event that starts ``days`` after it; negative days are before it.
        days: a closed interval; a number means that many days before or after.
    """
    if isinstance(days, Integral):
        either_way = as_integer(days)
        if either_way < 0:
            raise UsageError("a number of days is not negative", hint="LOW..HIGH, as -30..0")
        days = (-either_way, either_way)
    return WithinDays(as_event(first), as_event(second), as_whole_interval(days))


def before(first: Events, second: Events) -> WithinDays:
    """Return the criterion of an event that starts on a day before another one's."""
    return within_days(first, second, (1, None))


def after(first: Events, second: Events) -> WithinDays:
    """Return the criterion of an event that starts on a day after another one's."""
    return within_days(first, second, (None, -1))


def during(event: Events, span: Event) -> Index:
    """Return the events that start on a day of a span: of a visit, an era, another event."""
    asked = _without_window(span, "during")
    window = Window(start=Interval(None, 0), end=Interval(0, None))
    return Index(as_event(event), "each", replace(asked, window=window))


def same_visit(first: Events, second: Event) -> Index:
    """Return the events that are linked to a visit to which one of ``second`` is linked, too."""
    asked = _without_window(second, "same_visit")
    return Index(as_event(first), "each", replace(asked, window=Window(same_visit=True)))


def without(event: Events, absent: Event, days: Range) -> Index:
    """Return the events around which there is no other.

    Args:
        event: the events.
        absent: the event that there is none of.
        days: where it would start, counted from the start of each of the events.
    """
    asked = _without_window(absent, "without")
    around = replace(asked, window=Window(start=as_whole_interval(days)))
    return Index(as_event(event), "each", ~around)


def _without_window(given: Event, function: str) -> Event:
    event: object = given
    if not isinstance(event, Event) or given.window is not None:
        raise UsageError(
            f"{function} needs an event of one table, without a window of its own",
            hint="index(event, each, where=...) says more",
        )
    return given
