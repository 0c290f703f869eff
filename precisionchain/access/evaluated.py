"""An answer with what it shows, as an evaluation hands it to the gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import polars as pl
import pyarrow as pa

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
_ALLELE = ALLELE_SCHEMA.names


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
        shown = alleles(pa.concat_tables([shown, _table_of(variants)]))
    return Evaluated(
        frame,
        frame.height,
        frame_digest(frame),
        _shown_persons(frame, site),
        persons(contributed or {}),
        shown,
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
    known = frame.filter(pl.col("person_id").is_not_null())
    if "site" not in frame.columns:
        if site is None:
            raise UsageError("an answer with person_id needs the persons' site")
        return persons({site: known["person_id"].to_numpy()})
    by_site = known.select("site", "person_id").partition_by("site", as_dict=True)
    return persons({str(key[0]): group["person_id"].to_numpy() for key, group in by_site.items()})


def _shown_alleles(frame: pl.DataFrame) -> Alleles:
    if not set(_ALLELE) <= set(frame.columns):
        return no_alleles()
    return alleles(frame.select(_ALLELE).unique().drop_nulls().to_arrow())


def _table_of(variants: Iterable[Variant]) -> pa.Table:
    named: Sequence[Variant] = list(variants)
    columns = {name: [getattr(variant, name) for variant in named] for name in _ALLELE}
    return pa.table(columns, schema=ALLELE_SCHEMA)
