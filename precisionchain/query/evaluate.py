"""Criteria evaluated: each sub-expression once, and logic without recursion.

A criterion is asked of persons, or, inside a ``where``, of indexes: rows that other rows are seen
from. What is not about the index is asked of the persons, and holds at each of their indexes.

What reads genotypes, sequencing and cohort definitions is loaded when one is asked for: most
criteria, and most commands, are of clinical rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Final

import numpy as np

from precisionchain.errors import UsageError
from precisionchain.query import event_criteria, person_criteria
from precisionchain.query.criteria import (
    Age,
    And,
    Assayed,
    AtLeast,
    AtSite,
    Born,
    Carries,
    CarriesIn,
    CarriesStructural,
    CohortDefinition,
    Criterion,
    Demographic,
    Either,
    Event,
    Events,
    Everyone,
    Genotype,
    Index,
    Not,
    Observed,
    Or,
    Persons,
    Saved,
    Sequenced,
    SomeOf,
    Window,
    WithinDays,
)
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.kleene import Truth
from precisionchain.query.observation import observed_around
from precisionchain.query.placed_rows import Rows, chosen, together
from precisionchain.query.relative_rows import of_rows_around
from precisionchain.query.row_conditions import age_on, inside
from precisionchain.schemas.variant import Variant

if TYPE_CHECKING:
    from precisionchain.query.genotyped import Bytes


def evaluate(scope: CriterionScope, criterion: Criterion) -> Truth:
    """Return what a criterion is of each person of the universe.

    Raises:
        UsageError: it asks for what is not there.
        IntegrityError: a saved cohort it names is damaged.
    """
    return Evaluation.of(scope, criterion).truth(criterion)


def parts(criterion: Criterion) -> tuple[Criterion, ...]:
    """Return the criteria that a criterion is made of."""
    match criterion:
        case And() | Or() | SomeOf() | Either():
            return criterion.of
        case Not():
            return (criterion.of,)
        case CarriesIn(maf=maf) if maf is not None and maf.within is not None:
            return (maf.within,)
        case Event(where=where) if where is not None:
            return (where,)
        case AtLeast():
            return (criterion.event,)
        case WithinDays():
            return (criterion.first, criterion.second)
        case Index():
            found = (criterion.event, criterion.where, criterion.censor)
            return tuple(part for part in found if part is not None)
        case _:
            return ()


def inside_out(
    criterion: Criterion, of: Callable[[Criterion], tuple[Criterion, ...]] = parts
) -> Iterator[Criterion]:
    """Yield a criterion and all it is made of, parts before wholes."""
    waiting = [(criterion, False)]
    while waiting:
        one, is_done = waiting.pop()
        if is_done:
            yield one
            continue
        waiting.append((one, True))
        waiting.extend((part, False) for part in reversed(of(one)))


@dataclass(slots=True)
class Evaluation:
    """One evaluation, and what it has found so far.

    Attributes:
        scope: what is asked.
        placed: whether ends, visits and numbers of rows are wanted; where indexes are, they are.
    """

    scope: CriterionScope
    placed: bool
    truths: dict[Criterion, Truth] = field(default_factory=dict)
    rows: dict[Events, Rows] = field(default_factory=dict)
    states: dict[Variant, Bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, scope: CriterionScope, criterion: Criterion) -> Evaluation:
        """Return the evaluation of a criterion, before it has found anything."""
        return cls(scope, any(map(_is_placed, inside_out(criterion))))

    def truth(self, criterion: Criterion) -> Truth:
        """Return what a criterion is of each person."""
        for one in inside_out(criterion, _operands):
            if one not in self.truths:
                self.truths[one] = self._of(one)
        return self.truths[criterion]

    def truth_at(self, indexes: Rows, criterion: Criterion) -> Truth:
        """Return what a criterion is at each index."""
        found: dict[Criterion, Truth] = {}
        for one in inside_out(criterion, _logical):
            if one not in found:
                found[one] = self._at(indexes, one, found)
        return found[criterion]

    def rows_of(self, events: Events) -> Rows:
        """Return the rows of events, whatever the window of each.

        Raises:
            UsageError: events in events have a window, which is about an index further out.
        """
        if events not in self.rows:
            self.rows[events] = self._rows_of(events)
        return self.rows[events]

    # ------------------------------------------------------------------------------- of persons

    def _of(self, criterion: Criterion) -> Truth:
        """Evaluate a criterion whose parts are."""
        match criterion:
            case And() | Or() | Not() | SomeOf():
                return _combined(criterion, self.truths)
            case Events() | AtLeast() | WithinDays():
                return self._of_events(criterion)
            case Genotype() | Carries() | Assayed() | CarriesIn():
                return self._of_genotypes(criterion)
            case CarriesStructural() | Sequenced():
                return self._of_batches(criterion)
            case _:
                return self._of_person(criterion)

    def _of_events(self, criterion: Events | AtLeast | WithinDays) -> Truth:
        require_no_window(criterion)
        match criterion:
            case Events():
                return event_criteria.of_event(self.scope, self.rows_of(criterion))
            case AtLeast():
                rows = self.rows_of(criterion.event)
                return event_criteria.of_at_least(self.scope, criterion, rows)
            case WithinDays():
                first, second = self.rows_of(criterion.first), self.rows_of(criterion.second)
                return event_criteria.of_within_days(self.scope, criterion, first, second)

    def _of_batches(self, criterion: CarriesStructural | Sequenced) -> Truth:
        from precisionchain.query import genetic_criteria, sequencing_criteria

        if isinstance(criterion, Sequenced):
            return sequencing_criteria.of_sequenced(self.scope, criterion)
        return genetic_criteria.of_structural(self.scope, criterion)

    def _of_genotypes(self, criterion: Genotype | Carries | Assayed | CarriesIn) -> Truth:
        from precisionchain.query import genetic_criteria

        match criterion:
            case Genotype():
                return genetic_criteria.of_genotype(criterion, self._states(criterion.variant))
            case Carries():
                return genetic_criteria.of_carries(criterion, self._states(criterion.variant))
            case Assayed():
                return genetic_criteria.of_assayed(criterion, self._states(criterion.variant))
            case CarriesIn():
                within = None if criterion.maf is None else criterion.maf.within
                among = None if within is None else self.truths[within].true
                return genetic_criteria.of_region(self.scope, criterion, among)

    def _of_person(self, criterion: Criterion) -> Truth:
        match criterion:
            case Demographic():
                return person_criteria.of_demographic(self.scope, criterion)
            case Age():
                return person_criteria.of_age(self.scope, criterion)
            case Born():
                return person_criteria.of_born(self.scope, criterion)
            case Observed():
                return person_criteria.of_observed(self.scope, criterion)
            case Everyone():
                return person_criteria.of_everyone(self.scope, criterion)
            case AtSite():
                return person_criteria.of_site(self.scope, criterion)
            case Persons():
                return person_criteria.of_persons(self.scope, criterion)
            case Saved():
                return person_criteria.of_saved(self.scope, criterion)
            case CohortDefinition():
                from precisionchain.query.circe.cohorts import defined

                return defined(self.scope.snapshot, self.scope.universe, criterion).truth
        raise AssertionError(f"{type(criterion).__name__} has no evaluation")

    def _states(self, asked: Variant | str) -> Bytes:
        from precisionchain.query import genetic_criteria
        from precisionchain.query.variant_ids import variant_meant

        variant = variant_meant(self.scope.snapshot, asked).trimmed()
        if variant not in self.states:
            self.states[variant] = genetic_criteria.states_at(self.scope, variant)
        return self.states[variant]

    # ------------------------------------------------------------------------------- at indexes

    def _at(self, indexes: Rows, criterion: Criterion, found: dict[Criterion, Truth]) -> Truth:
        match criterion:
            case And() | Or() | Not() | SomeOf():
                return _combined(criterion, found)
            case Age(at=None):
                age, known = age_on(self.scope, indexes.person, indexes.day, exact=criterion.exact)
                return Truth(known & inside(age, criterion.years), ~known)
            case Observed() if criterion.of_index:
                before, after = criterion.before or 0, criterion.after or 0
                person, day = indexes.person, indexes.day
                return Truth.known(observed_around(self.scope, person, day, before, after))
            case Events() if _windows(criterion):
                return self._around(indexes, AtLeast(1, criterion))
            case AtLeast() if _windows(criterion.event):
                return self._around(indexes, criterion)
        of_person = self.truth(criterion)
        return Truth(of_person.true[indexes.person], of_person.unknown[indexes.person])

    def _around(self, indexes: Rows, asked: AtLeast) -> Truth:
        several = asked.event.of if isinstance(asked.event, Either) else (asked.event,)
        around = []
        for event in several:
            if not isinstance(event, Event):
                raise UsageError(
                    "an index is chosen among all events, not among those of a window",
                    hint="give its events the window by where=",
                )
            own = replace(event, window=None)
            around.append((self.rows_of(own), event.window or Window()))
        return of_rows_around(self.scope, indexes, around, asked)

    # ------------------------------------------------------------------------------------- rows

    def _rows_of(self, events: Events) -> Rows:
        match events:
            case Event():
                found = event_criteria.rows_of(self.scope, events, placed=self.placed)
                where = events.where
            case Either():
                return together([self.rows_of(part) for part in events.of])
            case Index():
                found, where = chosen(self.rows_of(events.event), events.which), events.where
            case _:
                raise AssertionError(f"{type(events).__name__} has no rows")
        if where is None:
            return found
        truth = self.truth_at(found, where)
        return found.take(truth.true | truth.unknown, found.meets & truth.true)


def _operands(criterion: Criterion) -> tuple[Criterion, ...]:
    """Return what must be known of persons before a criterion is."""
    is_frequency = isinstance(criterion, CarriesIn)
    return parts(criterion) if is_frequency else _logical(criterion)


def _logical(criterion: Criterion) -> tuple[Criterion, ...]:
    return parts(criterion) if isinstance(criterion, And | Or | Not | SomeOf) else ()


def _combined(criterion: And | Or | Not | SomeOf, found: dict[Criterion, Truth]) -> Truth:
    match criterion:
        case And():
            return reduce(and_, (found[part] for part in criterion.of))
        case Or():
            return reduce(or_, (found[part] for part in criterion.of))
        case Not():
            return ~found[criterion.of]
        case SomeOf():
            of = [found[part] for part in criterion.of]
            true = np.sum([part.true for part in of], axis=0)
            unknown = np.sum([part.unknown for part in of], axis=0)
            return Truth.of(true >= criterion.n, true + unknown >= criterion.n)


def _is_placed(criterion: Criterion) -> bool:
    """Whether a criterion looks at more of rows than whose they are and when they start."""
    match criterion:
        case Index() | Either():
            return True
        case Event():
            return criterion.where is not None
        case AtLeast():
            return criterion.concepts or criterion.visits
        case _:
            return False


def _windows(events: Events) -> bool:
    """Whether events are asked for in a window around an index."""
    match events:
        case Event():
            return events.window is not None
        case Either():
            return any(map(_windows, events.of))
        case Index():
            return _windows(events.event)
        case _:
            return False


_OF_AN_INDEX: Final = "asked of an index: inside where=, as index(condition(201826), where=...)"


def require_no_window(criterion: Events | AtLeast | WithinDays) -> None:
    """Check that nothing is asked of an index where there is none.

    Raises:
        UsageError: an event has a window.
    """
    events: tuple[Criterion, ...] = (criterion,)
    if not isinstance(criterion, Events):
        events = parts(criterion)
    if any(isinstance(one, Events) and _windows(one) for one in events):
        raise UsageError("a window (from_index= and its like) is " + _OF_AN_INDEX)
