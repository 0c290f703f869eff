"""Genotype states as PLINK files: bed, bim, fam of PLINK 1, and pgen, pvar, psam of PLINK 2.

Both hold two bits a call. Missing and not assayed are one and the same there, a haploid call is the
homozygous one of its allele, and the phase is kept in pgen alone. FID is the site and IID the
person. Pseudo-autosomal positions of X have a chromosome of their own (25; PAR1 and PAR2), because
PLINK takes a man's heterozygous call elsewhere on X for an error.

bed: https://www.cog-genomics.org/plink/1.9/formats#bed, a row an allele, A1 = ALT. pgen: the format
specification of PLINK 2; records of type 0 (two bits a call), with the track of phased
heterozygotes where there are any.
"""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import IO, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.genotype_matrix import StateBlock
from precisionchain.schemas.genome import BUILDS

Bytes = npt.NDArray[np.uint8]

_BED_CHROMS: Final = {"X": "23", "Y": "24", "MT": "26"}
_BED_PAR: Final = "25"
_BED_MAGIC: Final = b"\x6c\x1b\x01"
_PGEN_MAGIC: Final = b"\x6c\x1b\x10"
_PGEN_BLOCK: Final = 1 << 16
_HET: Final = 1

# Codes by 3 x state + ploidy. bed: 0 two copies of ALT, 1 missing, 2 one copy, 3 none.
# pgen: the number of copies, 3 missing.
_BED_CODES: Final = np.array([3, 3, 3, 1, 0, 2, 1, 1, 0, *[1] * 6], np.uint8)
_PGEN_CODES: Final = np.array([0, 0, 0, 3, 2, 1, 3, 3, 2, *[3] * 6], np.uint8)


class BedWriter:
    """Writes bed, bim and fam.

    Args:
        bed: the file of calls.
        bim: the file of alleles.
        fam: the file of persons.
        build: the network's reference build, for the pseudo-autosomal regions.
        persons: the matrix's persons: site, person_id, sex.
    """

    def __init__(
        self, bed: Path, bim: Path, fam: Path, *, build: str, persons: pl.DataFrame
    ) -> None:
        self._build = build
        columns = pl.lit(0), pl.lit(0), "sex", pl.lit(-9)
        lines = persons.select(pl.concat_str("site", "person_id", *columns, separator="\t"))
        fam.write_text("".join(f"{line}\n" for line in lines.to_series()), encoding="utf-8")
        self._bed, self._bim = bed.open("wb"), bim.open("wb")
        self._bed.write(_BED_MAGIC)

    def write(self, block: StateBlock, sites: pl.DataFrame) -> None:
        """Write a block of one chromosome."""
        self._bed.write(_two_bits(_BED_CODES[3 * block.state + block.ploidy]).tobytes())
        rows = _named(block.alleles, sites)
        here = (
            pl.when(_par(self._build))
            .then(pl.lit(_BED_PAR))
            .otherwise(pl.col("chrom").replace(_BED_CHROMS))
        )
        line = pl.concat_str(here, "id", pl.lit(0), "pos", "alt", "ref", separator="\t")
        _write_lines(self._bim, rows.select(line))

    def close(self) -> None:
        """Close the files."""
        self._bed.close()
        self._bim.close()


