"""Criteria evaluated: each sub-expression once, without recursion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import and_, or_

from precisionchain.query import (
    event_criteria,
    genetic_criteria,
    person_criteria,
    sequencing_criteria,
)
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
    Criterion,
    Demographic,
    Event,
    Everyone,
    Genotype,
    Not,
    Observed,
    Or,
    Persons,
    Saved,
    Sequenced,
    WithinDays,
)
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.event_criteria import Rows
from precisionchain.query.genotyped import Bytes
from precisionchain.query.kleene import Truth
from precisionchain.query.variant_ids import variant_meant
from precisionchain.schemas.variant import Variant


def evaluate(scope: CriterionScope, criterion: Criterion) -> Truth:
    """Return what a criterion is of each person of the universe.

    Raises:
        UsageError: it asks for what is not there.
        IntegrityError: a saved cohort it names is damaged.
    """
    return _Evaluation(scope).truth(criterion)


def parts(criterion: Criterion) -> tuple[Criterion, ...]:
    """Return the criteria that a criterion is made of, events apart."""
    match criterion:
        case And() | Or():
            return criterion.of
        case Not():
            return (criterion.of,)
        case CarriesIn(maf=maf) if maf is not None and maf.within is not None:
            return (maf.within,)
        case _:
            return ()


def inside_out(criterion: Criterion) -> Iterator[Criterion]:
    """Yield a criterion and all it is made of, parts before wholes."""
    waiting = [(criterion, False)]
    while waiting:
        one, is_done = waiting.pop()
        if is_done:
            yield one
            continue
        waiting.append((one, True))
        waiting.extend((part, False) for part in reversed(parts(one)))


@dataclass(slots=True)
class _Evaluation:
    """One evaluation, and what it has found so far."""

    scope: CriterionScope
    truths: dict[Criterion, Truth] = field(default_factory=dict)
    rows: dict[Event, Rows] = field(default_factory=dict)
    states: dict[Variant, Bytes] = field(default_factory=dict)

    def truth(self, criterion: Criterion) -> Truth:
        for one in inside_out(criterion):
            if one not in self.truths:
                self.truths[one] = self._of(one)
        return self.truths[criterion]

    def _of(self, criterion: Criterion) -> Truth:
        """Evaluate a criterion whose parts are."""
        match criterion:
            case And():
                return reduce(and_, (self.truths[part] for part in criterion.of))
            case Or():
                return reduce(or_, (self.truths[part] for part in criterion.of))
            case Not():
                return ~self.truths[criterion.of]
            case Event() | AtLeast() | WithinDays():
                return self._of_events(criterion)
            case Genotype() | Carries() | Assayed() | CarriesIn():
                return self._of_genotypes(criterion)
            case CarriesStructural():
                return genetic_criteria.of_structural(self.scope, criterion)
            case Sequenced():
                return sequencing_criteria.of_sequenced(self.scope, criterion)
            case _:
                return self._of_person(criterion)

    def _of_events(self, criterion: Event | AtLeast | WithinDays) -> Truth:
        match criterion:
            case Event():
                return event_criteria.of_event(self.scope, self._rows(criterion))
            case AtLeast():
                rows = self._rows(criterion.event)
                return event_criteria.of_at_least(self.scope, criterion, rows)
            case WithinDays():
                first, second = self._rows(criterion.first), self._rows(criterion.second)
                return event_criteria.of_within_days(self.scope, criterion, first, second)

    def _of_genotypes(self, criterion: Genotype | Carries | Assayed | CarriesIn) -> Truth:
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
        raise AssertionError(f"{type(criterion).__name__} has no evaluation")

    def _rows(self, event: Event) -> Rows:
        if event not in self.rows:
            self.rows[event] = event_criteria.rows_of(self.scope, event)
        return self.rows[event]

    def _states(self, asked: Variant | str) -> Bytes:
        variant = variant_meant(self.scope.snapshot, asked).trimmed()
        if variant not in self.states:
            self.states[variant] = genetic_criteria.states_at(self.scope, variant)
        return self.states[variant]
