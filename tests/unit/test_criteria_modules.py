"""Criteria are parted into modules, and imported from one place."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from precisionchain.query import criteria
from precisionchain.query.criteria import Criterion

PACKAGE = Path(criteria.__file__).parents[2]
PARTS = Path(criteria.__file__).parent


def test_every_criterion_is_public() -> None:
    below = [kind for kind in Criterion.__subclasses__() if kind.__module__.startswith("precision")]
    assert len(below) > 15
    assert {kind.__name__ for kind in below} <= set(criteria.__all__)
    assert all(hasattr(criteria, name) for name in criteria.__all__)


def test_others_import_criteria_from_the_one_place() -> None:
    parts = "|".join(path.stem for path in PARTS.glob("*.py") if path.stem != "__init__")
    inside = re.compile(rf"query\.criteria\.(?:{parts})\b|query\.criteria import (?:{parts})\b")
    modules = [path for path in PACKAGE.rglob("*.py") if PARTS not in path.parents]
    assert [str(path) for path in modules if inside.search(path.read_text(encoding="utf-8"))] == []


def test_no_part_imports_a_later_one() -> None:
    order = ("names", "values", "attributes", "logic", "events", "clinical", "genetic", "who")
    assert {path.stem for path in PARTS.glob("*.py")} == {"__init__", *order}
    for place, part in enumerate(order):
        source = inspect.getsource(getattr(criteria, part))
        found = set(re.findall(r"query\.criteria\.(\w+) import", source))
        assert found <= set(order[:place])
