"""Staged genotypes against bcftools and plink2: every ALT of real files, every person.

The oracle reads the unsplit file (splitting would turn 2/2 into 0/0).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest

from precisionchain.errors import BuildMismatchError, InputError
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_scan import scan
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.schemas.calls import Calls
from precisionchain.schemas.genome import fold_chrom
from precisionchain.schemas.genotypes import unpack_variant_block
from precisionchain.schemas.structural import is_structural
from tests.lib.genotype_text import expected_row, read_lines, shortest


def stage(
    folder: Path, *files: Path, sexes: Mapping[str, int] | None = None, **options: Any
) -> Run:
    """Stage files with a map of all their samples."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = folder / "map.csv"
    names = scan(files[0]).header.samples
    rows = [f"{name},{i + 1},{(sexes or {}).get(name, 0)}" for i, name in enumerate(names)]
    mapping.write_text("\n".join(["sample_id,person_id,sex", *rows, ""]), encoding="utf-8")
    options = {"build": "GRCh37"} | options
    return stage_vcf(Staging(folder / "staging"), files, VcfSettings(samples=mapping, **options))


def compare(
    run: Run,
    path: Path,
    sexes: Mapping[str, int] | None = None,
    *,
    half_call: str = "missing",
) -> int:
    """Assert that sites, blocks, counts and refusals are bcftools' reading of a file.

    Returns:
        The number of ALTs compared, each over all persons.
    """
    staged = Staged.of(run)
    sex = [(sexes or {}).get(name, 0) for name in scan(path).header.samples]
    first_line = scan(path).line_of(0)
    refused = {row["line"] - first_line: row for row in read_rows(run, "refused")}
    build = run.description["build"]
    is_gvcf = run.description["assay"]["kind"] == "gvcf"
    seen, collapsed = 0, 0
    for line in read_lines(path):
        if line.record in refused:
            gone = refused.pop(line.record)
            assert (gone["chrom"], gone["pos"]) == (fold_chrom(line.chrom), line.pos)
            continue
        if is_gvcf and set(line.alts) <= {"<NON_REF>", "<*>"}:
            continue
        for number, alt in line.queryable():
            row = staged.sites.get((line.record, number))
            if row is None:
                collapsed += 1
                continue
            if is_structural(alt):  # its text here is the identity: compared elsewhere
                site = (fold_chrom(line.chrom), line.pos, line.ref.upper(), row["alt"])
                assert is_structural(row["alt"])
            else:
                site = (fold_chrom(line.chrom), *shortest(line.pos, line.ref, alt))
            assert (row["chrom"], row["pos"], row["ref"], row["alt"]) == site
            expected = expected_row(line, number, sex, build=build, half_call=half_call)
            staged.assert_calls(row, *expected)
            seen += 1
    assert not refused
    assert seen == len(staged.sites)
    assert collapsed == run.description["statistics"]["normalised"].get("collapsed_duplicates", 0)
    return seen


@dataclass
class Staged:
    """A run as its readers will read it."""

    run: Run
    sites: dict[tuple[int, int], dict[str, Any]]
    block: int = -1
    calls: Calls | None = None

    @classmethod
    def of(cls, run: Run) -> Staged:
        sites = read_rows(run, "sites")
        counts = read_rows(run, "counts")
        merged = [site | count for site, count in zip(sites, counts, strict=True)]
        assert [(s["chrom"], s["pos"]) for s in sites] == [(c["chrom"], c["pos"]) for c in counts]
        return cls(run, {(s["record"], s["alt_index"]): s for s in merged})

    def assert_calls(
        self,
        row: dict[str, Any],
        dosage: npt.NDArray[np.uint8],
        haploid: npt.NDArray[np.uint8],
        phase: npt.NDArray[np.uint8],
    ) -> None:
        """Compare one ALT; haploid and phase where the call is called (and diploid)."""
        if row["block"] != self.block:
            self.block = row["block"]
            body = (self.run.path / "blocks" / f"{self.block:06d}.arrow").read_bytes()
            self.calls = unpack_variant_block(body).calls()
        assert self.calls is not None
        called, at = dosage != 3, row["row"]
        assert np.array_equal(self.calls.dosage[at], dosage)
        single = haploid == 1
        got = np.zeros_like(single) if self.calls.haploid is None else self.calls.haploid[at]
        assert np.array_equal(got & called, single)
        got = np.zeros_like(phase) if self.calls.phase is None else self.calls.phase[at]
        assert np.array_equal(np.where(called & ~single, got, 0), phase)
        assert {name: row[name] for name in ("ac", "an", "n_het", "n_hom_alt", "n_hemi")} == {
            "ac": int(dosage[called].sum()),
            "an": int((2 - haploid)[called].sum()),
            "n_het": int((called & ~single & (dosage == 1)).sum()),
            "n_hom_alt": int((dosage == 2).sum()),
            "n_hemi": int((single & (dosage == 1)).sum()),
        }
        assert row["n_missing"] == int((~called).sum())


