"""What criteria are evaluated against: one generation, its universe, and who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from precisionchain.query.universe import Universe
from precisionchain.replica.catalogue import Snapshot

if TYPE_CHECKING:
    from precisionchain.query.cohort import Cohort


def _nothing_saved(_name: str) -> Cohort:
    raise AssertionError("no place for saved cohorts was given")


@dataclass(frozen=True, slots=True)
class CriterionScope:
    """What criteria are evaluated against.

    Attributes:
        snapshot: the generation.
        universe: its universe.
        own_site: whose person a bare id is, if it has one of that id.
        sites: the members of the network.
        saved: finds a saved cohort by name.
    """

    snapshot: Snapshot
    universe: Universe
    own_site: str = ""
    sites: frozenset[str] = frozenset()
    saved: Callable[[str], Cohort] = field(default=_nothing_saved)
