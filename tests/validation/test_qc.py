"""Quality control against plink1.9 --mind --geno --hwe --indep-pairwise: the same sets.

Files are staged by us and, apart, split and read by plink1.9; see tests/lib/plink_qc.py.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from precisionchain.ingest.qc import Thresholds, assess
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Staging
from tests.lib.plink_qc import Fam, PlinkSets, plink_sets
from tests.lib.qc_files import simulate

HAIL = "kg_hail_1kg_284/hail_1kg_284_GRCh37.vcf.gz"
PLINKQC = "plink_small_sets/plinkqc/data.converted.vcf.gz"
PHASE3 = "kg_phase3_grch37_pgx/kg_phase3_2504_pgx59_GRCh37.vcf.gz"
SUBSET = "kg_uwgac_phase3_subset/vcf/1KG_phase3_subset_{}.vcf.gz"
UNFILTERED = "kg_uwgac_phase3_subset/vcf/unfiltered1KG_phase3_subset_chrX.vcf.gz"


def compare(
    vcf: Path,
    samples: Path,
    names: tuple[str, ...],
    fam: Fam,
    work: Path,
    *,
    limits: Thresholds | None = None,
    half_call: Any = "missing",
) -> PlinkSets:
    """Assert that our sets are PLINK's; return PLINK's."""
    limits = limits or Thresholds()
    run = stage_vcf(
        Staging(work / "staging"),
        [vcf],
        samples=samples,
        build="GRCh37",
        half_call=half_call,
        build_unverified=True,
        allow_missing_samples=True,
    )
    shares = limits.sample_missing, limits.variant_missing, limits.hwe_p
    window = limits.ld_window, limits.ld_step, limits.ld_r2
    thresholds = [str(number) for number in (*shares, *window)]
    theirs = plink_sets(vcf, work / "plink", fam, thresholds=thresholds, half_call=half_call)
    table = assess(run.path, thresholds=limits).table.to_pylist()
    ours: dict[str, set[Any]] = {rule: set() for rule in PlinkSets.__slots__}
    for row in table:
        allele = (row["chrom"], row["pos"], row["ref"], row["alt"])
        person = names[row["person_id"] - 1] if row["kind"] == "person" else None
        ours[row["rule"]].add(person or allele)
    for rule, found in ours.items():
        wanted = getattr(theirs, rule)
        assert found == wanted, (
            f"{rule}: {len(found - wanted)} ours alone, {len(wanted - found)} plink's alone"
        )
    assert len(table) == sum(map(len, ours.values()))
    return theirs


@pytest.mark.parametrize("seed", range(12))
def test_simulated_persons_of_all_sexes_on_all_chromosomes(seed: int, tmp_path: Path) -> None:
    files = simulate(tmp_path / "files", seed)
    limits = Thresholds(
        sample_missing=0.07,
        variant_missing=0.08,
        hwe_p=(1e-6, 0.001, 0.05)[seed % 3],
        ld_window=(50, 10, 3)[seed // 3 % 3],
        ld_step=(3, 1, 2)[seed % 3],
        ld_r2=(0.5, 0.2)[seed % 2],
    )
    theirs = compare(files.vcf, files.samples, files.names, files.fam, tmp_path, limits=limits)
    assert theirs.sample_missing
    assert theirs.variant_missing
    assert theirs.hwe
    assert {allele[0] for allele in theirs.ld} == {"1", "2", "X", "Y", "MT", "GL000191.1"}


@pytest.mark.parametrize(
    ("file", "sexes", "half_call"),
    [
        pytest.param(HAIL, "hail", "missing", id="hail"),
        pytest.param(PLINKQC, "plinkqc", "missing", id="plinkqc"),
        pytest.param(SUBSET.format("chr20"), "panel", "missing", id="uwgac-20"),
        pytest.param(SUBSET.format("chr21"), "panel", "missing", id="uwgac-21"),
        pytest.param(SUBSET.format("chr22"), "panel", "missing", id="uwgac-22"),
        pytest.param(SUBSET.format("chrX"), "panel", "missing", id="uwgac-X"),
        pytest.param(SUBSET.format("chrX"), "panel", "haploid", id="uwgac-X-haploid"),
        pytest.param(UNFILTERED, "panel", "haploid", id="uwgac-X-unfiltered"),
        pytest.param(PHASE3, "panel", "missing", id="phase3"),
    ],
)
def test_real_files(
    file: str, sexes: str, half_call: str, shared_data: Path, tmp_path: Path
) -> None:
    vcf = shared_data / file
    names = sample_names(vcf)
    known = READERS[sexes](shared_data)
    fam = Fam({name: known.get(name, 0) for name in names}, {})
    samples = tmp_path / "map.csv"
    rows = [f"{name},{number},{fam.sexes[name]}" for number, name in enumerate(names, start=1)]
    samples.write_text("\n".join(["sample_id,person_id,sex", *rows, ""]), encoding="utf-8")
    theirs = compare(vcf, samples, names, fam, tmp_path, half_call=half_call)
    assert theirs.ld


def sample_names(vcf: Path) -> tuple[str, ...]:
    with gzip.open(vcf, "rt", encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("#CHROM"))
    return tuple(line.rstrip("\n").split("\t")[9:])


def hail_sexes(shared_data: Path) -> Mapping[str, int]:
    path = shared_data / "kg_hail_1kg_284/1kg_annotations.txt"
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {row[0]: 2 if row[3] == "true" else 1 for row in rows}


def plinkqc_sexes(shared_data: Path) -> Mapping[str, int]:
    path = shared_data / "plink_small_sets/plinkqc/data.fam"
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    return {row[1]: int(row[4]) for row in rows}


def panel_sexes(shared_data: Path) -> Mapping[str, int]:
    path = shared_data / "kg_sample_metadata/integrated_call_samples_v3.20130502.ALL.panel"
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {row[0]: 1 if row[3] == "male" else 2 for row in rows}


READERS = {"hail": hail_sexes, "plinkqc": plinkqc_sexes, "panel": panel_sexes}
