"""The page of the Python API names what is public, with its parameters, and nothing else."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

import precisionchain
from precisionchain import errors
from precisionchain.audit import Audit
from precisionchain.ingest.report import Ingested, Progress
from precisionchain.ingest.withdraw import Corrected
from precisionchain.ledger.base import Finding
from precisionchain.ledger.records import Member, User
from precisionchain.network import Network
from precisionchain.query.cohort import Cohort
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria import EVENT_TABLES, Criterion
from precisionchain.query.export_genotypes import ExportedGenotypes
from precisionchain.replica.as_of import AsOf
from precisionchain.replica.sync import SyncReport
from precisionchain.schemas.variant import Region, Variant
from precisionchain.site import Site
from precisionchain.verify import Check

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
CLASSES: dict[str, type] = {
    each.__name__: each
    for each in (
        *(Site, Network, Audit, Cohort, ConceptSet, Criterion, ExportedGenotypes, Ingested),
        Corrected,
        *(Progress, AsOf, SyncReport, Check, Finding, Member, User, Variant, Region),
        errors.PrecisionChainError,
    )
}
# What a reader can set or read on an instance, where no class attribute tells.
INSTANCE_ATTRIBUTES = {
    "Site": {"user", "config", "folder", "staging"},
    "PrecisionChainError": {"message", "where", "hint"},
}


def _sections(page: str) -> dict[str, str]:
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


SECTIONS = _sections(PAGE)


def _documented(section: str) -> dict[str, str | None]:
    """Parameters as they are written, by name; None for what is not called."""
    heads = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    named = [word for head in heads for word in re.findall(r"`([^`]+)`", head)]
    return {
        name: call or None
        for name, call in re.findall(r"^(\w+)(\(.*\))?$", "\n".join(named), re.MULTILINE)
    }


def _signature(function: object) -> str:
    """Names, kinds and defaults; no annotations."""
    assert callable(function)
    whole = inspect.signature(function)
    parameters = [
        each.replace(annotation=inspect.Parameter.empty)
        for each in whole.parameters.values()
        if each.name not in ("self", "cls")
    ]
    return str(whole.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def _public(kind: type) -> Iterator[tuple[str, str | None]]:
    """Public names of a class and its bases of ours; the parameters of what is called."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("precisionchain")]
    names = {name for base in ours for name in vars(base)}
    names |= {field.name for field in fields(kind)} if is_dataclass(kind) else set()
    names |= INSTANCE_ATTRIBUTES.get(kind.__name__, set())
    for name in sorted(name for name in names if not name.startswith("_")):
        found = inspect.getattr_static(kind, name, None)
        called = found.__func__ if isinstance(found, classmethod | staticmethod) else found
        yield name, _signature(called) if inspect.isfunction(called) else None


def test_the_page_is_read_as_it_is_written() -> None:
    rows = "| `f(a, *, b=1)` | text | |\n| `g`, `h` | text |\n|---|---|\n| no name |\n"
    assert _documented(rows) == {"f": "(a, *, b=1)", "g": None, "h": None}


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_documented_with_every_public_name_and_no_ghost(name: str) -> None:
    assert _documented(SECTIONS[name]) == dict(_public(CLASSES[name]))


def test_the_package_is_documented_with_every_public_name_and_no_ghost() -> None:
    written = _documented(SECTIONS["precisionchain"]) | _documented(SECTIONS["Criteria"])
    assert sorted(written) == sorted(precisionchain.__all__)
    for name, parameters in written.items():
        found = getattr(precisionchain, name)
        if inspect.isfunction(found):
            due = "event" if name in EVENT_TABLES else name
            assert (parameters or written[due]) == _signature(found), name


def test_every_class_that_a_public_method_returns_has_a_section() -> None:
    said = {
        word
        for section in SECTIONS.values()
        for word in re.findall(r"`([A-Z]\w+)`", section)
        if not word.endswith("Error")
    }
    returned = {
        word
        for kind in CLASSES.values()
        for _, each in inspect.getmembers(kind, inspect.isfunction)
        if not each.__name__.startswith("_")
        for word in re.findall(r"\b[A-Z]\w+", str(each.__annotations__.get("return", "")))
    }
    known = {"Any", "Call", "DataFrame", "Ids", "None", "Path", "Self", "Truth"}
    assert sorted(returned - known - set(SECTIONS)) == []
    assert sorted(said - {"Path"} - set(SECTIONS)) == []


def test_every_error_the_page_names_exists() -> None:
    named = set(re.findall(r"`(\w+Error)`", PAGE))
    assert len(named) > 10
    assert sorted(name for name in named if not hasattr(errors, name)) == []


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_a_docstring_of_the_class_names_is_on_the_page(name: str) -> None:
    if name not in ("Site", "Network", "Audit"):
        return
    rows = {line.split("(")[0].strip("| `"): line for line in SECTIONS[name].splitlines()}
    general = SECTIONS[name].partition("\n|")[0] + PAGE.partition("\n## ")[0]
    for method, each in inspect.getmembers(CLASSES[name], inspect.isfunction):
        if method.startswith("_"):
            continue
        raised = set(re.findall(r"^\s+(\w+Error):", each.__doc__ or "", re.MULTILINE))
        missing = {error for error in raised if error not in rows[method] + general}
        assert missing == set(), method
