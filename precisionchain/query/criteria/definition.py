"""A cohort definition as OHDSI's tools write it, as a criterion: its own meaning, in full."""

from __future__ import annotations

from dataclasses import dataclass

from precisionchain.query.criteria.logic import Criterion
from precisionchain.query.criteria.values import Call


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
