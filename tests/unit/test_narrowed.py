"""A command line builds the commands that it names, as they are when all are built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from precisionchain.cli.app import app
from precisionchain.cli.narrowed import narrowed

WHOLE: Any = typer.main.get_command(app)


def _built(*words: str) -> Any:
    return typer.main.get_command(narrowed(app, words))


def _lines() -> Iterator[tuple[str, ...]]:
    for name, command in WHOLE.commands.items():
        inside = getattr(command, "commands", None)
        yield from ((name, each) for each in inside) if inside else [(name,)]


@pytest.mark.parametrize("line", list(_lines()), ids=" ".join)
def test_a_named_command_is_built_alone_and_whole(line: tuple[str, ...]) -> None:
    there, whole = _built("-C", "site", *line, "--json"), WHOLE
    for name in line:
        assert name in there.commands
        assert set(there.commands) <= set(line)
        there, whole = there.commands[name], whole.commands[name]
    said = [
        [(one.name, one.opts, str(one.default)) for one in each.params] for each in (there, whole)
    ]
    assert said[0] == said[1]
    assert there.help == whole.help


@pytest.mark.parametrize("words", [(), ("--version",), ("qeury",), ("query", "--help")])
def test_who_names_no_command_or_asks_for_help_gets_all(words: tuple[str, ...]) -> None:
    assert set(_built(*words).commands) == set(WHOLE.commands)


def test_a_group_without_one_of_its_commands_has_all_of_them() -> None:
    assert set(_built("query", "doman").commands["query"].commands) == set(
        WHOLE.commands["query"].commands
    )


def test_a_folder_that_reads_like_a_command_hides_none() -> None:
    assert {"query", "cohort"} == set(_built("-C", "query", "cohort", "sex(female)").commands)
