"""The examples of the page on criteria are criteria, and one in every spelling."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import precisionchain as pc
from precisionchain.query.expressions import functions
from precisionchain.query.functions import LOGIC
from tests.lib.python_criteria import evaluated

PAGE = (Path(__file__).parents[3] / "docs/reference/cohorts.md").read_text(encoding="utf-8")
DEFINITION = {
    "PrimaryCriteria": {
        "CriteriaList": [{"Death": {}}],
        "ObservationWindow": {"PriorDays": 0, "PostDays": 0},
    }
}
# What the page writes for any variant, concept, event, ...
MEANT = {
    "V": "9:5:A:G",
    "S": "0",
    "T": "1",
    "CONCEPT": "1",
    "N": "2",
    "NAME": "diabetics",
    "CRITERION": "recorded()",
    "DEFINITION": json.dumps(json.dumps(DEFINITION)),
    "LOW..HIGH": "-1..1",
    "region": "9:5-7",
    "event": "condition(1)",
    "a": "condition(1)",
    "b": "drug(2)",
    "c": "death()",
}


SPELLED = {
    "before": "within_days",
    "after": "within_days",
    "at_most": "~at_least",
    "exactly": "at_least",
    "during": "index",
    "same_visit": "index",
    "without": "index",
}
"""What is spelled by another function."""


def _calls() -> list[str]:
    calls = set(re.findall(r"`([a-z_]+\([^`]*\))`", PAGE))
    return sorted(each.replace("\\|", "|") for each in calls if "CONCEPTS" not in each)


def _as_typed(call: str) -> str:
    call = re.sub(r", \.\.\.(?=\))|(?<=\)) \| \.\.\.$", "", call).replace("since=, until=", "")
    call = re.sub(r"=([A-Za-z]+)(?=[,)])", lambda m: f"={MEANT.get(m[1], m[1])}", call)
    return re.sub(
        r"(?<![\w:.])(LOW\.\.HIGH|[A-Za-z]+)(?=[,)])", lambda m: MEANT.get(m[0], m[0]), call
    )


@pytest.mark.parametrize("call", _calls())
def test_every_call_is_one(call: str) -> None:
    typed = _as_typed(call)
    name = typed.split("(")[0]
    assert pc.criterion(typed).text.startswith(SPELLED.get(name, name))


def test_one_question_in_three_spellings() -> None:
    typed = re.search(r"precisionchain cohort '(.+?)'", PAGE)
    python = re.search(r"net\.cohort\((pc\.condition.+)\)\n", PAGE)
    written = re.search(r"```json\n(.+?)```", PAGE, re.DOTALL)
    assert typed
    assert python
    assert written
    asked = pc.criterion(typed[1])
    assert asked == evaluated(python[1], functions()) == pc.criterion(json.loads(written[1]))


def test_every_function_is_on_the_page() -> None:
    named = set(re.findall(r"[a-z_]+(?=`|\()", PAGE))
    assert set(functions()) - set(LOGIC) <= named
