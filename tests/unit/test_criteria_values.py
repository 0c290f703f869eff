"""Criteria as values: how they combine, what makes two of them equal, what they refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date, datetime

import numpy as np
import pytest

from precisionchain.errors import UsageError
from precisionchain.query import expressions as of
from precisionchain.query.criteria import (
    MAX_DEPTH,
    And,
    Bound,
    Criterion,
    Event,
    Interval,
    Maf,
    Not,
    Or,
)
from precisionchain.schemas.variant import Region, Variant
from tests.lib.python_criteria import evaluated

A, B, C = of.sex("male"), of.recorded(), of.genotyped()


def test_parts_of_one_kind_are_merged_in_the_order_given() -> None:
    assert A & (B & C) == (A & B) & C == And((A, B, C))
    assert A | (B | C) == (A | B) | C == Or((A, B, C))
    assert Or((And((A, B)), C)) == (A & B) | C
    assert A & B != B & A


def test_a_double_negation_is_none() -> None:
    assert ~~A is A
    with pytest.raises(UsageError, match="not negated"):
        Not(Not(A))


@pytest.mark.parametrize("other", [True, None, "recorded()", of.maf((0, 0.1))])
@pytest.mark.parametrize("combine", [lambda a, b: a & b, lambda a, b: a | b])
def test_only_criteria_combine(
    combine: Callable[[Criterion, object], Criterion], other: object
) -> None:
    with pytest.raises(UsageError, match="needs a criterion"):
        combine(A, other)


def test_a_criterion_has_no_truth_of_its_own() -> None:
    with pytest.raises(UsageError, match="neither true nor false"):
        bool(A and B)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (of.condition([2, 1, 2]), of.condition((1, 2))),
        (of.condition(iter([1])), of.condition(1)),
        (of.condition(list(np.array([1]))), of.condition(1)),
        (of.condition(1, since="2015-01-01"), of.condition(1, since=date(2015, 1, 1))),
        (of.condition(1, age=(18.0, None)), of.condition(1, age=Interval(18, None))),
        (of.measurement(1, value__gt=7.0), of.measurement(1, value__gt=7)),
        (of.measurement(1, value__gt=np.float64(7)), of.measurement(1, value__gt=7)),
        (of.measurement(1, value__gt=2**53 + 1), of.measurement(1, value__gt=2**53)),
        (
            of.measurement(1, value__lt=9, value__gt=7),
            of.measurement(1, value__gt=7, value__lt=9),
        ),
        (
            of.within_days(of.drug(1), of.drug(2), 30),
            of.within_days(of.drug(1), of.drug(2), (-30, 30)),
        ),
        (of.sex("male", "Female"), of.sex(8532, 8507)),
        (of.drug(1, quantity=(10, 30)), of.drug(1, quantity__le=30, quantity__ge=10)),
        (of.drug(1, quantity=10, route=[2, 1]), of.drug(1, route=[1, 2], quantity__eq=10.0)),
        (of.before(of.drug(1), of.drug(2)), of.within_days(of.drug(1), of.drug(2), (1, None))),
        (of.after(of.drug(1), of.drug(2)), of.within_days(of.drug(1), of.drug(2), (None, -1))),
        (of.at_most(0, of.drug(1)), ~of.at_least(1, of.drug(1))),
        (
            of.without(of.visit(2), of.drug(1), (-5, 0)),
            of.index(of.visit(2), "each", where=~of.drug(1, from_index=(-5, 0))),
        ),
        (of.genotype("9:5:A:G", 2, "1"), of.genotype(Variant("9", 5, "A", "G"), "1", "2")),
        (of.carries("chr9"), of.carries(Region("9"))),
        (of.carries("chr9:5-7", of.maf((0, 0.5))), of.carries("9:5-7", Maf(Interval(0, 0.5)))),
        (of.carries("9", of.maf((0, 0.5), "network")), of.carries("9", of.maf((0, 0.5)))),
        (of.persons(42, "A:07"), of.persons("A:7", "42")),
        (of.at_site("B", "A"), of.at_site("A", "B", "A")),
        (of.sequenced(Machine="X", coverage__ge=3.0), of.sequenced(coverage__ge=3, machine="X")),
        (of.sequenced(**{"insert-size": 5}), of.sequenced(insert_size__eq=5)),
        (of.sequenced(a__in=["Y", 1, "X"]), of.sequenced(a__in={"X", "Y", 1.0})),
    ],
)
def test_what_is_asked_alike_is_equal_and_spelled_alike(one: Criterion, same: Criterion) -> None:
    assert one == same
    assert hash(one) == hash(same)
    assert (one.text, one.python, one.json) == (same.text, same.python, same.json)


@pytest.mark.parametrize(
    "make",
    [
        lambda: of.condition([]),
        lambda: of.condition(b"ab"),
        lambda: of.condition("1"),  # type: ignore[arg-type]
        lambda: of.condition(True),
        lambda: of.condition([1.0]),  # type: ignore[list-item]
        lambda: of.condition(2**63),
        lambda: of.measurement(1, value__gt=1, unit=[]),
        lambda: of.measurement(1, value__gt=float("nan")),
        lambda: of.measurement(1, value__gt=10**400),
        lambda: of.measurement(1, value__gt="7"),
        lambda: of.measurement(1, value__ne=7),
        lambda: of.measurement(1, vlaue__gt=7),
        lambda: of.condition(1, since=datetime(2015, 1, 1)),  # noqa: DTZ001
        lambda: of.condition(1, since="20150101"),
        lambda: of.condition(1, since=20150101),  # type: ignore[arg-type]
        lambda: of.condition(1, first=1),  # type: ignore[arg-type]
        lambda: of.condition(1, age=(18, 65, 90)),  # type: ignore[arg-type]
        lambda: of.condition(1, age=(True, 65)),
        lambda: of.condition(1, age=[18, 65]),  # type: ignore[arg-type]
        lambda: of.condition(1, age=(None, None)),
        lambda: of.born((0, 10**7)),
        lambda: of.at_least(True, of.condition(1)),
        lambda: of.within_days(of.condition(1), of.condition(1), True),
        lambda: of.age((18, 65), at="today"),
        lambda: of.condition(1, route=5),
        lambda: of.condition(1, value__gt=7),
        lambda: of.drug(1, route__gt=5),
        lambda: of.drug(1, route=[]),
        lambda: of.drug(1, quantity=(None, None)),
        lambda: of.drug(1, quantity__gt="value"),
        lambda: of.drug(1, quantity=5, quantity__eq=6),
        lambda: of.measurement(1, value__gt="range"),
        lambda: of.condition(1, where=5),  # type: ignore[arg-type]
        lambda: of.condition(1, from_index=5),  # type: ignore[arg-type]
        lambda: of.condition(1, end_since="2016-01-01", end_until="2015-01-01"),
        lambda: of.either(of.condition(1)),
        lambda: of.either(of.condition(1), of.recorded()),  # type: ignore[arg-type]
        lambda: of.index(of.condition(1), "second"),
        lambda: of.index(of.condition(1), ends="death"),
        lambda: of.index(of.condition(1), offset=3),
        lambda: of.during(of.drug(1), of.visit(2, same_visit=True)),
        lambda: of.at_least(1, of.drug(1), days=True, visits=True),
        lambda: of.at_most(-1, of.drug(1)),
        lambda: of.some_of(0, A, B),
        lambda: of.some_of(3, A, B),
        lambda: of.observed(before=-1),
        lambda: of.observed(before=1, since="2015-01-01"),
        lambda: of.observed(at="2015-01-01"),
        lambda: of.carries(Variant("9", 5, "A", "G", "GRCh38")),
        lambda: of.carries("9:5:A:<\ud800>"),
        lambda: of.carries("9:5-7", (0, 0.1)),  # type: ignore[arg-type]
        lambda: of.carries(Region("9", 7, 5)),
        lambda: of.assayed("9:5-7"),
        lambda: of.genotype("9:5:A:G", True),
        lambda: of.persons(True),
        lambda: of.persons(4.0),  # type: ignore[arg-type]
        lambda: of.at_site("no such site"),
        of.sequenced,
        lambda: of.sequenced(machine=True),
        lambda: of.sequenced(machine=None),
        lambda: of.sequenced(machine=["X"]),
        lambda: of.sequenced(machine__in="X"),
        lambda: of.sequenced(machine__in=[]),
        lambda: of.sequenced(machine="x" * 65),
        lambda: of.sequenced(machine="a\nb"),
        lambda: of.sequenced(machine="X", Machine="Y"),
        lambda: of.sequenced(**{"--": 1}),
        lambda: of.sequenced(coverage__ge=float("nan")),
        lambda: of.saved(5),  # type: ignore[arg-type]
        lambda: of.maf((0, 0.1), "A"),
        lambda: Bound("!=", 5),
        lambda: Event("person"),
        lambda: Event("death", descendants=False),
    ],
)
def test_what_is_no_such_value_is_refused(make: Callable[[], Criterion]) -> None:
    with pytest.raises(UsageError):
        make()


def _nested(levels: int) -> Criterion:
    made: Criterion = of.recorded()
    for level in range(levels - 1):
        made = made & C if level % 2 else made | C
    return made


def test_nesting_is_counted_and_ends() -> None:
    assert (A & B & C).depth == 2
    assert (~(A & B)).depth == 3
    assert of.at_least(2, of.condition(1)).depth == 2
    assert of.carries("9", of.maf((0, 0.1), A & B)).depth == 4
    with pytest.raises(UsageError, match="100 deep"):
        _nested(MAX_DEPTH + 1)


def test_the_deepest_criterion_is_read_from_each_spelling() -> None:
    deepest = _nested(MAX_DEPTH)
    negated: Criterion = A
    while negated.depth < MAX_DEPTH - 1:
        negated = ~(negated & B)
    within: Criterion = A
    while within.depth < MAX_DEPTH - 1:
        within = of.carries("9", of.maf((0, 0.1), within))
    from precisionchain import criterion

    for made in (deepest, negated, within):
        assert criterion(made.text) == made
        assert criterion(made.json) == made
        assert evaluated(made.python, of.functions()) == made


def test_copies_are_equal() -> None:
    made = of.condition(1, age=(18, None)) & ~of.carries("9:1-5", of.maf((0, 0.1), A))
    assert copy.deepcopy(made) == made


def test_it_is_shown_as_it_is_written() -> None:
    made = of.measurement(3004410, since="2015-01-01", value__gt=7) & ~of.carries("9:22098574:A:G")
    assert (
        str(made)
        == made.text
        == ("measurement(3004410, since=2015-01-01, value > 7) & ~carries(9:22098574:A:G)")
    )
    assert (
        repr(made)
        == made.python
        == (
            'pc.measurement(3004410, since="2015-01-01", value__gt=7) & '
            '~pc.carries("9:22098574:A:G")'
        )
    )
    assert repr(of.maf((0, 0.01))) == "pc.maf((0, 0.01))"
