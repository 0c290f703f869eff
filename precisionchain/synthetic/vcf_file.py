"""Write records as a block-compressed VCF.

VCF 4.2: https://samtools.github.io/hts-specs/VCFv4.2.pdf.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from precisionchain.schemas.bgzf import BgzfWriter
from precisionchain.schemas.genome import GRCH37
from precisionchain.synthetic.genome import FounderContig
from precisionchain.synthetic.pedigree import Flags, Ints
from precisionchain.synthetic.transmission import Haplotypes

_LEVEL = 4  # of zlib: files of simulated calls hardly shrink above it
_TAB, _PIPE, _DOT, _ZERO = b"\t|.0"


class VcfFile:
    """A file to write phased genotypes to, contig by contig; a context manager.

    Args:
        path: the file.
        chroms: contigs that will come, for the header.
        sample_ids: its columns.
    """

    def __init__(self, path: Path, chroms: Sequence[str], sample_ids: Sequence[str]) -> None:
        self._file = path.open("wb")
        self._to = BgzfWriter(self._file, _LEVEL)
        self._to.write(_header(chroms, sample_ids))

    def __enter__(self) -> VcfFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if error is None:
                self._to.close()

    def write(
        self, contig: FounderContig, sites: Ints, haplotypes: Haplotypes, one_x: Flags
    ) -> None:
        """Write a line for each of some sites.

        Args:
            contig: what the sites are.
            sites: those to write, ascending.
            haplotypes: their calls, int8 [sites written, persons, 2]; -1 where not called.
            one_x: persons whose calls have one allele.
        """
        written = np.ones((len(one_x), 4), dtype=np.bool_)
        written[one_x, 2:] = False
        for row, site in enumerate(sites):
            fields = (
                contig.chrom,
                str(contig.positions[site]),
                contig.ids[site],
                contig.refs[site],
                ",".join(contig.alts[site]),
                ".",
                "PASS",
                ".",
                "GT",
            )
            calls = _calls(haplotypes[row], written if one_x.any() else None)
            self._to.write("\t".join(fields).encode() + calls + b"\n")


def _header(chroms: Sequence[str], sample_ids: Sequence[str]) -> bytes:
    lines = [
        "##fileformat=VCFv4.2",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        *(f"##contig=<ID={name},length={GRCH37.lengths[name]},assembly=GRCh37>" for name in chroms),
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(
            ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *sample_ids]
        ),
    ]
    return "".join(line + "\n" for line in lines).encode()


def _calls(haplotypes: Haplotypes, written: Flags | None) -> bytes:
    """A tab and ``0|1`` for every person; four bytes each, since allele numbers have one digit.

    Of persons with one allele the last two bytes are not ``written``.
    """
    text = np.empty((len(haplotypes), 4), dtype=np.uint8)
    text[:, 0] = _TAB
    text[:, 2] = _PIPE
    text[:, [1, 3]] = np.where(haplotypes < 0, _DOT, haplotypes + _ZERO)
    return text.tobytes() if written is None else text[written].tobytes()
