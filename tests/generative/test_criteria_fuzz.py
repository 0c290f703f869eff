"""Whatever is given, a criterion comes out or a UsageError: no other error, and no hang."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from precisionchain.errors import UsageError
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria import Criterion, Interval, Maf
from precisionchain.query.expressions import carries, condition, everyone, functions, maf
from precisionchain.query.functions import call_function
from precisionchain.query.spelling import criterion
from precisionchain.schemas.variant import Region, Variant
from tests.lib.criteria_strategies import Words, criteria

WORDS = Words(
    concepts=(0, 201826),
    dates=(date(2015, 1, 1), date(2020, 2, 29)),
    numbers=(7, 0.001),
    units=(0, 8840),
    variants=("9:22098574:A:G", "9:5:A:<DEL;END=7>", "rs4977574"),
    regions=("9", "X:1-100"),
    sites=("A",),
    persons=("A:42", "7"),
    saved=("diabetics",),
)
PIECES = st.sampled_from(
    [
        *functions(),
        *"()[],&|~=<>{}\"'\\ \n*+-._:…é0",
        *(">=", "<=", "..", "value", "true", "false", "since", "within", "unit", "age", "network"),
        *("201826", "-30..30", "0..0.01", "1e-3", "1e999", "2015-01-01", "2015-13-41", "A:42"),
        *(
            "9:22098574:A:G",
            "rs4977574",
            "9:5-7",
            '"a b"',
            '"\\ud800"',
            '"\\u0000"',
            "9" * 5000,
            "\ud800",
            "\0",
        ),
    ]
)


def _text_or_refusal(given: Any) -> None:
    _read_again_or_refused(lambda: criterion(given))


def _read_again_or_refused(make: Callable[[], Criterion | Maf | ConceptSet]) -> None:
    made = None
    with suppress(UsageError):
        made = make()
    if isinstance(made, Maf):
        made = carries("9:1-5", made)
    if isinstance(made, ConceptSet):
        made = condition(made)
    if made is not None:
        assert criterion(made.text) == made
        assert criterion(made.json) == made


@settings(max_examples=300)
@given(st.text(max_size=60) | st.lists(PIECES, max_size=25).map("".join))
@example("(" * 100_000)
@example("~" * 100_000)
@example("~" * 100 + "everyone()")
@example("carries(9,maf(0..0,within=" * 50_000)
@example("condition([" * 1_000)
@example("everyone()|" * 20_000 + "everyone()")
@example("x" * 1_000_001)
@example("value" * 200_000)
@example('carries("9:' + "9" * 5_000 + ':A:G")')
@example("condition(" + "9" * 5_000 + ")")
@example("persons(" + "9" * 5_000 + ")")
@example("carries(9:1-" + "0" * 5_000 + "7)")
def test_any_text(text: str) -> None:
    _text_or_refusal(text)


@settings(max_examples=300)
@given(criteria(WORDS), st.data())
def test_a_text_with_a_piece_changed(made: Criterion, data: st.DataObject) -> None:
    text = made.text
    for _ in range(data.draw(st.integers(1, 3))):
        first = data.draw(st.integers(0, len(text)))
        last = data.draw(st.integers(first, min(len(text), first + 6)))
        text = text[:first] + data.draw(st.just("") | PIECES) + text[last:]
    _text_or_refusal(text)


MEMBERS = st.sampled_from(
    [*functions(), "value", "since", "from", "to", "within", "event", "concepts", ">", "unit", "x"]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    PIECES,
    st.sampled_from([201826, 0, 2**70, 10**4_000, "2015-01-01", "A:42", "9:5:A:G", "9", math.nan]),
)
JSON = st.recursive(
    SCALARS,
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(MEMBERS, below, max_size=3),
        st.builds(lambda name, args: {name: args}, MEMBERS, st.lists(below, max_size=3)),
        st.fixed_dictionaries({"from": below, "to": below}),
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(JSON.filter(lambda given: not isinstance(given, str)))
def test_any_json(given: object) -> None:
    _text_or_refusal(given)


@settings(max_examples=300)
@given(criteria(WORDS), st.data())
def test_json_with_a_part_changed(made: Criterion, data: st.DataObject) -> None:
    whole: Any = made.json
    part: Any = whole
    while True:
        key = data.draw(st.sampled_from([*part] if isinstance(part, dict) else range(len(part))))
        below = part[key]
        if not isinstance(below, dict | list) or not below or data.draw(st.booleans()):
            break
        part = below
    if isinstance(part, dict) and data.draw(st.booleans()):
        part[data.draw(MEMBERS)] = part.pop(key)
    else:
        part[key] = data.draw(JSON)
    _text_or_refusal(whole)


def test_json_nested_deep() -> None:
    deep: dict[str, Any] = everyone().json
    for _ in range(100_000):
        deep = {"not": [deep]}
    _text_or_refusal(deep)
    listed: list[Any] = []
    for _ in range(100_000):
        listed = [listed]
    _text_or_refusal({"condition": listed})


PYTHON_VALUES = st.one_of(
    SCALARS,
    JSON,
    st.dates(),
    st.datetimes(),
    st.binary(max_size=3),
    st.lists(st.integers(0, 5), max_size=3).map(np.array),
    st.sampled_from(
        [
            *(condition(1), everyone(), maf((0, 0.1)), Interval(0, 1), (0, 1), (None, 5), (1,)),
            *(np.int64(5), np.float64(5), np.bool_(True), datetime(2015, 1, 1), b"AG", set(), {5}),  # noqa: DTZ001
            *(Variant("9", 5, "A", "G"), Variant("9", 5, "A", "G", "GRCh38"), Region("9", 5, 4)),
            *(Variant("chr9", -5, "", "\ud800"), Region("chrX"), object(), 1j, range(3), 10**400),
        ]
    ),
)


@settings(max_examples=500)
@given(
    st.sampled_from(sorted(functions())),
    st.lists(PYTHON_VALUES, max_size=3),
    st.dictionaries(
        st.sampled_from(
            [
                "exclude",
                "descendants",
                "since",
                "until",
                "unit",
                "age",
                "first",
                "days",
                "at",
                "exact",
            ]
        ),
        PYTHON_VALUES,
        max_size=2,
    ),
    st.dictionaries(st.sampled_from([">", "="]), PYTHON_VALUES, max_size=1),
)
def test_any_argument(
    name: str, positional: list[Any], named: dict[str, Any], bounds: dict[str, Any]
) -> None:
    _read_again_or_refused(
        lambda: call_function(name, positional, named, {"value": bounds} if bounds else {})
    )


def test_numbers_too_long_for_python_to_print() -> None:
    for argument in (10**5_000, -(10**5_000)):
        for name in functions():
            with pytest.raises(UsageError):
                call_function(name, [argument], {}, {})
        with pytest.raises(UsageError):
            criterion({"measurement": [1], "value": {">": argument}})
        with pytest.raises(UsageError):
            criterion({"born": [{"from": argument, "to": None}]})
