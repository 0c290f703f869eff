"""The human reference genome: builds, chromosome names, pseudo-autosomal regions, bins and tiles.

Positions are 1-based and intervals are closed, as in VCF, unless a docstring says otherwise.

>>> fold_chrom("chrM"), fold_chrom("NC_000009.11"), fold_chrom("GL000191.1")
('MT', '9', 'GL000191.1')
>>> bin_name("VAR", "9", 22_098_574)
'VAR_9_16777217_33554432'
>>> tile_of(22_098_574)
1348
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from precisionchain.errors import RegionError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

AUTOSOMES: Final = tuple(str(n) for n in range(1, 23))
CHROMOSOMES: Final = (*AUTOSOMES, "X", "Y", "MT")
"""Canonical names in genome order; every other contig sorts after these, by name."""

MAX_POSITION: Final = 2**31 - 1
"""The largest position VCF and BCF can hold (VCF 4.4, section 1.6.1)."""

BIN_BITS: Final = 24
"""A bin, the range of one variant stream, is 2^24 = 16,777,216 bp."""

TILE_BITS: Final = 14
"""A tile, the unit by which variants are keyed and cut, is 2^14 = 16,384 bp."""


@dataclass(frozen=True, slots=True)
class Build:
    """One reference assembly.

    Attributes:
        name: ``GRCh37`` or ``GRCh38``.
        lengths: canonical chromosome -> length in bp, from the assembly report.
        par: closed pseudo-autosomal intervals (chromosome, first, last), from the Genome
            Reference Consortium's page of the assembly.
    """

    name: str
    lengths: Mapping[str, int]
    par: tuple[tuple[str, int, int], ...]


def _lengths(*values: int) -> Mapping[str, int]:
    return MappingProxyType(dict(zip(CHROMOSOMES, values, strict=True)))


# fmt: off
GRCH37: Final = Build(
    name="GRCh37",
    lengths=_lengths(
        249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022,
        141213431, 135534747, 135006516, 133851895, 115169878, 107349540, 102531392, 90354753,
        81195210, 78077248, 59128983, 63025520, 48129895, 51304566, 155270560, 59373566, 16569,
    ),
    par=(
        ("X", 60001, 2699520), ("X", 154931044, 155260560),
        ("Y", 10001, 2649520), ("Y", 59034050, 59363566),
    ),
)
GRCH38: Final = Build(
    name="GRCh38",
    lengths=_lengths(
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636,
        138394717, 133797422, 135086622, 133275309, 114364328, 107043718, 101991189, 90338345,
        83257441, 80373285, 58617616, 64444167, 46709983, 50818468, 156040895, 57227415, 16569,
    ),
    par=(
        ("X", 10001, 2781479), ("X", 155701383, 156030895),
        ("Y", 10001, 2781479), ("Y", 56887903, 57217415),
    ),
)
# fmt: on

BUILDS: Final[Mapping[str, Build]] = MappingProxyType({b.name: b for b in (GRCH37, GRCH38)})

_BUILD_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("grch37", "hg19", "b37", "hs37d5", "37"), "GRCh37"),
        **dict.fromkeys(("grch38", "hg38", "b38", "hs38dh", "38"), "GRCh38"),
    }
)


def _aliases() -> dict[str, str]:
    """Lower-cased name without ``chr`` -> canonical name; 23 to 26 are PLINK's numbers."""
    names = {name.lower(): name for name in CHROMOSOMES}
    names |= {f"0{n}": str(n) for n in range(1, 10)}
    names |= {"m": "MT", "23": "X", "24": "Y", "25": "X", "xy": "X", "26": "MT"}
    return names


_CHROM_ALIASES: Final = MappingProxyType(_aliases())
_RANK: Final = MappingProxyType({name: rank for rank, name in enumerate(CHROMOSOMES)})
_REFSEQ = re.compile(r"NC_0000(\d\d)\.\d+", re.ASCII)


