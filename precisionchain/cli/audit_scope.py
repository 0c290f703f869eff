"""The access log as the commands of ``audit`` open it: what takes long is told on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from precisionchain.cli.scope import scope

if TYPE_CHECKING:
    from precisionchain.audit import Audit


@contextmanager
def the_log(context: typer.Context) -> Iterator[Audit]:
    """Open the access log; after the question, say what of it could not be read."""
    say = scope(context).progress.step
    with scope(context).network() as network:
        log = network.audit.saying(say)
        yield log
        if log.sealed:
            say(f"{log.sealed} questions of the log cannot be opened with this site's keys")
