"""Quality control against plink1.9 --mind --geno --hwe --indep-pairwise: the same sets.

Files are staged by us and, apart, split and read by plink1.9; see tests/lib/plink_qc.py.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from precisionchain.ingest.qc import Thresholds, assess
from precisionchain.ingest.qc_persons import person_figures
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from tests.lib.plink_qc import Fam, PlinkFile, PlinkSets
from tests.lib.qc_files import simulate

HAIL = "kg_hail_1kg_284/hail_1kg_284_GRCh37.vcf.gz"
PLINKQC = "plink_small_sets/plinkqc/data.converted.vcf.gz"
PLINKQC_38 = "plink_small_sets/plinkqc/data.hg38.converted.vcf.gz"
PHASE3 = "kg_phase3_grch37_pgx/kg_phase3_2504_pgx59_GRCh37.vcf.gz"
SUBSET = "kg_uwgac_phase3_subset/vcf/1KG_phase3_subset_{}.vcf.gz"
UNFILTERED = "kg_uwgac_phase3_subset/vcf/unfiltered1KG_phase3_subset_chrX.vcf.gz"
MITOCHONDRION = "kg_misc_regions/ALL.chrMT.phase3_callmom-v0_4.20130502.genotypes.vcf.gz"
PEDDY = "kg_phase3_peddy_23k/kg_p3_2504_peddy_GRCh38.vcf.gz"
TRIOS = "kg_highcov_grch38_pgx/share_chr19_22_X/kg_highcov_3202_pgx_chr19_22_X_GRCh38.vcf.gz"
ON_GRCH38 = (PLINKQC_38, PEDDY, TRIOS)
LARGE = (PHASE3, PEDDY, TRIOS)
Known = Mapping[str, tuple[int, tuple[str, str] | None]]
"""Sex and, of who is no founder, parents of samples."""


DRAWS = 4
"""Sets of thresholds drawn for each real file; for those of `LARGE` one."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A file staged by us and, apart, prepared for plink1.9."""

    run: Path
    plink: PlinkFile
    names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        vcf: Path,
        samples: Path,
        names: tuple[str, ...],
        fam: Fam,
        work: Path,
        *,
        half_call: Any = "missing",
        build: str = "GRCh37",
    ) -> Compared:
        """Stage and prepare."""
        run = stage_vcf(
            Staging(work / "staging"),
            [vcf],
            VcfSettings(
                samples=samples,
                build=build,
                half_call=half_call,
                build_unverified=True,
                allow_missing_samples=True,
            ),
        )
        short = {"GRCh37": "b37", "GRCh38": "b38"}[build]
        plink = PlinkFile.of(vcf, work / "plink", fam, half_call=half_call, build=short)
        return cls(run.path, plink, names)

    def sets(self, limits: Thresholds) -> PlinkSets:
        """Assert that our sets are PLINK's; return PLINK's."""
        shares = limits.sample_missing, limits.variant_missing, limits.hwe_p
        window = limits.ld_window, limits.ld_step, limits.ld_r2
        theirs = self.plink.sets([str(number) for number in (*shares, *window)])
        table = assess(self.run, thresholds=limits).table.to_pylist()
        ours: dict[str, set[Any]] = {rule: set() for rule in PlinkSets.__slots__}
        for row in table:
            allele = (row["chrom"], row["pos"], row["ref"], row["alt"])
            person = self.names[row["person_id"] - 1] if row["kind"] == "person" else None
            ours[row["rule"]].add(person or allele)
        for rule, found in ours.items():
            wanted = getattr(theirs, rule)
            assert found == wanted, (
                f"{rule}: {len(found - wanted)} ours alone, {len(wanted - found)} plink's alone"
                f" ({limits})"
            )
        assert len(table) == sum(map(len, ours.values()))
        return theirs

    def figures(self) -> None:
        """Assert that each person's figures are those that PLINK prints."""
        table = person_figures(self.run).table(self.run)
        ours = {row["sample_id"]: row for row in table.to_pylist()}
        assert len(ours) == len(self.names)
        for name, (observed, expected, called, f) in self.plink.heterozygosity().items():
            row = ours[name]
            assert (str(row["hom_observed"]), str(row["het_called"])) == (observed, called), name
            assert printed_alike(row["hom_expected"], expected), name
            assert printed_alike(row["f"], f), name
        for name, (sex, status, f) in self.plink.sex_check().items():
            row = ours[name]
            assert str(row["x_sex"] or 0) == sex, name
            assert status == ("OK" if row["sex"] and row["x_sex"] == row["sex"] else "PROBLEM")
            assert printed_alike(row["x_f"], f), name
        for name, y_called in self.plink.y_counts().items():
            if ours[name]["sex"] != 2:  # a woman's call on Y is missing in our blocks
                assert str(ours[name]["y_called"]) == y_called, name


def printed_alike(ours: float | None, theirs: str) -> bool:
    """Return whether a number is the one printed in four significant digits."""
    if theirs in ("nan", "-nan", "inf", "-inf"):
        return ours is None
    printed = float(theirs)
    if ours is None or printed == 0:
        return ours is not None and abs(ours) < 1e-12
    digit = 10.0 ** (math.floor(math.log10(abs(printed))) - 3)
    return abs(ours - printed) <= digit * (0.5 + 1e-6)


