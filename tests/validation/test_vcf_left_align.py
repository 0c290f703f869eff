"""Left alignment against ``bcftools norm -f FASTA -m-``, on generated and on real records."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import precisionchain as pc
from precisionchain.errors import ParameterMismatchError, UsageError
from precisionchain.ingest.fasta import Fasta, Reference
from precisionchain.ingest.stage_vcf import Normalising, stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.schemas.genome import BUILDS
from tests.lib.vcf_builder import header, write_map, write_text
from tests.validation.test_vcf_staging import Staged, read_rows

LEFT = ("split", "trim", "left-align")
CHROM = "22"
Row = tuple[int, str, str]


def normed(fasta: Path, vcf: Path) -> list[tuple[Row, list[str]]]:
    """Each ALT but ``*`` as bcftools norm prints it, upper case, with its calls."""
    norm = ["bcftools", "norm", "-f", str(fasta), "-m-", str(vcf)]
    done = subprocess.run(norm, capture_output=True, check=True, text=True)
    found = []
    for line in done.stdout.splitlines():
        if not line.startswith("#"):
            cells = line.split("\t")
            row = (int(cells[1]), cells[3].upper(), cells[4].upper())
            found.append((row, [cell.partition(":")[0] for cell in cells[9:]]))
    return sorted(found, key=lambda one: one[0])


def write_fasta(path: Path, sequence: str, width: int, name: str = CHROM) -> Path:
    lines = [sequence[i : i + width] for i in range(0, len(sequence), width)]
    path.write_text(f">other\nACGT\n>chr{name} text\n" + "\n".join(lines) + "\n", "ascii")
    return path


def stage(folder: Path, vcf: Path, fasta: Path, digests: dict[str, str], n: int = 2) -> Run:
    names = [f"s{i}" for i in range(n)]
    return stage_vcf(
        Staging(folder / "staging"),
        [vcf],
        VcfSettings(
            samples=write_map(
                folder / "map.csv", *(f"{name},{i + 1},0" for i, name in enumerate(names))
            ),
            build="GRCh37",
            build_unverified=True,
        ),
        Normalising(LEFT, Reference(fasta, digests)),
    )


def own_digests(fasta: Path) -> dict[str, str]:
    return {CHROM: Fasta.open(fasta).digest(CHROM)}


units = st.tuples(st.text("ACGT", min_size=1, max_size=4), st.integers(1, 9))
sequences = st.lists(units, min_size=12, max_size=40).map(lambda us: "".join(u * n for u, n in us))


@st.composite
def records(draw: st.DrawFn) -> tuple[str, list[tuple[int, str, list[str]]]]:
    """A sequence with repeats, and records that insert, delete and change pieces of it."""
    sequence = draw(sequences)
    found = []
    for _ in range(draw(st.integers(1, 12))):
        pos = draw(st.one_of(st.integers(1, 3), st.integers(1, len(sequence) - 1)))
        ref = sequence[pos - 1 : pos - 1 + draw(st.integers(1, 8))]
        after = sequence[pos - 1 + len(ref) : pos + 3 + len(ref)]
        choices = st.one_of(
            st.sampled_from([ref[:k] for k in range(1, len(ref) + 1)]),
            st.sampled_from([ref[k:] for k in range(len(ref))]),
            st.just(ref + after),
            st.text("ACGT", min_size=1, max_size=5),
        )
        alts = draw(st.lists(choices, min_size=1, max_size=2, unique=True))
        alts = [alt for alt in alts if alt != ref]
        if alts:
            found.append((pos, ref, alts))
    return sequence, sorted(found)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(drawn=records(), width=st.sampled_from((7, 60, 1000)))
def test_generated_records_are_where_bcftools_puts_them(
    tmp_path_factory: pytest.TempPathFactory, drawn: Any, width: int
) -> None:
    sequence, found = drawn
    if not found:
        return
    folder = tmp_path_factory.mktemp("left")
    lower = "".join(c.lower() if i % 5 == 0 else c for i, c in enumerate(sequence))
    fasta = write_fasta(folder / "ref.fa", lower, width)
    text = header((f"chr{CHROM}",), samples=("s0", "s1"), build=None)
    for pos, ref, alts in found:
        # The same call of every ALT, so that equal alleles of two records collapse.
        line = [
            f"chr{CHROM}",
            str(pos),
            ".",
            ref,
            ",".join(alts),
            ".",
            ".",
            ".",
            "GT",
            "0/0",
            "./.",
        ]
        text += "\t".join(line) + "\n"
    vcf = write_text(folder / "a.vcf", text)
    run = stage(folder, vcf, fasta, own_digests(fasta))
    got = [(row["pos"], row["ref"], row["alt"]) for row in read_rows(run, "sites")]
    assert got == sorted({row for row, _ in normed(fasta, vcf)})
    assert not read_rows(run, "refused")


def pseudo_reference(folder: Path, vcf: Path) -> Path:
    """A chromosome with repeats everywhere but where the records of a file say what it holds."""
    length = BUILDS["GRCh37"].lengths[CHROM]
    rng = np.random.default_rng(7)
    runs = rng.integers(1, 6, length)
    bases = np.repeat(rng.integers(0, 4, length), runs)[:length]
    sequence = np.frombuffer(b"ACGT", np.uint8)[bases].copy()
    query = ["bcftools", "query", "-f", "%POS\t%REF\n", str(vcf)]
    for line in subprocess.run(query, capture_output=True, check=True, text=True).stdout.split(
        "\n"
    ):
        if line:
            pos, ref = line.split("\t")
            start = int(pos) - 1
            sequence[start : start + len(ref)] = np.frombuffer(ref.upper().encode(), np.uint8)
    lines = [sequence[i : i + 60].tobytes() + b"\n" for i in range(0, length, 60)]
    path = folder / "22.fa"
    path.write_bytes(b">22\n" + b"".join(lines))
    return path


def test_real_records_and_their_calls(shared_data: Path, tmp_path: Path) -> None:
    """1000 Genomes chromosome 22, 1,126 persons, in a network founded with the FASTA."""
    source = shared_data / "kg_uwgac_phase3_subset/vcf/1KG_phase3_subset_chr22.vcf.gz"
    fasta = pseudo_reference(tmp_path, source)
    site = pc.Site.init(
        tmp_path / "site", site="A", build="GRCh37", normalise=LEFT, reference=fasta
    )
    names = subprocess.run(
        ["bcftools", "query", "-l", str(source)], capture_output=True, check=True, text=True
    ).stdout.split()
    samples = write_map(
        tmp_path / "map.csv", *(f"{name},{i + 1},0" for i, name in enumerate(names))
    )
    options: dict[str, Any] = {"samples": samples, "build": "GRCh37", "build_unverified": True}
    with pytest.raises(UsageError, match="by a reference"):
        site.stage_vcf(source, qc="none", **options)
    name = site.stage_vcf(source, qc="none", reference=fasta, **options)
    run = site.staging.read(name)
    scanned = Fasta.open(fasta)
    expected = [one for one in normed(fasta, source) if one[0][2] != "*"]
    assert fasta.with_suffix(".fa.fai").exists()  # by bcftools, and read from here on
    assert Fasta.open(fasta).contigs == scanned.contigs
    staged = Staged.of(run)
    rows = sorted(staged.sites.values(), key=lambda row: (row["pos"], row["ref"], row["alt"]))
    assert [(row["pos"], row["ref"], row["alt"]) for row in rows] == [one[0] for one in expected]
    moved = run.description["statistics"]["normalised"]["left_aligned_alleles"]
    assert moved == sum(row["pos"] < row["record_pos"] for row in rows) > 0
    for row, (_, calls) in zip(rows, expected, strict=True):
        assert row["ac"] == sum(call.replace("|", "/").split("/").count("1") for call in calls)


def test_a_ref_that_is_not_the_reference_is_refused_with_its_line(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "ref.fa", "ACGTACGTTTTTTTACGR", 10)
    lines = (
        "3 G A",  # as it is
        "5 AC A",
        "6 A AC",  # is C there
        "9 TTT T",
        "10 TTA T",  # the last base is T there
        "18 R T",  # an ambiguity code, in both
    )
    text = header((CHROM,), samples=("s0", "s1"), build=None)
    for line in lines:
        pos, ref, alt = line.split()
        cells = (CHROM, pos, ".", ref, alt, ".", ".", ".", "GT", "0/1", "1|1")
        text += "\t".join(cells) + "\n"
    text += "\t".join(("21", "5", ".", "A", "G", ".", ".", ".", "GT", "0/1", "0/0")) + "\n"
    vcf = write_text(tmp_path / "a.vcf", text)
    run = stage(tmp_path, vcf, fasta, own_digests(fasta))
    first = text[: text.index(f"\n{CHROM}\t3\t")].count("\n") + 2
    refused = [(row["line"] - first, row["rule"]) for row in read_rows(run, "refused")]
    assert refused == [
        (2, "reference_mismatch"),
        (4, "reference_mismatch"),
        (6, "no_reference"),
    ]
    got = [(row["pos"], row["ref"], row["alt"]) for row in read_rows(run, "sites")]
    assert got == [(3, "G", "A"), (5, "AC", "A"), (7, "GTT", "G"), (18, "A", "T")]


def test_an_allele_that_would_move_too_far_is_refused(tmp_path: Path) -> None:
    sequence = "ACG" + "T" * 12_000 + "ACGT"
    fasta = write_fasta(tmp_path / "ref.fa", sequence, 60)
    text = header((CHROM,), samples=("s0", "s1"), build=None)
    for pos in (9_000, 11_000):
        cells = (CHROM, str(pos), ".", "TT", "T", ".", ".", ".", "GT", "0/1", "1|1")
        text += "\t".join(cells) + "\n"
    run = stage(tmp_path, write_text(tmp_path / "a.vcf", text), fasta, own_digests(fasta))
    assert [row["pos"] for row in read_rows(run, "sites")] == [3]
    assert [row["rule"] for row in read_rows(run, "refused")] == ["left_align_window"]


def test_another_sequence_than_the_networks_is_refused(tmp_path: Path) -> None:
    fasta = write_fasta(tmp_path / "ref.fa", "ACGTACGTTTTTTTACG", 10)
    digests = own_digests(fasta)
    assert digests == own_digests(write_fasta(tmp_path / "lower.fa", "acgtACGTTTTTTTACG", 7))
    other = write_fasta(tmp_path / "other.fa", "ACGTACGTTTTTTTACC", 10)
    text = header((CHROM,), samples=("s0", "s1"), build=None)
    text += "\t".join((CHROM, "3", ".", "G", "A", ".", ".", ".", "GT", "0/1", "1|1")) + "\n"
    vcf = write_text(tmp_path / "a.vcf", text)
    with pytest.raises(ParameterMismatchError, match="contig 22 is not the sequence"):
        stage(tmp_path, vcf, other, digests)
