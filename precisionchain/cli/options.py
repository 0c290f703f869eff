"""Options that several commands have, and how a command takes many of them at once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="POSITION|TIME",
        help="As the network was then, without who is withdrawn now.",
    ),
]


def as_day(moment: datetime | None) -> date | None:
    """Return the day of an option that typer reads as a time."""
    return None if moment is None else moment.date()


def takes(
    argument: str, options: Mapping[str, tuple[Any, Any]], made: Callable[..., Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options in the place of one argument, which gets what is made of them.

    Args:
        argument: its name; the arguments after it become options, too.
        options: annotation and default by name; without a default: ``inspect.Parameter.empty``.
        made: called with the options by name before the command.
    """
    spliced = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, (annotation, default) in options.items()
    ]

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = list(signature.parameters.values())
        place = list(signature.parameters).index(argument)
        after = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own[place + 1 :]]
        every = [*own[:place], *spliced, *after]

        @functools.wraps(command)
        def with_options(*arguments: Any, **given: Any) -> None:
            asked = {name: given.pop(name) for name in options}
            command(*arguments, **given, **{argument: made(**asked)})

        vars(with_options)["__signature__"] = signature.replace(parameters=every)
        with_options.__annotations__ = {each.name: each.annotation for each in every}
        return with_options

    return decorated
