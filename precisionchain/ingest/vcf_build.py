"""Is a file on the reference build it is said to be on?

Two kinds of evidence: the contig lengths of its header, and the reference bases it gives at known
sites. ``build_sites.tsv`` holds 6,115 common exonic SNVs of chromosomes 1 to 22 whose position
differs between GRCh37 and GRCh38 and whose reference base does not. A file on the right build has
many of them, all with the known base; on the other build it meets a few by chance, and the bases
agree in one case of three or four.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.errors import BuildMismatchError
from precisionchain.ingest.vcf_scan import Scan
from precisionchain.schemas.genome import BUILDS, GRCH38, fold_chrom, matching_builds

BuildProof = Literal["contig-lengths", "reference-alleles", "unverified"]

PROVEN_SITES: Final = 10
PROVEN_SHARE: Final = 0.99
"""Reference bases prove a build when at least so many sites, and this share of those met, agree."""

DOUBTFUL_SITES: Final = 20
DOUBTFUL_SHARE: Final = 0.9
"""REF is not the reference when at least so many sites are met and fewer than this share agree."""


_NONE: Final = (np.empty(0, dtype=np.int64), np.empty(0, dtype="U1"))


@cache
def known_sites(build: str) -> dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.str_]]]:
    """Return chromosome -> (sorted positions on a build, reference bases)."""
    text = files("precisionchain.ingest").joinpath("build_sites.tsv").read_text("ascii")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    column = {"GRCh37": 1, "GRCh38": 2}[build]
    sites = {}
    for chrom in dict.fromkeys(row[0] for row in rows):
        of_chrom = sorted((int(row[column]), row[3]) for row in rows if row[0] == chrom)
        positions, bases = zip(*of_chrom, strict=True)
        sites[chrom] = (np.array(positions, dtype=np.int64), np.array(bases, dtype="U1"))
    return sites


@dataclass(slots=True)
class Evidence:
    """Known sites met by a file: build -> [met, with the known reference base]."""

    sites: dict[str, list[int]] = field(
        default_factory=lambda: {name: [0, 0] for name in sorted(BUILDS)}
    )

    def add(
        self, chrom: str, pos: npt.NDArray[np.int32], ref: pa.ChunkedArray[pa.StringScalar]
    ) -> None:
        """Take alleles of one chromosome, in order of their position."""
        once = np.concatenate(([True], pos[1:] != pos[:-1])) if len(pos) else np.zeros(0, np.bool_)
        for build, count in self.sites.items():
            positions, bases = known_sites(build).get(chrom, _NONE)
            at = np.searchsorted(positions, pos)
            inside = once & (at < len(positions))
            met = np.flatnonzero(inside)[positions[at[inside]] == pos[inside]]
            first = np.array([str(text)[:1] for text in ref.take(met).to_pylist()], "U1")
            count[0] += len(met)
            count[1] += int((first == bases[at[met]]).sum())

    def proves(self, build: str) -> bool:
        """Whether the known sites prove a build."""
        met, agree = self.sites[build]
        return agree >= PROVEN_SITES and agree >= PROVEN_SHARE * met

    def doubts(self, build: str) -> bool:
        """Whether REF is often not the reference base: so in files that PLINK has written."""
        met, agree = self.sites[build]
        return met >= DOUBTFUL_SITES and agree < DOUBTFUL_SHARE * met


def builds_by_lengths(scan: Scan) -> frozenset[str] | None:
    """Return the builds that a header's contig lengths allow; None where they say nothing.

    The contigs that have records decide; if none of them is known with a length, all do.

    Raises:
        BuildMismatchError: there are records of a mitochondrion that is not the reference's.
    """
    declared = {name: length for name, length in scan.header.contigs.items() if length}
    used = {segment.chrom for segment in scan.segments}
    of_used = {name: length for name, length in declared.items() if fold_chrom(name) in used}
    mitochondria = {length for name, length in of_used.items() if fold_chrom(name) == "MT"}
    if mitochondria - {GRCH38.lengths["MT"]}:
        raise BuildMismatchError(
            "the header's mitochondrion is not the revised Cambridge sequence (16569 bp) that "
            "GRCh37 and GRCh38 share",
            where=str(scan.path),
            hint="UCSC's hg19 carries another one as chrM (16571 bp); leave its records out",
        )
    for contigs in (of_used, declared):
        builds = matching_builds(contigs)
        if builds != frozenset(BUILDS):
            return builds
    # Nothing but the mitochondrion: the same sequence on both builds.
    return frozenset(BUILDS) if mitochondria and used == {"MT"} else None


def contradict_early(scan: Scan, build: str) -> None:
    """Refuse a file whose contig lengths are those of another build, before it is read.

    Raises:
        BuildMismatchError: they are.
    """
    builds = builds_by_lengths(scan)
    if builds and build not in builds:
        raise BuildMismatchError(
            f"the contig lengths are those of {', '.join(builds)}, not of {build}",
            where=str(scan.path),
            hint="name the build the file was made on, or lift it over",
        )


def judge(scan: Scan, evidence: Evidence, build: str, *, build_unverified: bool) -> BuildProof:
    """Return how a file's build is proven.

    Raises:
        BuildMismatchError: the evidence contradicts ``build``, or there is none and
            ``build_unverified`` is not set.
    """
    for other in BUILDS:
        if other != build and evidence.proves(other):
            raise BuildMismatchError(
                f"the reference alleles are those of {other}, not of {build}",
                where=str(scan.path),
                hint="name the build the file was made on, or lift it over",
            )
    builds = builds_by_lengths(scan)
    met, agree = evidence.sites[build]
    if not evidence.doubts(build):
        if builds and build in builds:
            return "contig-lengths"
        if evidence.proves(build):
            return "reference-alleles"
    if builds is not None and build not in builds:
        raise BuildMismatchError(
            "the contig lengths fit neither GRCh37 nor GRCh38, and too few reference alleles at "
            "known sites can speak for the build",
            where=str(scan.path),
            hint="correct the ##contig lines with `bcftools reheader`",
        )
    if build_unverified:
        return "unverified"
    if evidence.doubts(build):
        raise BuildMismatchError(
            f"REF is the reference base of {build} at {agree} of {met} known sites only",
            where=str(scan.path),
            hint=f"mend REF with {scan.tools.mend_ref}, or say --build-unverified, which will be "
            "published",
        )
    raise BuildMismatchError(
        f"nothing proves that the file is on {build}: no contig lengths, and {agree} reference "
        f"alleles at known sites",
        where=str(scan.path),
        hint=("" if scan.is_plink else "add ##contig lines, or ")
        + "say --build-unverified, which will be published",
    )


def weakest(proofs: list[BuildProof]) -> BuildProof:
    """Return what a batch of files has for a proof: the weakest of theirs."""
    order: tuple[BuildProof, ...] = ("unverified", "reference-alleles", "contig-lengths")
    return min(proofs, key=order.index)
