"""What every command shares: the site folder meant, who acts, and where progress goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from precisionchain.cli.progress import StderrProgress

if TYPE_CHECKING:
    from precisionchain.network import Network
    from precisionchain.site import Site


@dataclass(frozen=True, slots=True)
class Scope:
    """The folder given with -C, progress on stderr, and who acts."""

    directory: Path
    progress: StderrProgress
    user: str | None = None

    def site(self) -> Site:
        """Open the site folder for work."""
        from precisionchain.site import Site

        return Site(self.directory, user=self.user)

    @contextmanager
    def network(self, as_of: str | None = None) -> Iterator[Network]:
        """Open the network for questions; say at the end as of when they were answered, if not now.

        Args:
            as_of: what ``--as-of`` was given.
        """
        from precisionchain.network import connect

        with connect(self.directory, user=self.user, as_of=as_of) as network:
            yield network
            if network.as_of is not None:
                typer.echo(str(network.as_of), err=True)


def scope(context: typer.Context) -> Scope:
    """Return what the root command made of its options."""
    return context.find_root().ensure_object(Scope)
