"""A place on a contig that nobody has is a mistake; one on a chromosome without data is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.errors import RegionError
from tests.lib.site_builder import BuiltNetwork
from tests.lib.vcf_builder import write_map, write_vcf
from tests.spec.conftest import Build


def members(door: pc.Network, criterion: str) -> pl.DataFrame:
    """Return who is in a cohort."""
    return door.cohort(criterion).persons


ASKED: dict[str, Callable[[pc.Network, str], pl.DataFrame]] = {
    "variant": lambda door, contig: door.variant(f"{contig}:5:A:G"),
    "person variants": lambda door, contig: door.person_variants("A:1", f"{contig}:1-9"),
    "maf": lambda door, contig: door.maf(0, 0.5, region=contig),
    "frequencies": lambda door, contig: door.frequencies(f"{contig}:1-9"),
    "frequencies of alleles": lambda door, contig: door.frequencies([f"{contig}:5:A:G"]),
    "structural": lambda door, contig: door.structural(f"{contig}:1-9"),
    "carries": lambda door, contig: members(door, f"carries({contig}:1-5)"),
    "carries an allele": lambda door, contig: members(door, f"~carries({contig}:5:A:G)"),
    "genotype": lambda door, contig: members(door, f"sex(male) & genotype({contig}:5:A:G, 1)"),
    "assayed": lambda door, contig: members(door, f"assayed({contig}:5:A:G)"),
    "structural carriers": lambda door, contig: members(door, f"carries_structural({contig}:1-9)"),
    "of an index": lambda door, contig: members(door, f"event(where=carries({contig}:1-9))"),
    "rows": lambda door, contig: door.domain(f"event(where=carries({contig}:1-9))"),
    "exclusions": lambda door, contig: door.exclusions(variant=f"{contig}:5:A:G"),
    "why": lambda door, contig: door.why(f"{contig}:5:A:G", "A:1"),
}


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build()
    site = network.site("A")
    folder = site.new_folder()
    site.site.ingest_vcf(
        write_vcf(folder / "a.vcf", "9:5 A G 0/1", "GL000191.1:5 A G 0/1", samples=("s",)),
        samples=write_map(folder / "map.csv", "s,1,F"),
        build="GRCh37",
    )
    return network


@pytest.mark.parametrize("case", ASKED)
def test_a_contig_that_nobody_has_is_refused_and_not_named(
    network: BuiltNetwork, case: str
) -> None:
    with network.site("A").network() as door:
        with pytest.raises(RegionError, match="no sealed genotypes have it") as caught:
            ASKED[case](door, "MRN-00777")
        assert caught.value.hint == "they have 9, GL000191.1"
        assert "00777" not in str(caught.value)
        for contig in ("9", "chr22", "GL000191.1"):
            ASKED[case](door, contig)


def test_genotypes_of_such_a_contig_are_not_exported(network: BuiltNetwork, tmp_path: Path) -> None:
    file = tmp_path / "x.vcf"
    with network.site("A").network() as door:
        with pytest.raises(RegionError, match="no sealed genotypes have it"):
            door.export_genotypes("99:1-5", output=file)
        assert list(tmp_path.iterdir()) == []
        assert door.export_genotypes("22:1-5", output=file).alleles == 0


def test_a_chromosome_without_genotypes_is_an_empty_answer(network: BuiltNetwork) -> None:
    with network.site("A").network() as door:
        assert door.maf(0, 0.5, region="22").is_empty()
        assert door.maf(0, 0.5, region="GL000191.1").height == 1
        assert door.variant("22:5:A:G").is_empty()


def test_before_the_first_genotypes_no_contig_is_unknown(build: Build) -> None:
    network = build()
    with network.site("A").network() as door:
        assert door.structural("99:1-5").is_empty()
