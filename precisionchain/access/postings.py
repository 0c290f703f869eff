"""Who and which variants an answer was about: exact sorted lists, written as gaps.

Persons of a site are distinct int64 in ascending order, written as the first id and then the
differences, in decimal, one space between: ``17 1 1 4`` is 17, 18, 19, 23. Alleles are grouped by
chromosome: positions as gaps likewise, reference and alternative alleles joined by spaces (VCF
allows no white space in either). zstd brings this below Arrow's size for all ids but random ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from precisionchain.errors import CodecError
from precisionchain.schemas.distinct import distinct

PersonIds: TypeAlias = NDArray[np.int64]
Persons: TypeAlias = Mapping[str, PersonIds]
"""Person ids by site: distinct and ascending; no site with none."""
Alleles: TypeAlias = pl.DataFrame
"""Distinct alleles: columns chrom, pos, ref, alt, in that order of sorting."""

ALLELE_SCHEMA: dict[str, Any] = {
    "chrom": pl.String,
    "pos": pl.Int64,
    "ref": pl.String,
    "alt": pl.String,
}
_NO_ALLELES = pl.DataFrame(schema=ALLELE_SCHEMA)
_FEW = 500
"""Alleles that Python sorts in less time than polars takes to begin."""
PIECE_PERSONS = 12_500
"""Persons in one piece: at most 21 characters each, a quarter of a part."""
PIECE_CHARACTERS = 2**18
_MANY = 256
"""From so many gaps on they are written a digit of all at a time: thousands in a quarter of the
time."""
_POSITION_CHARACTERS = 12


def persons(ids_by_site: Mapping[str, Any]) -> dict[str, PersonIds]:
    """Return persons as they are logged, from any integer sequences, repeats allowed."""
    listed = {site: _distinct(np.asarray(ids, dtype=np.int64)) for site, ids in ids_by_site.items()}
    return {site: listed[site] for site in sorted(listed) if listed[site].size}


def _distinct(ids: PersonIds) -> PersonIds:
    ascending = bool((ids[1:] > ids[:-1]).all())  # as queries give them
    return ids if ascending else distinct(ids)


def without(some: Persons, others: Persons) -> dict[str, PersonIds]:
    """Return the persons of ``some`` that are not among ``others``."""
    none = np.empty(0, np.int64)
    left = {
        site: np.setdiff1d(ids, others.get(site, none), assume_unique=True)
        for site, ids in some.items()
    }
    return {site: ids for site, ids in left.items() if ids.size}


def count(some: Persons) -> int:
    """Return how many persons these are."""
    return sum(ids.size for ids in some.values())


def holds(some: Persons, site: str, person_id: int) -> bool:
    """Return whether a person is among them."""
    ids = some.get(site)
    if ids is None:
        return False
    at = int(np.searchsorted(ids, person_id))
    return at < ids.size and int(ids[at]) == person_id


def alleles(frame: pl.DataFrame) -> Alleles:
    """Return a frame's alleles as they are logged; it needs chrom, pos, ref and alt."""
    if frame.is_empty():
        return no_alleles()  # as of most answers; a frame's own methods take a millisecond
    if frame.height < _FEW:
        columns = (frame[name].to_list() for name in ALLELE_SCHEMA)
        rows = sorted({row for row in zip(*columns, strict=True) if None not in row})
        sorted_columns = zip(*rows, strict=True) if rows else [()] * len(ALLELE_SCHEMA)
        return pl.DataFrame(
            [
                pl.Series(name, values, dtype)
                for (name, dtype), values in zip(ALLELE_SCHEMA.items(), sorted_columns, strict=True)
            ]
        )
    chosen = frame.select(*ALLELE_SCHEMA).cast(pl.Schema(ALLELE_SCHEMA)).drop_nulls()
    return chosen if chosen.height < 2 else chosen.unique().sort(list(ALLELE_SCHEMA))


def no_alleles() -> Alleles:
    """Return no alleles."""
    return _NO_ALLELES


def holds_allele(table: Alleles, chrom: str, pos: int, ref: str, alt: str) -> bool:
    """Return whether an allele is among them."""
    here = np.flatnonzero(table["pos"].to_numpy() == pos)
    return bool(here.size) and (chrom, pos, ref, alt) in table[here.tolist()].rows()


def allele_texts(table: Alleles) -> list[str]:
    """Return alleles written ``chrom:pos:ref:alt``."""
    return [":".join(map(str, allele)) for allele in table.rows()]


# ----------------------------------------------------------------------------------------- writing


def person_pieces(some: Persons) -> Iterator[list[str]]:
    """Yield ``[site, gaps]`` pieces, each readable by itself."""
    for site, ids in some.items():
        for start in range(0, ids.size, PIECE_PERSONS):
            yield [site, _gaps(ids[start : start + PIECE_PERSONS], least=1)]


