"""A command, an option or an error class that is not documented fails here, and so does a ghost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from precisionchain import errors
from precisionchain.cli.app import app
from precisionchain.errors import PrecisionChainError

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
CLI_PAGE = (REFERENCE / "cli.md").read_text(encoding="utf-8")

_CODE = re.compile(r"`([^`\n]+)`")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    for name, child in children.items():
        yield from _leaves(child, (*path, name))
    if not children:
        yield " ".join(path), command


def _sections() -> dict[str, str]:
    """Text by third-level heading, without code blocks."""
    parts = re.split(r"^### (.+)$", _FENCE.sub("", CLI_PAGE), flags=re.MULTILINE)
    return {
        head: re.split(r"^## ", text, flags=re.MULTILINE)[0]
        for head, text in zip(parts[1::2], parts[2::2], strict=True)
    }


ROOT: Any = typer.main.get_command(app)
COMMANDS = dict(_leaves(ROOT))
SECTIONS = _sections()


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert sorted(SECTIONS) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_s_arguments_and_options_are_all_documented(name: str) -> None:
    written = set(_CODE.findall(SECTIONS[name]))
    missing = [
        parameter.name
        for parameter in COMMANDS[name].params
        if not written & {*parameter.opts, *parameter.secondary_opts}
    ]
    assert missing == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_option_is_documented_that_a_command_does_not_take(name: str) -> None:
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    # `--` ends the options of any command.
    written = {word for word in _CODE.findall(SECTIONS[name]) if re.fullmatch(r"--[a-z-]+", word)}
    assert sorted(written - known) == []


def test_the_options_before_the_command_are_documented() -> None:
    before = CLI_PAGE.partition("\n## ")[0]
    written = set(_CODE.findall(_FENCE.sub("", before)))
    assert {option for parameter in ROOT.params for option in parameter.opts} <= written


@pytest.mark.parametrize("name", COMMANDS)
def test_the_defaults_that_are_words_are_documented(name: str) -> None:
    words = [
        parameter.default
        for parameter in COMMANDS[name].params
        if isinstance(parameter.default, str) and name not in ("stage vcf", "stage omop")
    ]
    assert [word for word in words if f"`{word}`" not in SECTIONS[name]] == []


# ---------------------------------------------------------------------------------------- errors


def _classes() -> dict[str, type[PrecisionChainError]]:
    return {
        name: each
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, PrecisionChainError)
    }


def _documented() -> dict[str, tuple[int, str]]:
    """Exit code and base by class."""
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| `(\w+)` \| (?:`(\w+)` )?\|", page, re.MULTILINE)
    return {name: (int(code), base) for code, name, base in rows}


def test_every_error_class_is_documented_with_its_exit_code_and_base() -> None:
    real = {
        name: (
            each.exit_code,
            "" if each is PrecisionChainError else each.__bases__[0].__name__,
        )
        for name, each in _classes().items()
    }
    assert _documented() == real


def test_every_error_class_is_in_the_tree_at_the_top_of_its_module() -> None:
    tree = errors.__doc__ or ""
    assert [name for name in _classes() if not re.search(rf"\b{name}\b", tree)] == []