def read_rows(run: Run, table: str) -> list[dict[str, Any]]:
    """Rows of one of a run's tables."""
    rows: list[dict[str, Any]] = pq.read_table(run.path / f"{table}.parquet").to_pylist()
    return rows


COLUMNS = "cols=chrom,pos,ref,alt,altfreq,nobs"


def plink_counts(
    plink2: str, file: Path, folder: Path, sexes: Mapping[str, int], half_call: str = "missing"
) -> dict[tuple[str, int, str, str], tuple[float, int]]:
    """(chrom, pos, ref, alt), split and trimmed -> (AC, AN) by plink2."""
    names = scan(file).header.samples
    psam = folder / "sexes.psam"
    rows = [f"{name}\t{sexes.get(name, 0) or 'NA'}" for name in names]
    psam.write_text("\n".join(["#IID\tSEX", *rows, ""]), encoding="utf-8")
    command = [plink2, "--vcf", file, "--psam", psam, "--split-par", "b37", "--threads", "1"]
    command += [
        "--vcf-half-call",
        half_call,
        "--freq",
        "counts",
        COLUMNS,
        "--out",
        folder / "plink",
    ]
    subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)
    found = {}
    for line in (folder / "plink.acount").read_text("utf-8").splitlines()[1:]:
        cells = line.split("\t")
        chrom = "X" if cells[0].startswith("PAR") else fold_chrom(cells[0])
        for alt, copies in zip(cells[4].split(","), cells[5].split(","), strict=True):
            key = (chrom, *shortest(int(cells[1]), cells[3], alt))
            found[key] = (float(copies), int(cells[6]))
    return found


def compare_with_plink(run: Run, found: Mapping[Any, tuple[float, int]]) -> int:
    """Assert AC and AN; return at how many calls plink2 counted what is missing here.

    plink2 counts a heterozygous call of a man on X as half a copy of one allele; here it is
    missing, as in plink2's own ``--geno-counts``.
    """
    halves = 0
    for row in read_rows(run, "counts"):
        copies, called = found[row["chrom"], row["pos"], row["ref"], row["alt"]]
        heterozygous = called - row["an"] if row["chrom"] == "X" else 0
        assert called == row["an"] + heterozygous
        # With one ALT a heterozygous man has it; with several he may have others.
        assert row["ac"] <= copies <= row["ac"] + heterozygous / 2
        halves += heterozygous
    return halves


# -------------------------------------------------------------------------------- whole files

PHASE3 = "kg_phase3_grch37_pgx/kg_phase3_2504_pgx59_GRCh37.vcf.gz"
HAIL = "kg_hail_1kg_284/hail_1kg_284_GRCh37.vcf.gz"
UWGAC = "kg_uwgac_phase3_subset/vcf"


def test_phase_3(
    shared_data: Path,
    sexes: dict[str, int],
    tmp_path: Path,
    oracle_program: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = shared_data / PHASE3
    stage(tmp_path / "warm", shared_data / UWGAC / "1KG_phase3_subset_chr22.vcf.gz")
    begun = time.perf_counter(), time.process_time()
    run = stage(tmp_path, file, sexes=sexes)
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    assert run.description["statistics"]["records"] == 44_147
    assert run.description["statistics"]["refused"] == 0
    assert run.description["statistics"]["calls"]["made_haploid"] > 0
    assert compare(run, file, sexes) == 44_733
    plink2 = oracle_program("plink2")
    assert compare_with_plink(run, plink_counts(plink2, file, tmp_path, sexes)) == 0
    begun = time.perf_counter(), 0
    command = [plink2, "--vcf", file, "--make-pgen", "--threads", "1", "--out", tmp_path / "pgen"]
    subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)
    plink = time.perf_counter() - begun[0]
    size = run.description["statistics"]["block_bytes"] / file.stat().st_size
    with capsys.disabled():
        sys.stderr.write(
            f"\nphase 3: staged in {wall:.1f} s ({cpu:.1f} s CPU); plink2 --make-pgen "
            f"{plink:.1f} s; variant blocks {size:.3f} of the vcf.gz\n"
        )