def allele_pieces(table: Alleles) -> Iterator[list[str]]:
    """Yield ``[chrom, gaps, refs, alts]`` pieces, each readable by itself.

    Raises:
        CodecError: an allele is empty, holds white space, or is longer than a piece.
    """
    if table.is_empty():
        return
    chroms, refs, alts = (table[name].to_list() for name in ("chrom", "ref", "alt"))
    positions = table["pos"].to_numpy()
    lengths = np.array([len(ref) + len(alt) for ref, alt in zip(refs, alts, strict=True)])
    if lengths.max() > PIECE_CHARACTERS:
        raise CodecError("an allele is too long to be logged")
    run = np.cumsum(lengths + _POSITION_CHARACTERS) // (PIECE_CHARACTERS // 2)
    names = np.array(chroms)
    cuts = np.flatnonzero((np.diff(run) != 0) | (names[1:] != names[:-1])) + 1
    for start, end in pairwise([0, *cuts.tolist(), len(chroms)]):
        gaps = _gaps(positions[start:end], least=0)
        yield [chroms[start], gaps, _joined(refs[start:end]), _joined(alts[start:end])]


def _joined(texts: list[str]) -> str:
    joined = " ".join(texts)
    if joined.split() != texts:
        raise CodecError("an allele that is empty or holds white space cannot be logged")
    return joined


def _gaps(values: NDArray[np.int64], *, least: int) -> str:
    if (values[1:] < values[:-1]).any() or (least and (values[1:] == values[:-1]).any()):
        raise CodecError("a list that is to be logged is not sorted, or holds repeats")
    # As unsigned numbers the difference of any two int64 is exact.
    unsigned = values.view(np.uint64)
    gaps = unsigned[1:] - unsigned[:-1]
    return f"{values[0]} {_decimal(gaps)}" if gaps.size else str(values[0])


def _decimal(numbers: NDArray[np.uint64]) -> str:
    """Return numbers in decimal, one space between."""
    if numbers.size < _MANY:
        return " ".join(map(str, numbers.tolist()))
    digits, most, power = np.ones(numbers.size, np.int64), int(numbers.max()), 10
    while power <= most:
        digits += numbers >= np.uint64(power)
        power *= 10
    at = np.cumsum(digits + 1) - 2
    text = np.full(int(at[-1]) + 1, ord(" "), np.uint8)
    while at.size:
        rest = numbers // np.uint64(10)  # by one number: far faster than the remainders of all
        text[at] = numbers - rest * np.uint64(10) + np.uint64(ord("0"))
        longer = rest > 0
        at, numbers = at[longer] - 1, rest[longer]
    return text.tobytes().decode("ascii")


# ----------------------------------------------------------------------------------------- reading


def join_persons(pieces: Iterable[list[str]]) -> dict[str, PersonIds]:
    """Return the persons of all pieces.

    Raises:
        ValueError: a piece cannot be read, or is not in ascending order.
    """
    found: dict[str, list[PersonIds]] = {}
    for site, gaps in pieces:
        found.setdefault(site, []).append(_values(gaps))
    joined = {site: np.concatenate(ids) for site, ids in found.items()}
    if any((ids[1:] <= ids[:-1]).any() for ids in joined.values()):
        raise ValueError("persons out of order")
    return joined


def join_alleles(pieces: Iterable[list[str]]) -> Alleles:
    """Return the alleles of all pieces.

    Raises:
        ValueError: a piece cannot be read, or its lists are of different lengths.
    """
    found = []
    for chrom, gaps, refs, alts in pieces:
        pos, ref, alt = _values(gaps), refs.split(" "), alts.split(" ")
        if not len(pos) == len(ref) == len(alt):
            raise ValueError("lists of different lengths")
        columns = {"chrom": [chrom] * len(pos), "pos": pos, "ref": ref, "alt": alt}
        found.append(pl.DataFrame(columns, schema=ALLELE_SCHEMA))
    return pl.concat(found) if found else no_alleles()


def _values(gaps: str) -> NDArray[np.int64]:
    text, more, rest = gaps.partition(" ")
    first = int(text)
    further = _unsigned(rest) if more else np.empty(0, np.uint64)
    steps = np.concatenate(([np.uint64(first % 2**64)], further))
    with np.errstate(over="ignore"):
        values = np.cumsum(steps, dtype=np.uint64).view(np.int64)
    if values[0] != first or (values[1:] < values[:-1]).any():
        raise ValueError("gaps beyond int64")
    return values


def _unsigned(text: str) -> NDArray[np.uint64]:
    """Return numbers in decimal, one space between: an eighth of the time of `int` on each."""
    if not text.isascii() or not text.replace(" ", "").isdigit():
        raise ValueError("gaps")
    numbers = np.fromstring(text, np.uint64, sep=" ")
    if numbers.size != text.count(" ") + 1:
        raise ValueError("gaps")
    return numbers
