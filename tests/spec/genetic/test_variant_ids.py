"""A variant by the id that files gave it."""

from __future__ import annotations

import polars as pl
import pytest

from precisionchain.errors import RegionError, UsageError
from tests.lib.drawn_genotypes import assert_answer
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.lib.vcf_builder import header, record, write_map, write_text
from tests.spec.conftest import Build


def ingest(site: BuiltSite, *lines: str, person: int) -> None:
    folder = site.new_folder()
    text = header(("9", "X"), samples=("s",)) + "".join(lines)
    site.site.ingest_vcf(
        write_text(folder / "a.vcf", text),
        samples=write_map(folder / "map.csv", f"s,{person},F"),
        build="GRCh37",
    )


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build()
    ingest(
        network.site("A"),
        record("9:100 A G 0/1", ident="rs1"),
        record("9:200 C T,G 1/2", ident="rs2;rs22"),
        record("9:300 C . 0/0", ident="rs3"),
        record("9:400 C T 0/1", ident="MRN-00777"),
        person=1,
    )
    ingest(
        network.site("B"),
        record("9:100 A G 1/1", ident="x;rs1"),
        record("X:5000000 A G 1/1", ident="rs4"),
        person=2,
    )
    network.site("A").site.sync()
    return network


def ask(network: BuiltNetwork, variant: str) -> pl.DataFrame:
    with network.site("A").network() as door:
        return door.variant(variant)


def test_an_id_stands_for_its_variant_at_every_site(network: BuiltNetwork) -> None:
    expected = """
        person | genotype
        A:1    | 1
        B:2    | 2
        """
    assert_answer(ask(network, "rs1"), expected)
    assert ask(network, "rs1").equals(ask(network, "9:100:A:G"))


def test_an_id_of_another_sites_file(network: BuiltNetwork) -> None:
    assert_answer(ask(network, "rs4"), "person | genotype\nB:2 | 2")


@pytest.mark.parametrize("ident", ["rs2", "rs22"])
def test_of_an_id_with_several_alleles_all_are_named(network: BuiltNetwork, ident: str) -> None:
    with pytest.raises(UsageError, match="stands for 2 variants: 9:200:C:G, 9:200:C:T"):
        ask(network, ident)


@pytest.mark.parametrize("ident", ["rs3", "rs12", "rs999"])
def test_an_id_that_no_allele_has(network: BuiltNetwork, ident: str) -> None:
    with pytest.raises(UsageError, match=f"no sealed genotypes have a variant of id {ident}"):
        ask(network, ident)


@pytest.mark.parametrize("ident", ["MRN-00777", "rs0", "rs", "RS1", "rs1;rs2"])
def test_other_ids_cannot_be_asked_for(network: BuiltNetwork, ident: str) -> None:
    with pytest.raises(RegionError):
        ask(network, ident)


def test_the_log_has_the_id_and_the_variant(network: BuiltNetwork) -> None:
    ask(network, "rs1")
    with pytest.raises(RegionError):
        ask(network, "MRN-00777")
    entries = network.site("A").entries()
    questions = " ".join(str(value) for row in entries.iter_rows() for value in row)
    assert "rs1" in questions
    assert "MRN-00777" not in questions
