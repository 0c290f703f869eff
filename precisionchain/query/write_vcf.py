"""Genotype states as VCF 4.2: a biallelic record an allele, as the network stores them.

GT is phased where the network keeps the phase, and of one allele where there is one copy. Who was
not called has ``.`` or ``./.`` (one copy expected, or two); who was not assayed has the same and
``not_assayed`` as FT, which other records leave out. AC and AN are those of the file's persons.
FILTER and QUAL are missing, because batches differ in them. Structural alleles have their symbolic
ALT, and in INFO what the network holds in its text (`structural_fields`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain import __version__
from precisionchain.query.genotype_matrix import StateBlock
from precisionchain.query.genotyped import MISSING, NOT_ASSAYED
from precisionchain.query.structural_fields import HEADER, SITE_FIELDS, info_text, written_alt
from precisionchain.schemas.bgzf import BgzfWriter
from precisionchain.schemas.genome import BUILDS, expected_ploidy, in_par

MALE: Final = 1
_OUTSIDE_PAR: Final = 20_000_000

_CODES: Final = 75
"""Codes of a cell: 15 x state + 5 x ploidy + phase; as many again where one copy is expected."""

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


class VcfWriter:
    """Writes a header, then blocks of one chromosome each.

    Args:
        path: where it is written; block-compressed if it ends in ``.gz``, or as a partial file of
            such a name (``x.vcf.gz.<token>.partial``).
        build: the network's reference build.
        chroms: the contigs of the alleles that will be written.
        persons: the matrix's persons: site, person_id, sex.
    """

    def __init__(
        self, path: Path, *, build: str, chroms: Iterable[str], persons: pl.DataFrame
    ) -> None:
        self._build = build
        self._file = path.open("wb")
        self._packed = BgzfWriter(self._file) if ".gz" in path.suffixes else None
        self._to = self._packed or self._file
        self._males = (persons["sex"] == MALE).to_numpy()
        self._to.write(_header(build, chroms, persons).encode())

    def write(self, block: StateBlock, sites: pl.DataFrame) -> None:
        """Write a block's alleles.

        Args:
            block: the states.
            sites: id (may be null) and columns of `structural_fields.SITE_FIELDS`, a row an allele.
        """
        codes = 15 * block.state + 5 * block.ploidy + block.phase
        codes += np.uint8(_CODES) * expect_one_copy(self._build, block.alleles, self._males)
        unassayed = (block.state == NOT_ASSAYED).any(axis=1)
        lines = _fixed_fields(block, sites, unassayed)
        for row, (line, with_filter) in enumerate(zip(lines, unassayed.tolist(), strict=True)):
            cells = (_FILTERED if with_filter else _PLAIN)[codes[row]].tobytes()
            self._to.write(line.encode() + cells.translate(None, b"\0") + b"\n")

    def close(self) -> None:
        """Finish the file."""
        if self._packed is not None:
            self._packed.close()
        self._file.close()


def expect_one_copy(build: str, alleles: pl.DataFrame, males: Bools) -> Bools:
    """Return [alleles, persons]: where a person has one copy at most; alleles of one chromosome."""
    chrom = alleles["chrom"][0]
    copies = [expected_ploidy(build, chrom, _OUTSIDE_PAR, male=male) for male in (False, True)]
    single = np.where(males, copies[1] < 2, copies[0] < 2)
    outside: Bools = ~in_par(build, chrom, alleles["pos"].to_numpy())
    both: Bools = outside[:, None] & single
    return both


def _cell_texts(width: int, *, with_filter: bool) -> npt.NDArray[np.bytes_]:
    """Return a cell's text, with the tab before it, by its code."""
    texts = np.zeros(2 * _CODES, f"S{width}")
    for expected_one in (0, 1):
        none = "." if expected_one else "./."
        for state, phase in ((s, p) for s in range(5) for p in range(5)):
            for ploidy in range(3):
                if state >= MISSING or ploidy == 0:
                    text = none
                elif ploidy == 1:
                    text = str(min(state, 1))
                else:
                    text = ("0/0", "0/1", "1/1")[state]
                    text = (text, "0|0", "0|1", "1|0", "1|1")[phase]
                if state == NOT_ASSAYED and with_filter:
                    text += ":not_assayed"
                texts[_CODES * expected_one + 15 * state + 5 * ploidy + phase] = f"\t{text}"
    return texts


_PLAIN: Final = _cell_texts(4, with_filter=False)
_FILTERED: Final = _cell_texts(16, with_filter=True)


def _fixed_fields(block: StateBlock, sites: pl.DataFrame, unassayed: Bools) -> list[str]:
    """Return the first nine fields of each line."""
    called = block.state < MISSING
    ac = np.where(called, block.state, 0).sum(axis=1, dtype=np.int64)
    an = block.ploidy.sum(axis=1, dtype=np.int64)
    told = [sites[name] for name in SITE_FIELDS if name in sites.columns]
    rows = block.alleles.with_columns(
        sites["id"].fill_null("."),
        *told,
        pl.Series("ac", ac),
        pl.Series("an", an),
        pl.Series("format", np.where(unassayed, "GT:FT", "GT")),
    )
    fields = (
        *("chrom", "pos", "id", "ref", written_alt()),
        *(pl.lit("."), pl.lit(".")),
        pl.concat_str(pl.lit("AC="), "ac", pl.lit(";AN="), "an", info_text(rows.columns)),
        "format",
    )
    return rows.select(pl.concat_str(*fields, separator="\t")).to_series().to_list()


def _header(build: str, chroms: Iterable[str], persons: pl.DataFrame) -> str:
    lengths = BUILDS[build].lengths
    known = [f"ID={name},length={length}" for name, length in lengths.items()]
    others = [f"ID={name}" for name in dict.fromkeys(chroms) if name not in lengths]
    names = persons.select(pl.concat_str("site", "person_id", separator=":")).to_series()
    fixed = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
    lines = [
        "##fileformat=VCFv4.2",
        f"##source=precisionchain {__version__}",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        '##FILTER=<ID=not_assayed,Description="No batch has looked at the person there (in FT)">',
        *(f"##contig=<{contig},assembly={build}>" for contig in (*known, *others)),
        '##INFO=<ID=AC,Number=A,Type=Integer,Description="Alternate alleles of these persons">',
        '##INFO=<ID=AN,Number=1,Type=Integer,Description="Called alleles of these persons">',
        *HEADER,
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=FT,Number=1,Type=String,Description="Why there is no genotype">',
        "\t".join((*fixed, *names.to_list())),
    ]
    return "".join(f"{line}\n" for line in lines)
