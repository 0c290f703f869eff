"""What readers are told of alleles that quality control marked or removed before publication."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

import precisionchain as pc
from tests.lib.vcf_builder import write_map, write_vcf

HET, OTHER = "9:1000:A:C", "9:1000:A:G"
PERSONS = 40


Mode = Literal["none", "mark", "remove"]


def ingest(site: pc.Site, folder: Path, first: int, calls: list[str], qc: Mode) -> None:
    """Publish forty persons with one call each at a record with two ALTs."""
    folder.mkdir()
    names = tuple(f"s{first + number}" for number in range(PERSONS))
    vcf = write_vcf(folder / "in.vcf", f"9:1000 A C,G {' '.join(calls)}", samples=names)
    rows = [f"{name},{first + number},F" for number, name in enumerate(names)]
    samples = write_map(folder / "map.csv", *rows)
    site.ingest_vcf([vcf], samples=samples, build="GRCh37", qc=qc)


@pytest.fixture
def site(tmp_path: Path) -> pc.Site:
    return pc.Site.init(tmp_path / "site", site="A", build="GRCh37")


# Everybody has one copy of C: no equilibrium (p < 1e-6). G is in three persons: nothing wrong.
OUT_OF_EQUILIBRIUM = ["1/2"] * 3 + ["0/1"] * (PERSONS - 3)
IN_EQUILIBRIUM = ["0/1"] * 4 + ["0/0"] * (PERSONS - 4)


def counts(network: pc.Network) -> dict[str, tuple[int, int]]:
    rows = network.maf(0.0, 0.5).iter_rows(named=True)
    return {f"{r['chrom']}:{r['pos']}:{r['ref']}:{r['alt']}": (r["ac"], r["an"]) for r in rows}


def test_nobody_is_told_to_have_no_copy_of_an_allele_that_was_removed(
    site: pc.Site, tmp_path: Path
) -> None:
    ingest(site, tmp_path / "one", 1, OUT_OF_EQUILIBRIUM, "remove")
    ingest(site, tmp_path / "two", 1001, IN_EQUILIBRIUM, "none")
    with pc.connect(site.folder.root) as network:
        unknown = network.variant(HET, genotype="not_assayed")["person_id"].to_list()
        without = network.variant(HET, genotype=0)["person_id"].to_list()
        assert sorted(unknown) == list(range(1, 1 + PERSONS))
        assert min(without) > 1000
        assert counts(network) == {HET: (4, 2 * PERSONS), OTHER: (3, 4 * PERSONS)}
    assert all(check.ok for check in site.verify())


def test_a_mark_changes_no_answer_and_says_why(site: pc.Site, tmp_path: Path) -> None:
    ingest(site, tmp_path / "one", 1, OUT_OF_EQUILIBRIUM, "mark")
    with pc.connect(site.folder.root) as network:
        assert network.variant(HET).height == PERSONS
        assert counts(network)[HET] == (PERSONS, 2 * PERSONS)
    marked = site.sql("select alt, rule from excluded where kind = 'variant'").rows()
    assert ("C", "hwe") in marked
    assert ("G", "hwe") not in marked
