"""Is a file on the build it is said to be on?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from precisionchain.errors import BuildMismatchError
from precisionchain.ingest.vcf_build import (
    Evidence,
    builds_by_lengths,
    contradict_early,
    judge,
    known_sites,
    weakest,
)
from precisionchain.ingest.vcf_scan import Scan, scan
from tests.lib.vcf_builder import vcf_text, write_text

BOTH = frozenset(("GRCh37", "GRCh38"))


def scanned(folder: Path, *specs: str, build: str | None, swap: tuple[str, str] = ("", "")) -> Scan:
    text = vcf_text(*(specs or ("9:5 A G 0 0",)), build=build).replace(*swap)
    return scan(write_text(folder / "f.vcf", text))


def evidence(build: str, n: int, *, wrong: int = 0, chrom: str = "1") -> Evidence:
    """A file with ``n`` known sites of a build, of which ``wrong`` have another base in REF."""
    positions, bases = known_sites(build)[chrom]
    refs = [("T" if b == "A" else "A") if i < wrong else str(b) for i, b in enumerate(bases[:n])]
    found = Evidence()
    found.add(chrom, positions[:n].astype(np.int32), pa.chunked_array([refs]))
    return found


def test_the_table_of_sites_tells_the_builds_apart() -> None:
    old, new = known_sites("GRCh37"), known_sites("GRCh38")
    assert set(old) == set(new) == {str(n) for n in range(1, 23)}
    for chrom in old:
        assert not set(old[chrom][0].tolist()) & set(new[chrom][0].tolist())
        assert (np.diff(old[chrom][0]) > 0).all()
        assert (np.diff(new[chrom][0]) > 0).all()
        assert set(old[chrom][1].tolist()) <= set("ACGT")
    assert sum(len(sites[0]) for sites in old.values()) == 6_115


def test_contig_lengths(tmp_path: Path) -> None:
    for build in sorted(BOTH):
        assert builds_by_lengths(scanned(tmp_path, build=build)) == frozenset({build})
    assert builds_by_lengths(scanned(tmp_path, build=None)) is None
    other = scanned(tmp_path, build="GRCh37", swap=("length=141213431", "length=141213430"))
    assert builds_by_lengths(other) == frozenset()


def test_only_contigs_with_records_decide(tmp_path: Path) -> None:
    """A header may carry a wrong length of a chromosome that the file has not."""
    swap = ("##INFO", "##contig=<ID=15,length=90338345>\n##INFO")
    assert builds_by_lengths(scanned(tmp_path, build="GRCh38", swap=swap)) == frozenset({"GRCh38"})


def test_the_mitochondrion_is_that_of_both_builds(tmp_path: Path) -> None:
    assert builds_by_lengths(scanned(tmp_path, "chrM:5 A G 0 0", build="GRCh37")) == BOTH
    swap = ("length=16569", "length=16571")
    with pytest.raises(BuildMismatchError, match="Cambridge"):
        builds_by_lengths(scanned(tmp_path, "chrM:5 A G 0 0", build="GRCh37", swap=swap))


def test_known_sites_prove_or_raise_doubt() -> None:
    assert evidence("GRCh37", 10).proves("GRCh37")
    assert not evidence("GRCh37", 9).proves("GRCh37")
    assert evidence("GRCh37", 200, wrong=2).proves("GRCh37")
    assert not evidence("GRCh37", 200, wrong=3).proves("GRCh37")
    assert evidence("GRCh37", 20, wrong=3).doubts("GRCh37")
    assert not evidence("GRCh37", 20, wrong=2).doubts("GRCh37")
    assert not evidence("GRCh37", 19, wrong=9).doubts("GRCh37")


def test_a_site_counts_once_however_many_alleles_it_has() -> None:
    positions, bases = known_sites("GRCh38")["22"]
    found = Evidence()
    refs = [str(bases[0])] * 3 + [str(bases[1]) + "TT"]
    found.add("22", positions[[0, 0, 0, 1]].astype(np.int32), pa.chunked_array([refs]))
    found.add("X", positions[:2].astype(np.int32), pa.chunked_array([["A", "C"]]))
    assert found.sites == {"GRCh37": [0, 0], "GRCh38": [2, 2]}


def test_lengths_of_another_build_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    found = scanned(tmp_path, build="GRCh38")
    contradict_early(found, "GRCh38")
    with pytest.raises(BuildMismatchError, match="are those of GRCh38, not of GRCh37"):
        contradict_early(found, "GRCh37")


# lengths of, known sites of, number, wrong, message without --build-unverified, with it
UNPROVEN = {
    "nothing": (None, None, 0, 0, "nothing proves", None),
    "too few sites": (None, "GRCh37", 9, 0, "nothing proves", None),
    "REF is not the reference": (None, "GRCh37", 50, 20, "at 30 of 50 known sites only", None),
    "lengths, but so is REF": ("GRCh37", "GRCh37", 50, 20, "at 30 of 50 known", None),
    "sites of the other": (None, "GRCh38", 50, 0, "are those of GRCh38", "GRCh38"),
    "lengths, but sites of the other": ("GRCh37", "GRCh38", 50, 0, "of GRCh38", "GRCh38"),
}


@pytest.mark.parametrize("case", UNPROVEN)
def test_unproven_may_be_taken_on_trust_and_contradicted_may_not(tmp_path: Path, case: str) -> None:
    lengths, sites, number, wrong, message, anyway = UNPROVEN[case]
    found = scanned(tmp_path, build=lengths)
    seen = evidence(sites, number, wrong=wrong) if sites else Evidence()
    with pytest.raises(BuildMismatchError, match=message):
        judge(found, seen, "GRCh37", build_unverified=False)
    if anyway is None:
        assert judge(found, seen, "GRCh37", build_unverified=True) == "unverified"
    else:
        with pytest.raises(BuildMismatchError, match=anyway):
            judge(found, seen, "GRCh37", build_unverified=True)


@pytest.mark.parametrize("trust", [False, True])
def test_proofs(tmp_path: Path, trust: bool) -> None:
    with_lengths, without = (scanned(_folder(tmp_path, b), build=b) for b in ("GRCh37", None))
    for found, seen, proof in (
        (with_lengths, Evidence(), "contig-lengths"),
        (with_lengths, evidence("GRCh37", 50), "contig-lengths"),
        (without, evidence("GRCh37", 50), "reference-alleles"),
    ):
        assert judge(found, seen, "GRCh37", build_unverified=trust) == proof


def _folder(parent: Path, name: str | None) -> Path:
    path = parent / str(name)
    path.mkdir()
    return path


def test_lengths_of_no_build_need_sites(tmp_path: Path) -> None:
    found = scanned(tmp_path, build="GRCh37", swap=("length=141213431", "length=5"))
    assert judge(found, evidence("GRCh37", 10), "GRCh37", build_unverified=False) == (
        "reference-alleles"
    )
    with pytest.raises(BuildMismatchError, match="fit neither"):
        judge(found, Evidence(), "GRCh37", build_unverified=True)


def test_a_batch_is_proven_as_its_weakest_file() -> None:
    assert weakest(["contig-lengths", "reference-alleles"]) == "reference-alleles"
    assert weakest(["unverified", "contig-lengths"]) == "unverified"
    assert weakest(["contig-lengths"]) == "contig-lengths"
