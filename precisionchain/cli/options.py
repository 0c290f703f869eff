"""Options that several commands have."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

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
