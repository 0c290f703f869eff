"""Persons as an export names them: everybody, a cohort, a frame, or a few as they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import polars as pl

from precisionchain.errors import UsageError
from precisionchain.query import typed
from precisionchain.schemas.person import written

LOGGED_ONE_BY_ONE: Final = 100
"""The most persons that a logged question names; of more it says how many. Whoever was returned is
in the log's outcome, however many they are."""

SCHEMA: Final = {"site": pl.String, "person_id": pl.Int64}


@runtime_checkable
class CohortLike(Protocol):
    """What is known here of a `precisionchain.query.cohort.Cohort`."""

    @property
    def persons(self) -> pl.DataFrame:
        """``site`` and ``person_id`` of the members."""
        ...

    @property
    def digest(self) -> str:
        """What tells it from other cohorts."""
        ...


NamedPersons: TypeAlias = "CohortLike | pl.DataFrame | Sequence[str | int]"


def as_logged(named: NamedPersons | None) -> Any:
    """Return persons as a question in the log has them."""
    if named is None:
        return "all"
    if isinstance(named, CohortLike):
        return {"cohort": named.digest, "persons": named.persons.height}
    if isinstance(named, pl.DataFrame):
        return {"persons": named.height}
    texts = one_by_one(named)
    if len(texts) > LOGGED_ONE_BY_ONE:
        return {"persons": len(texts)}
    return [typed.as_logged(text, written) for text in texts]


def one_by_one(named: Sequence[str | int]) -> list[str | int]:
    """Return persons one by one; a text names one, or several with commas between."""
    return list(named.split(",")) if isinstance(named, str) else list(named)


def as_frame(
    named: NamedPersons,
    resolve: Callable[[str | int], tuple[str, int]],
    withdrawn: Mapping[str, Sequence[int]],
) -> pl.DataFrame:
    """Return persons as a frame with ``site`` and ``person_id`` at least.

    Args:
        named: the persons.
        resolve: site and person_id of one that is written ``A:42`` or ``42``.
        withdrawn: persons by site who are in no cohort, also in none that was asked before.

    Raises:
        UsageError: a frame without these columns; whatever ``resolve`` raises.
    """
    if isinstance(named, CohortLike):
        gone = [(site, one) for site, ids in withdrawn.items() for one in ids]
        nobody = pl.DataFrame(gone, schema=SCHEMA, orient="row")
        return named.persons.join(nobody, on=list(SCHEMA), how="anti", maintain_order="left")
    if not isinstance(named, pl.DataFrame):
        rows = [resolve(one) for one in one_by_one(named)]
        return pl.DataFrame(rows, schema=SCHEMA, orient="row")
    if not set(SCHEMA) <= set(named.columns):
        raise UsageError("a frame of persons needs the columns site and person_id")
    return named