def fold_build(name: str) -> str:
    """Return the canonical build of ``name`` (``hg19`` is ``GRCh37``).

    Raises:
        RegionError: the build is not one we know.
    """
    key = name.strip().lower().partition(".")[0]
    if key not in _BUILD_ALIASES:
        raise RegionError(
            f"unknown reference build {name!r}", hint=f"one of {', '.join(sorted(BUILDS))}"
        )
    return _BUILD_ALIASES[key]


def fold_chrom(name: str) -> str:
    """Return the canonical name of a chromosome; other contigs are returned as written.

    ``chr`` prefixes, case, leading zeros, PLINK's 23 to 26 and RefSeq accessions are folded.
    """
    if name in _RANK:
        return name
    if name == "NC_012920.1":
        return "MT"
    refseq = _REFSEQ.fullmatch(name)
    key = refseq[1] if refseq else name.lower().removeprefix("chr")
    return _CHROM_ALIASES.get(key, name)


def chrom_rank(chrom: str) -> tuple[int, str]:
    """Sort key of a canonical chromosome: 1 to 22, X, Y, MT, then other contigs by name."""
    return _RANK.get(chrom, len(_RANK)), chrom


def matching_builds(contigs: Mapping[str, int]) -> frozenset[str]:
    """Return the builds that the contig lengths of a header allow.

    Args:
        contigs: contig name as written -> length. The mitochondrion is left out (UCSC's hg19
            carries another sequence under that name), and so are contigs we do not know.

    Returns:
        Names of the builds in which every known contig has the length given. Both names if no
        contig is known (nothing proven), none if the lengths fit neither build.
    """
    known = {fold_chrom(name): length for name, length in contigs.items()}
    known = {name: length for name, length in known.items() if name in _RANK and name != "MT"}
    return frozenset(
        build.name
        for build in BUILDS.values()
        if all(build.lengths[name] == length for name, length in known.items())
    )


def in_par(build: str, chrom: str, positions: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return, for each position of one chromosome, whether it is pseudo-autosomal.

    Args:
        build: canonical build name.
        chrom: canonical chromosome.
        positions: integers of any shape; the answer has the same shape.
    """
    import numpy as np

    pos = np.asarray(positions)
    inside = np.zeros(pos.shape, dtype=np.bool_)
    for name, first, last in BUILDS[build].par:
        if name == chrom:
            inside |= (pos >= first) & (pos <= last)
    return inside


def expected_ploidy(build: str, chrom: str, pos: int, *, male: bool) -> int:
    """Return how many copies of a position a person has: 2, 1 or 0 (Y of a woman)."""
    if chrom == "MT":
        return 1
    if chrom not in ("X", "Y") or bool(in_par(build, chrom, pos)):
        return 2
    if chrom == "X":
        return 1 if male else 2
    return 1 if male else 0


def bin_of(pos: int) -> int:
    """Return the 0-based bin of a position; VCF's position 0 (telomere) falls into bin 0."""
    return max(pos - 1, 0) >> BIN_BITS


def bin_span(index: int) -> tuple[int, int]:
    """Return the closed interval (first, last) of a bin."""
    return (index << BIN_BITS) + 1, (index + 1) << BIN_BITS


def bin_name(family: str, chrom: str, pos: int) -> str:
    """Return the name, without bucket, of the stream that holds a position."""
    first, last = bin_span(bin_of(pos))
    return f"{family}_{chrom}_{first}_{last}"


def bins_of(start: int, end: int) -> range:
    """Return the bins that a closed interval touches."""
    return range(bin_of(start), bin_of(end) + 1)


def tile_of(pos: int) -> int:
    """Return the 0-based tile of a position; VCF's position 0 falls into tile 0."""
    return max(pos - 1, 0) >> TILE_BITS


def tiles(positions: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the tile of each position (int32, same shape)."""
    shifted: npt.NDArray[np.int32] = (positions - 1).clip(0) >> TILE_BITS
    return shifted


def bins(positions: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the bin of each position (int32, same shape)."""
    shifted: npt.NDArray[np.int32] = (positions - 1).clip(0) >> BIN_BITS
    return shifted
