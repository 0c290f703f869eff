"""Only the commands that a command line names are built: all sixty take 40 ms."""

from __future__ import annotations

import copy
from collections.abc import Collection

import typer
from typer.main import get_command_name
from typer.models import CommandInfo, TyperInfo


def narrowed(app: typer.Typer, words: Collection[str]) -> typer.Typer:
    """Return an app with those commands alone whose names are among some words.

    It is whole where none is, or where help is asked for. A word may be an option's value that
    reads like a command: one too many is built.
    """
    commands = [one for one in app.registered_commands if _name_of(one) in words]
    groups = [one for one in app.registered_groups if one.name in words]
    if "--help" in words or (not commands and not groups):
        return app
    few = copy.copy(app)
    few.registered_commands = commands
    few.registered_groups = [_narrowed_group(one, words) for one in groups]
    return few


def _name_of(command: CommandInfo) -> str:
    if command.name:
        return command.name
    return get_command_name(command.callback.__name__) if command.callback else ""


def _narrowed_group(group: TyperInfo, words: Collection[str]) -> TyperInfo:
    few = copy.copy(group)
    if group.typer_instance is not None:
        few.typer_instance = narrowed(group.typer_instance, words)
    return few
