"""Every dotted name of ours that a page names exists."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md")) + sorted(ROOT.glob("*.md"))
_NAME = re.compile(r"`(precisionchain(?:\.[A-Za-z_]\w*)+)")


def _exists(name: str) -> bool:
    parent, _, last = name.rpartition(".")
    try:
        if find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        return False
    return hasattr(import_module(parent), last)


def test_the_search_finds_names() -> None:
    found = _NAME.findall("see `precisionchain.query.cohort` and `precisionchain.toml`")
    assert found == ["precisionchain.query.cohort", "precisionchain.toml"]
    assert not _exists("precisionchain.query.no_such_module")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_names_of_a_page_exist(page: Path) -> None:
    names = set(_NAME.findall(page.read_text(encoding="utf-8"))) - {"precisionchain.toml"}
    assert sorted(name for name in names if not _exists(name)) == []
