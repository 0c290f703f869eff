"""Criteria that name persons: all of a level, a site's, some by id, a saved cohort's, OHDSI's."""

from __future__ import annotations

from dataclasses import dataclass

from precisionchain.errors import UsageError
from precisionchain.query.criteria.logic import Criterion
from precisionchain.query.criteria.names import NAME
from precisionchain.query.criteria.values import Call


@dataclass(frozen=True, slots=True, repr=False)
class Everyone(Criterion):
    """Every person of the universe (``everyone``), or of a level: ``recorded``, ``genotyped``."""

    what: str = "everyone"

    def call(self) -> Call:
        """Return ``everyone()``, ``recorded()`` or ``genotyped()``."""
        return Call(self.what)


@dataclass(frozen=True, slots=True, repr=False)
class AtSite(Criterion):
    """The person is one of these sites'."""

    sites: tuple[str, ...]

    def call(self) -> Call:
        """Return ``at_site(A, ...)``."""
        return Call("at_site", self.sites)


@dataclass(frozen=True, slots=True, repr=False)
class Persons(Criterion):
    """The person is one of these, written ``A:42``; a bare id is the own site's."""

    persons: tuple[str, ...]

    def call(self) -> Call:
        """Return ``persons(A:42, ...)``."""
        # A bare id is a number, as it is typed.
        return Call("persons", tuple(who if ":" in who else int(who) for who in self.persons))


@dataclass(frozen=True, slots=True, repr=False)
class Saved(Criterion):
    """The person is in a saved cohort; unknown where that says so, or did not know the person."""

    name: str

    def __post_init__(self) -> None:
        name: object = self.name
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise UsageError(
                "not a name of a saved cohort",
                hint="a letter, then at most 63 letters, digits, _ or -",
            )

    def call(self) -> Call:
        """Return ``saved(name)``."""
        return Call("saved", (self.name,))


@dataclass(frozen=True, slots=True, repr=False)
class CohortDefinition(Criterion):
    """The person is in the cohort of a definition at some time.

    Attributes:
        definition: the definition in its one form, as JSON text: what is covered, without names,
            nulls and defaults (``query/circe/reading.py`` makes it).
    """

    definition: str

    def call(self) -> Call:
        """Return ``circe("{...}")``."""
        return Call("circe", (self.definition,))