def test_low_coverage_with_missing_calls(
    shared_data: Path,
    sexes: dict[str, int],
    tmp_path: Path,
    oracle_program: Callable[[str], str],
) -> None:
    file = shared_data / HAIL
    run = stage(tmp_path, file, sexes=sexes)
    assert compare(run, file, sexes) == 10_879
    statistics = run.description["statistics"]
    made_missing = statistics["calls"]["male_x_het"]
    missing = sum(row["n_missing"] for row in read_rows(run, "counts"))
    assert missing == 41_365 + made_missing
    found = plink_counts(oracle_program("plink2"), file, tmp_path, sexes)
    assert compare_with_plink(run, found) == made_missing


@pytest.mark.parametrize("name", ["1KG", "unfiltered1KG"])
@pytest.mark.parametrize("half_call", ["missing", "haploid"])
def test_half_calls_of_chromosome_x(  # noqa: PLR0917 - fixtures
    shared_data: Path,
    sexes: dict[str, int],
    tmp_path: Path,
    oracle_program: Callable[[str], str],
    name: str,
    half_call: str,
) -> None:
    file = shared_data / UWGAC / f"{name}_phase3_subset_chrX.vcf.gz"
    run = stage(tmp_path, file, sexes=sexes, half_call=half_call)
    assert compare(run, file, sexes, half_call=half_call) > 1_000
    assert run.description["statistics"]["calls"]["half_calls"] > 500_000
    found = plink_counts(oracle_program("plink2"), file, tmp_path, sexes, half_call)
    compare_with_plink(run, found)


def test_files_of_one_batch_are_one_file(shared_data: Path, tmp_path: Path) -> None:
    """Chromosomes 20 to 22 as three files, named in any order, are one batch."""
    files = [shared_data / UWGAC / f"1KG_phase3_subset_chr{n}.vcf.gz" for n in (22, 20, 21)]
    run = stage(tmp_path / "one", *files)
    other = stage(tmp_path / "other", *sorted(files))
    assert run.source_id == other.source_id
    assert read_rows(run, "sites") == read_rows(other, "sites")
    assert [r["file"][-9:-7] for r in run.description["inputs"]] == ["20", "21", "22"]
    total = sum(len(line.queryable()) for file in files for line in read_lines(file))
    assert len(read_rows(run, "sites")) == total
    bodies = [sorted((r.path / "blocks").iterdir()) for r in (run, other)]
    assert [b.read_bytes() for b in bodies[0]] == [b.read_bytes() for b in bodies[1]]


# --------------------------------------------------------------- every file that has genotypes


def files_with_genotypes(shared_data: Path) -> list[Path]:
    """Every VCF or BCF file but those of hts-specs that are made to be refused."""
    endings = (".vcf", ".vcf.gz", ".bcf", ".vcf.bgz")
    found = sorted(path for path in shared_data.rglob("*") if path.name.endswith(endings))
    return [path for path in found if "failed" not in path.parts]


ON_ITS_OWN = (PHASE3, HAIL, "unfiltered1KG", "1KG_phase3_subset_chrX")


@pytest.mark.timeout(1200)  # big files, bcftools and a comparison call by call
def test_every_file_equals_bcftools_or_is_refused_with_a_line(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sex is unknown here, so calls of X and Y stay as written; MT is haploid in any case."""
    compared, refused = 0, dict[str, str]()
    for number, path in enumerate(files_with_genotypes(shared_data)):
        if any(name in str(path) for name in ON_ITS_OWN):
            continue
        try:
            run = stage_on_its_build(tmp_path / str(number), path)
        except InputError as error:
            name = str(path.relative_to(shared_data))
            refused[name] = f"{type(error).__name__}: {error.message}"
            continue
        compared += compare(run, path)
    with capsys.disabled():
        said = "".join(f"  {name}: {reason}\n" for name, reason in refused.items())
        sys.stderr.write(f"\n{compared} ALTs compared; files refused as a whole:\n{said}")
    assert compared > 70_000


def stage_on_its_build(folder: Path, path: Path) -> Run:
    """Stage a file as GRCh37, or, where that is contradicted, as GRCh38."""
    try:
        return stage(folder, path, build="GRCh37", build_unverified=True)
    except BuildMismatchError:
        return stage(folder, path, build="GRCh38", build_unverified=True)
