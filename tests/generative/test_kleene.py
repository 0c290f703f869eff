"""Three-valued logic, against the truth tables of ``docs/reference/cohorts.md``."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.query.kleene import Truth

VALUES = ("false", "true", "unknown")


def truth(values: list[str]) -> Truth:
    return Truth(*(np.array([value == name for value in values]) for name in ("true", "unknown")))


def values(found: Truth) -> list[str]:
    assert not (found.true & found.unknown).any()
    return [
        "true" if true else "unknown" if unknown else "false"
        for true, unknown in zip(found.true, found.unknown, strict=True)
    ]


def both(a: str, b: str) -> str:
    if "false" in (a, b):
        return "false"
    return "true" if (a, b) == ("true", "true") else "unknown"


def either(a: str, b: str) -> str:
    if "true" in (a, b):
        return "true"
    return "false" if (a, b) == ("false", "false") else "unknown"


def test_the_truth_tables() -> None:
    pairs = list(product(VALUES, VALUES))
    first, second = (truth([pair[side] for pair in pairs]) for side in (0, 1))
    assert values(first & second) == [both(a, b) for a, b in pairs]
    assert values(first | second) == [either(a, b) for a, b in pairs]
    assert values(~truth(list(VALUES))) == ["true", "false", "unknown"]


@given(st.lists(st.tuples(*[st.sampled_from(VALUES)] * 3), min_size=1))
def test_the_laws_of_the_logic(rows: list[tuple[str, str, str]]) -> None:
    """Not the excluded middle, which does not hold of what is unknown."""
    a, b, c = (truth([row[side] for row in rows]) for side in range(3))
    assert values(~(a & b)) == values(~a | ~b)
    assert values(~~a) == values(a)
    assert values((a & b) & c) == values(a & (b & c))
    assert values(a & (b | c)) == values((a & b) | (a & c))
    unknown = [value == "unknown" for value in values(a)]
    assert ((a | ~a).unknown == np.array(unknown)).all()


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_what_is_possible_and_not_true_is_unknown(rows: list[tuple[bool, bool]]) -> None:
    true, possible = (np.array([row[side] for row in rows]) for side in (0, 1))
    expected = ["true" if t else "unknown" if p else "false" for t, p in rows]
    assert values(Truth.of(true, possible)) == expected
    assert values(Truth.known(true)) == ["true" if t else "false" for t, _ in rows]