def drawn(
    rng: np.random.Generator, compared: Compared, *, fewest_missing: float = 0.005
) -> Thresholds:
    """Return thresholds; shares are half of the time those that some number of calls has.

    ``fewest_missing`` keeps PLINK from excluding everybody, which it answers with an error.
    """
    window = int(rng.integers(2, 120))
    alleles, persons = len(compared.plink.alleles), len(compared.names)
    shares = [
        int(rng.integers(1, n // 10 + 2)) / n if rng.random() < 0.5 else float(rng.uniform(lo, 0.2))
        for n, lo in ((alleles, 0.01), (persons, 0.0))
    ]
    return Thresholds(
        sample_missing=max(shares[0], fewest_missing),
        variant_missing=shares[1],
        hwe_p=float(10 ** -rng.uniform(0.5, 12)),
        ld_window=window,
        ld_step=int(rng.integers(1, window + 1)),
        ld_r2=float(rng.uniform(0.05, 0.95)),
    )


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
    compared = Compared.of(files.vcf, files.samples, files.names, files.fam, tmp_path)
    theirs = compared.sets(limits)
    assert theirs.sample_missing
    assert theirs.variant_missing
    assert theirs.hwe
    assert {allele[0] for allele in theirs.ld} == {"1", "2", "X", "Y", "MT", "GL000191.1"}
    compared.sets(drawn(np.random.default_rng(seed), compared, fewest_missing=0.05))
    compared.figures()


@pytest.mark.parametrize(
    ("file", "sexes", "half_call"),
    [
        pytest.param(HAIL, "hail", "missing", id="hail"),
        pytest.param(HAIL, "nobody", "missing", id="hail-no-sex"),
        pytest.param(PLINKQC, "plinkqc", "missing", id="plinkqc"),
        pytest.param(PLINKQC, "nobody", "missing", id="plinkqc-no-sex"),
        pytest.param(PLINKQC_38, "plinkqc", "missing", id="plinkqc-GRCh38"),
        pytest.param(SUBSET.format("chr20"), "panel", "missing", id="uwgac-20"),
        pytest.param(SUBSET.format("chr21"), "panel", "missing", id="uwgac-21"),
        pytest.param(SUBSET.format("chr22"), "panel", "missing", id="uwgac-22"),
        pytest.param(SUBSET.format("chrX"), "panel", "missing", id="uwgac-X"),
        pytest.param(SUBSET.format("chrX"), "panel", "haploid", id="uwgac-X-haploid"),
        pytest.param(SUBSET.format("chrX"), "nobody", "missing", id="uwgac-X-no-sex"),
        pytest.param(UNFILTERED, "panel", "missing", id="uwgac-X-unfiltered-missing"),
        pytest.param(UNFILTERED, "panel", "haploid", id="uwgac-X-unfiltered"),
        pytest.param(MITOCHONDRION, "panel", "missing", id="mitochondrion"),
        pytest.param(PHASE3, "panel", "missing", id="phase3"),
        pytest.param(PEDDY, "panel", "missing", id="peddy-GRCh38"),
        pytest.param(TRIOS, "pedigree", "missing", id="trios-GRCh38"),
    ],
)
def test_real_files(
    file: str, sexes: str, half_call: str, shared_data: Path, tmp_path: Path
) -> None:
    vcf = shared_data / file
    names = sample_names(vcf)
    known = READERS[sexes](shared_data)
    told = [(name, *known.get(name, (0, None))) for name in names]
    fam = Fam(
        {name: sex for name, sex, _ in told},
        {name: parents for name, _, parents in told if parents is not None},
    )
    samples = tmp_path / "map.csv"
    numbered = [
        (name, str(number), str(fam.sexes[name]), *fam.parents.get(name, ("", "")))
        for number, name in enumerate(names, start=1)
    ]
    rows = ["sample_id,person_id,sex,father,mother", *map(",".join, numbered)]
    samples.write_text("\n".join([*rows, ""]), encoding="utf-8")
    build = "GRCh38" if file in ON_GRCH38 else "GRCh37"
    compared = Compared.of(vcf, samples, names, fam, tmp_path, half_call=half_call, build=build)
    assert compared.sets(Thresholds()).ld
    compared.figures()
    rng = np.random.default_rng([len(names), *file.encode()])
    for _ in range(1 if file in LARGE else DRAWS):
        compared.sets(drawn(rng, compared))


def sample_names(vcf: Path) -> tuple[str, ...]:
    with gzip.open(vcf, "rt", encoding="utf-8") as file:
        line = next(line for line in file if line.startswith("#CHROM"))
    return tuple(line.rstrip("\n").split("\t")[9:])


def hail_sexes(shared_data: Path) -> Known:
    path = shared_data / "kg_hail_1kg_284/1kg_annotations.txt"
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {row[0]: (2 if row[3] == "true" else 1, None) for row in rows}


def plinkqc_sexes(shared_data: Path) -> Known:
    path = shared_data / "plink_small_sets/plinkqc/data.fam"
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    return {row[1]: (int(row[4]), None) for row in rows}


def panel_sexes(shared_data: Path) -> Known:
    path = shared_data / "kg_sample_metadata/integrated_call_samples_v3.20130502.ALL.panel"
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {row[0]: (1 if row[3] == "male" else 2, None) for row in rows}


def pedigree(shared_data: Path) -> Known:
    path = shared_data / "kg_sample_metadata/20130606_g1k_3202_samples_ped_population.txt"
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {
        row[1]: (int(row[4]), None if row[2] == row[3] == "0" else (row[2], row[3])) for row in rows
    }


def nobody(shared_data: Path) -> Known:
    return {}


READERS = {
    "hail": hail_sexes,
    "plinkqc": plinkqc_sexes,
    "panel": panel_sexes,
    "pedigree": pedigree,
    "nobody": nobody,
}
