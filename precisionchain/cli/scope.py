"""What every command shares: the site folder meant, who acts, and where progress goes."""

from __future__ import annotations

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

    def network(self) -> Network:
        """Open the network for questions."""
        from precisionchain.network import connect

        return connect(self.directory, user=self.user)


def scope(context: typer.Context) -> Scope:
    """Return what the root command made of its options."""
    return context.find_root().ensure_object(Scope)
