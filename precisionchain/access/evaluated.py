"""An answer with what it shows, as an evaluation hands it to the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import polars as pl

from precisionchain.access.digest import frame_digest, value_digest
from precisionchain.access.postings import (
    ALLELE_SCHEMA,
    Alleles,
    Persons,
    alleles,
    no_alleles,
    persons,
)
from precisionchain.errors import UsageError
from precisionchain.schemas.variant import Variant

T = TypeVar("T")

_FEW: Final = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated(Generic[T]):
    """An answer that is complete (nothing is read later) but not yet released.

    Persons are `postings.persons`, variants `postings.alleles`. ``contributed`` are the persons
    whose records the answer's numbers rest on; those who are also returned need not be listed
    again and are not logged twice.
    """

    value: T
    rows: int
    digest: str
    persons_returned: Persons = field(default_factory=dict)
    persons_contributed: Persons = field(default_factory=dict)
    variants_returned: Alleles = field(default_factory=no_alleles)


def evaluated_frame(
    frame: pl.DataFrame,
    *,
    site: str | None = None,
    contributed: Mapping[str, Any] | None = None,
    variants: Iterable[Variant] | None = None,
) -> Evaluated[pl.DataFrame]:
    """Return a frame with what it shows.

    Persons returned are read from ``site`` and ``person_id``, variants from ``chrom``, ``pos``,
    ``ref`` and ``alt``, where the frame has these columns.

    Args:
        frame: the answer.
        site: the site of all persons of a frame with ``person_id`` but no ``site``.
        contributed: person ids by site that the numbers rest on.
        variants: the variants the question named, for a frame that does not repeat them.

    Raises:
        UsageError: ``person_id`` without a site: nobody could be found in the log.
    """
    shown = _shown_alleles(frame)
    if variants is not None:
        named = {(variant.chrom, variant.pos, variant.ref, variant.alt) for variant in variants}
        asked = pl.DataFrame(sorted(named), schema=ALLELE_SCHEMA, orient="row")
        shown = asked if shown.is_empty() else alleles(pl.concat([shown, asked]))
    return Evaluated(
        frame,
        frame.height,
        frame_digest(frame),
        _shown_persons(frame, site),
        persons(contributed or {}),
        shown,
    )


def evaluated_record(
    record: dict[str, pl.DataFrame], site: str, person_id: int
) -> Evaluated[dict[str, pl.DataFrame]]:
    """Return a record, a frame a table, with what it shows: one person, all of its rows."""
    return Evaluated(
        record,
        sum(rows.height for rows in record.values()),
        value_digest({name: frame_digest(rows) for name, rows in record.items()}),
        persons({site: [person_id]}),
    )


def evaluated_value(
    value: T, *, rows: int = 1, contributed: Mapping[str, Any] | None = None
) -> Evaluated[T]:
    """Return a JSON value (a count) that returns nobody, with whom it rests on.

    Raises:
        CodecError: the value has no canonical JSON.
    """
    return Evaluated(value, rows, value_digest(value), {}, persons(contributed or {}))


def _shown_persons(frame: pl.DataFrame, site: str | None) -> dict[str, Any]:
    if "person_id" not in frame.columns:
        return {}
    if not frame["person_id"].dtype.is_integer():
        raise UsageError("person_id in an answer must be an integer")
    known = frame if not frame["person_id"].null_count() else frame.drop_nulls("person_id")
    ids = known["person_id"].to_numpy()
    if "site" not in frame.columns:
        if site is None:
            raise UsageError("an answer with person_id needs the persons' site")
        return persons({site: ids})
    sites = known["site"]
    # Polars' own is an expression, which takes longer than a few rows do.
    names = set(sites.to_list()) if known.height < _FEW else set(sites.unique().to_list())
    if len(names) == 1:
        return persons({names.pop(): ids})
    return persons({name: ids[(sites == name).to_numpy()] for name in names})


def _shown_alleles(frame: pl.DataFrame) -> Alleles:
    return alleles(frame) if set(ALLELE_SCHEMA) <= set(frame.columns) else no_alleles()
