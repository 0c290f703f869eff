"""What the documentation says about the tree is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from precisionchain import errors

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*PROJECT_ROOT.glob("*.md"), *PROJECT_ROOT.glob("docs/**/*.md")])
PAGE_NAMES = [str(page.relative_to(PROJECT_ROOT)) for page in PAGES]
# A decision record speaks of its own day, and a changelog of all days.
PRESENT_PAGES = [page for page in PAGES if page.parent.name != "adr" and page.stem != "CHANGELOG"]

_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# A path in backticks: `ingest/route.py`, `precisionchain/errors.py`, `tests/unit/`, `docs/adr/`.
_PATH = re.compile(r"`((?:[\w.]+/)+(?:[\w.]+\.(?:py|md|toml|sh))?|[\w.]+\.(?:md|toml))`")
# Parts of a site folder, what `make demo` and `make bench` leave behind, and files of a hospital.
_NOT_OURS = {
    *(
        "precisionchain.toml",
        "quality.toml",
        "checkpoints/",
        "cohorts/",
        "concept_sets/",
        "keys/",
        "outbox/",
        "replica/",
        "reports/",
        "rules/",
        "staging/",
    ),
    *("demo_network/", "benchmarks/results/", "omop/", "vocabulary/", "truth/"),
}


def _exists(path: str, page: Path) -> bool:
    rooms = (PROJECT_ROOT, PROJECT_ROOT / "precisionchain", page.parent)
    return any((room / path).exists() for room in rooms)


@pytest.mark.parametrize("page", PAGES, ids=PAGE_NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    links = _LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PRESENT_PAGES, ids=lambda page: page.name)
def test_paths_in_backticks_exist(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    paths = set(_PATH.findall(text)) - _NOT_OURS
    assert sorted(path for path in paths if not _exists(path, page)) == []


def test_the_layers_drawn_are_the_layers_enforced() -> None:
    with (PROJECT_ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    enforced = next(each["layers"] for each in contracts if each["id"] == "layers")
    drawn = re.search(
        r"^cli > .*$", (PROJECT_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert drawn is not None
    assert drawn[0].split(" > ") == [re.sub(r"[()]", "", layer) for layer in enforced]


def test_the_readme_lists_the_exit_codes_that_exist() -> None:
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    paragraph = re.search(r"\*\*Exit codes\*\*.*?\n\n", readme, re.DOTALL)
    assert paragraph is not None
    written = {int(code) for code in re.findall(r"\b(\d)\b", paragraph[0])}
    real = {
        member.exit_code
        for member in vars(errors).values()
        if isinstance(member, type) and issubclass(member, errors.PrecisionChainError)
    }
    assert written == real | {0}


def test_every_word_of_the_glossary_is_defined_once() -> None:
    glossary = (PROJECT_ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
    heads = re.findall(r"^\*\*(.+?)\.?\*\*", glossary, re.MULTILINE)
    words = [word.strip() for head in heads for word in head.split(",")]
    assert len(words) > 60
    assert sorted({word for word in words if words.count(word) > 1}) == []