class PgenWriter:
    """Writes pgen, pvar and psam; arguments as of `BedWriter`.

    The head of a pgen file lists all records, so these wait in a file beside it.
    """

    def __init__(
        self, pgen: Path, pvar: Path, psam: Path, *, build: str, persons: pl.DataFrame
    ) -> None:
        self._build, self._pgen, self._persons = build, pgen, persons.height
        lines = persons.select(pl.concat_str("site", "person_id", "sex", separator="\t"))
        text = "".join(f"{line}\n" for line in ("#FID\tIID\tSEX", *lines.to_series()))
        psam.write_text(text, encoding="utf-8")
        self._pvar = pvar.open("wb")
        self._pvar.write(b"#CHROM\tPOS\tID\tREF\tALT\n")
        self._waiting = pgen.with_name(f"{pgen.name}.records")
        self._records = self._waiting.open("wb")
        self._types: list[int] = []
        self._lengths: list[int] = []

    def write(self, block: StateBlock, sites: pl.DataFrame) -> None:
        """Write a block of one chromosome."""
        codes = _PGEN_CODES[3 * block.state + block.ploidy]
        packed = _two_bits(codes)
        phased = set(np.flatnonzero((block.phase > 0).any(axis=1)).tolist())
        for row, record in enumerate(packed):
            stored, kind = record.tobytes(), 0
            if row in phased:
                track = _phase_track(block.phase[row][codes[row] == _HET])
                stored, kind = stored + track, 0x10 if track else 0
            self._records.write(stored)
            self._types.append(kind)
            self._lengths.append(len(stored))
        rows = _named(block.alleles, sites)
        first = pl.col("pos") < _MIDDLE
        here = (
            pl.when(_par(self._build) & first)
            .then(pl.lit("PAR1"))
            .when(_par(self._build))
            .then(pl.lit("PAR2"))
            .otherwise(pl.col("chrom"))
        )
        line = pl.concat_str(here, "pos", "id", "ref", "alt", separator="\t")
        _write_lines(self._pvar, rows.select(line))

    def close(self) -> None:
        """Write the head, and the records after it."""
        self._pvar.close()
        self._records.close()
        with self._pgen.open("wb") as to, self._waiting.open("rb") as records:
            to.write(self._head())
            shutil.copyfileobj(records, to, 1 << 20)
        self._waiting.unlink()

    def _head(self) -> bytes:
        """Return the head of storage mode 0x10, with types of 8 and lengths of 32 bits."""
        types, lengths = np.array(self._types, np.uint8), np.array(self._lengths, "<u4")
        starts = range(0, len(types), _PGEN_BLOCK)
        size = 12 + 8 * len(starts) + 5 * len(types)
        ends = np.cumsum(lengths, dtype="<u8")
        # 0x07: 8-bit types, 4-byte lengths; 0x40: every REF is known to be the reference allele.
        head = [_PGEN_MAGIC, struct.pack("<2IB", len(types), self._persons, 0x47)]
        head += [struct.pack("<Q", size + (int(ends[at - 1]) if at else 0)) for at in starts]
        for at in starts:
            head += [
                types[at : at + _PGEN_BLOCK].tobytes(),
                lengths[at : at + _PGEN_BLOCK].tobytes(),
            ]
        return b"".join(head)


_MIDDLE: Final = 50_000_000
"""A position of X between its two pseudo-autosomal regions."""


def _phase_track(phases: Bytes) -> bytes:
    """Return a record's track of phased heterozygotes, empty if none is.

    Args:
        phases: of each heterozygous call, in order: 2 = ``0|1``, 3 = ``1|0``, 0 = unphased.

    One bit says whether some are not phased; if so, a bit a heterozygote which; then, from a new
    byte on, a bit a phased one: 1 for ``1|0``. If all are phased, their bits follow the first one
    at once.
    """
    present = phases > 0
    if not present.any():
        return b""
    first = phases == 3
    if present.all():
        return np.packbits(np.concatenate([[False], first]), bitorder="little").tobytes()
    which = np.packbits(np.concatenate([[True], present]), bitorder="little")
    return which.tobytes() + np.packbits(first[present], bitorder="little").tobytes()


def _two_bits(codes: Bytes) -> Bytes:
    """Return codes [alleles, persons] of 0 to 3 packed, four a byte, the first lowest."""
    rows, persons = codes.shape
    padded = np.zeros((rows, -(-persons // 4) * 4), np.uint8)
    padded[:, :persons] = codes
    four = padded.reshape(rows, -1, 4)
    packed: Bytes = four[..., 0] | four[..., 1] << 2 | four[..., 2] << 4 | four[..., 3] << 6
    return packed


def _named(alleles: pl.DataFrame, sites: pl.DataFrame) -> pl.DataFrame:
    """Return alleles with an id: the site's, else ``chrom:pos:ref:alt``.

    Alleles of one record have one id at the site; they are named by what they are.
    """
    key = pl.concat_str("chrom", "pos", "ref", "alt", separator=":")
    own = pl.when(pl.col("n_alts") == 1).then(pl.col("id"))
    rows = alleles.with_columns(sites["id"], sites["n_alts"])
    return rows.with_columns(pl.coalesce(own, key).alias("id"))


def _par(build: str) -> pl.Expr:
    """Return whether an allele is pseudo-autosomal on X."""
    inside = [
        pl.col("pos").is_between(first, last)
        for chrom, first, last in BUILDS[build].par
        if chrom == "X"
    ]
    return (pl.col("chrom") == "X") & pl.any_horizontal(inside)


def pseudo_autosomal(build: str, alleles: pl.DataFrame) -> pl.Series:
    """Return, for each allele, whether it is pseudo-autosomal on X."""
    return alleles.select(_par(build)).to_series()


def _write_lines(to: IO[bytes], lines: pl.DataFrame) -> None:
    to.write("".join(f"{line}\n" for line in lines.to_series()).encode())
