"""A gVCF says where somebody was looked at: 0 is inferred inside its good blocks, nowhere else."""

from __future__ import annotations

import pytest

from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes
from tests.lib.site_builder import BuiltNetwork
from tests.lib.vcf_builder import header, write_map, write_text
from tests.spec.conftest import Build

GVCF = """
    9 101 A <NON_REF>   150 0/0:40:9
    9 151 A G,<NON_REF> .   0/1:40:9
    9 152 A <NON_REF>   160 0/0:10:9
    9 161 A <NON_REF>   170 0/0:40:0
    9 171 A <NON_REF>   180 0/0:40:9
    """
OTHERS = """
    place | ref | alt | 2
    9:140 | A   | C   | 0/1
    9:151 | A   | C   | 0/1
    9:155 | A   | C   | 1/1
    9:165 | A   | C   | 0/1
    9:175 | AT  | A   | 0/1
    9:180 | AT  | A   | 0/1
    9:190 | A   | C   | 0/1
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    """Person 1 with a gVCF, person 2 with variants at listed sites."""
    network = build()
    site = network.site()
    text = header(("9",), samples=("s",))
    for row in GVCF.strip().splitlines():
        chrom, pos, ref, alt, end, call = row.split()
        info = "." if end == "." else f"END={end}"
        cells = (chrom, pos, ".", ref, alt, ".", ".", info, "GT:GQ:DP", call)
        text += "\t".join(cells) + "\n"
    folder = site.new_folder()
    site.site.ingest_vcf(
        [write_text(folder / "one.g.vcf", text)],
        samples=write_map(folder / "map.csv", "s,1,F"),
        build="GRCh37",
        assay="gvcf",
    )
    ingest_genotypes(site, OTHERS, source="others")
    return network


CASES = {
    "inside a good block": ("9:140:A:C", "0"),
    "another allele of a listed position": ("9:151:A:C", "0"),
    "the allele itself": ("9:151:A:G", "1"),
    "below GQ": ("9:155:A:C", "not_assayed"),
    "without reads": ("9:165:A:C", "not_assayed"),
    "a deletion inside": ("9:175:AT:A", "0"),
    "a deletion that reaches out, by its POS": ("9:180:AT:A", "0"),
    "beyond the last block": ("9:190:A:C", "not_assayed"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_state_of_the_person_with_a_gvcf(network: BuiltNetwork, case: str) -> None:
    variant, state = CASES[case]
    with network.founder.network() as net:
        answer = net.variant(variant, genotype=("0", "1", "2", "missing", "not_assayed"))
    found = dict(zip(answer["person_id"], answer["genotype"], strict=True))
    assert found[1] == state


def test_alleles_are_counted_where_they_were_looked_for(network: BuiltNetwork) -> None:
    with network.founder.network() as net:
        answer = net.maf(0.0, 0.5)
    assert_answer(
        answer.select("pos", "alt", "ac", "an"),
        """
        pos | alt | ac | an
        140 | C   | 1  | 4
        151 | C   | 1  | 4
        151 | G   | 1  | 4
        155 | C   | 2  | 2
        165 | C   | 1  | 2
        175 | A   | 1  | 4
        180 | A   | 1  | 4
        190 | C   | 1  | 2
        """,
    )
