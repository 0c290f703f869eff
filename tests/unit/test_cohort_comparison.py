"""The comparison of random cohorts finds every mistake that is planted, and says it shortly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import timedelta
from unittest import mock

import pytest

from precisionchain.errors import UnknownConceptError, UsageError
from precisionchain.query.criteria import And, CarriesIn, Criterion, Event, Not
from tests.lib import cohort_oracle, cohort_oracle_events
from tests.lib.cohort_comparison import Answer, compare
from tests.lib.cohort_expressions import Expressions
from tests.lib.cohort_inputs import RandomInputs
from tests.lib.cohort_oracle import Oracle, Truth
from tests.lib.cohort_oracle_events import RefusalError
from tests.lib.cohort_oracle_genotypes import GenotypeFile, Genotypes
from tests.lib.cohort_oracle_records import Records

EXPRESSIONS = 1_500
Planted = Iterator[AbstractContextManager[object]]
EVENTS, ORACLE = cohort_oracle_events, cohort_oracle


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Records, list[GenotypeFile]]:
    inputs = RandomInputs(tmp_path_factory.mktemp("files"), seed=4)
    records = Records()
    records.add("A", inputs.omop("a", range(1, 41)))
    genotypes = []
    for name, persons, bed in (("a", range(20, 50), None), ("b", range(50, 60), "9\t900\t1250\n")):
        who = [("A", person) for person in persons]
        path, _, extent, sexes = inputs.vcf(name, who, range(1_000, 1_200, 10 + len(name)), bed=bed)
        of = {f"p{person}": ("A", person) for person in persons}
        genotypes.append(GenotypeFile(path, of, sexes, extent))
    return records, genotypes


def event_asked(change: Callable[[Event], Event]) -> Planted:
    right = cohort_oracle_events.found
    yield mock.patch.object(ORACLE, "found", lambda records, event: right(records, change(event)))


def what_may_meets() -> Planted:
    right = EVENTS._value_keeps
    yield mock.patch.object(EVENTS, "_value_keeps", lambda *asked: (right(*asked)[1],) * 2)


def what_may_does_not() -> Planted:
    right = EVENTS._value_keeps
    yield mock.patch.object(EVENTS, "_value_keeps", lambda *asked: (right(*asked)[0], False))


def no_age_is_exact() -> Planted:
    right = EVENTS.age_on
    for module in (EVENTS, ORACLE):
        yield mock.patch.object(
            module, "age_on", lambda born, day, exact: right(born, day, exact=False)
        )


def all_ages_are_of_1_january() -> Planted:
    right = EVENTS.age_on
    for module in (EVENTS, ORACLE):
        yield mock.patch.object(
            module,
            "age_on",
            lambda born, day, exact: right(replace(born, month=1, day=1), day, exact=exact),
        )


def intervals_are_open_above() -> Planted:
    right = EVENTS.inside
    for module in (EVENTS, ORACLE):
        yield mock.patch.object(module, "inside", lambda n, i: right(n, i) and n != i.high)


def days_count_as_rows() -> Planted:
    yield mock.patch.object(ORACLE, "_size", lambda rows, days: len(rows))


def not_forgets_what_is_unknown() -> Planted:
    def wrong(oracle: Oracle, criterion: Not) -> Truth:
        return Truth(oracle.universe - oracle.evaluate(criterion.of).true)

    yield mock.patch.dict(Oracle._answers, {Not: wrong})


def and_is_unknown_with_anything_unknown() -> Planted:
    def wrong(oracle: Oracle, criterion: And) -> Truth:
        parts = [oracle.evaluate(part) for part in criterion.of]
        unknown = frozenset().union(*(part.unknown for part in parts))
        return Truth(frozenset.intersection(*(part.true for part in parts)), unknown)

    yield mock.patch.dict(Oracle._answers, {And: wrong})


def empty_regions_are_false() -> Planted:
    def wrong(oracle: Oracle, criterion: CarriesIn) -> Truth:
        truth = Oracle._carries_in(oracle, criterion)
        empty = not oracle.alleles_in(criterion.region)
        return Truth(truth.true) if empty else truth

    yield mock.patch.dict(Oracle._answers, {CarriesIn: wrong})


def frequencies_are_of_the_network() -> Planted:
    right = Genotypes.counts
    yield mock.patch.object(
        Genotypes,
        "counts",
        lambda self, allele, among=None: right(self, allele, among and [True] * len(among)),
    )


def listed_positions_say_nothing_of_other_alleles() -> Planted:
    yield mock.patch.object(GenotypeFile, "at", {})


def intervals_say_nothing() -> Planted:
    yield mock.patch.object(GenotypeFile, "intervals", [])


MISTAKES = {
    "descendants": lambda: event_asked(
        lambda event: replace(event, descendants=not event.concepts)
    ),
    "exclude": lambda: event_asked(lambda event: replace(event, exclude=())),
    "since": lambda: event_asked(lambda event: replace(event, since=None)),
    "until": lambda: event_asked(
        lambda event: replace(event, since=None, until=event.until and event.until - timedelta(1))
    ),
    "unit": lambda: event_asked(lambda event: replace(event, unit=event.unit and (8840,))),
    "first": lambda: event_asked(lambda event: replace(event, first=False)),
    **{
        mistake.__name__: mistake
        for mistake in (
            *(what_may_meets, what_may_does_not, no_age_is_exact),
            *(all_ages_are_of_1_january, intervals_are_open_above, days_count_as_rows),
            *(not_forgets_what_is_unknown, and_is_unknown_with_anything_unknown),
            *(empty_regions_are_false, frequencies_are_of_the_network),
            *(listed_positions_say_nothing_of_other_alleles, intervals_say_nothing),
        )
    },
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_found(files: tuple[Records, list[GenotypeFile]], mistake: str) -> None:
    records, genotypes = files
    right = Oracle(records, Genotypes(genotypes), frozenset("A"))
    wrong = Oracle(records, Genotypes([replace(file) for file in genotypes]), frozenset("A"))

    def evaluate(criterion: Criterion) -> Answer:
        with ExitStack() as planted:
            for patch in MISTAKES[mistake]():
                planted.enter_context(patch)
            try:
                truth = wrong.evaluate(criterion)
            except RefusalError as refused:
                of = UnknownConceptError if refused.reason == "concept" else UsageError
                raise of(refused.reason) from None
        return Answer(truth.true, truth.unknown, len(wrong.universe))

    drawn = Expressions(right, seed=1)
    tally = compare(right, evaluate, map(drawn, range(EXPRESSIONS)), stop_at=1)
    assert tally.differences, f"not found by {tally}"
    assert tally.differences[0].partition("\n")[0].count("(") <= 5, tally.differences[0]
