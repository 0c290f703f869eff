"""Text, Python and JSON are spellings of one criterion."""

from __future__ import annotations

import json
from datetime import date

from hypothesis import given, settings

from precisionchain.query import expressions
from precisionchain.query.criteria import Criterion
from precisionchain.query.spelling import criterion
from tests.lib.criteria_strategies import Words, criteria
from tests.lib.python_criteria import evaluated

WORDS = Words(
    concepts=(0, 1, 201826, 2_000_000_001, 2**63 - 1),
    dates=(date(1, 1, 1), date(2015, 1, 1), date(2016, 2, 29), date(9999, 12, 31)),
    numbers=(0, 7, 7.0, -0.5, 1e-3, 1e22, 5e-324, 1.7976931348623157e308, -0.0, 0.1 + 0.2),
    units=(0, 8840, 8554),
    variants=(
        "9:22098574:A:G",
        "MT:1:AC:A",
        "X:5:N:<DEL;END=9>",
        "rs4977574",
        "9:7:A:<INS:ME:ALU>",
        "2:321681:G:G]17:198982]",
        "13:123456:C:[17:198983[A",
        "GL000191.1:5:T:A",
        "9:100:A:A]c..1:7]",
        "odd!name:5:A:A]é_😀:7]",
    ),
    regions=(
        "9",
        "X",
        "9:5",
        "chr9:22,000,000-22,130,000",
        "HLA-A:1-9",
        "and",
        "1e5",
        "007",
        "..:3",
    ),
    sites=("A", "B-2", "and", "true", "e5"),
    persons=("A:42", "B:-42", "42", "-7", "A:007"),
    columns=("machine", "coverage", "class", "value", "_30x", "and", "sex", "saved", "sequenced"),
    texts=("Illumina NovaSeq 6000", "7", "2015-01-01", "1..2", "or", 'a"b', "é 😀", "X,Y", "true"),
    saved=("diabetics", "or", "false", "a-b_c", "value", "condition", "E9"),
)


def _evaluated(python: str) -> Criterion:
    made = evaluated(python, expressions.functions())
    assert isinstance(made, Criterion)
    return made


@settings(max_examples=300)
@given(criteria(WORDS))
def test_each_spelling_is_read_as_the_criterion_it_spells(one: Criterion) -> None:
    assert criterion(one.text) == one
    assert criterion(json.loads(json.dumps(one.json))) == one
    assert _evaluated(one.python) == one


@settings(max_examples=200)
@given(criteria(WORDS), criteria(WORDS))
def test_equal_criteria_have_equal_spellings_and_others_not(one: Criterion, two: Criterion) -> None:
    again = criterion(one.text)
    assert (again.text, again.python, again.json) == (one.text, one.python, one.json)
    same = one == two
    assert (one.text == two.text, one.python == two.python, one.json == two.json) == (same,) * 3
