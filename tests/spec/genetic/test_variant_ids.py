"""A variant by the id that files gave it."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.errors import RegionError, UsageError
from precisionchain.query.cohort_question import Given
from precisionchain.query.criteria import Criterion
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


@pytest.mark.parametrize("ident", ["MRN-00777", "rs0", "rs", "RS1", "rs1;rs2", "9:5:A:<DEL>"])
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


CRITERIA: dict[str, tuple[Callable[[], Criterion], str, str]] = {
    "a copy": (lambda: pc.carries("rs1"), "A:1 B:2", "carries(9:100:A:G)"),
    "one copy": (lambda: pc.genotype("rs1", 1), "A:1", "genotype(9:100:A:G, 1)"),
    "looked at": (lambda: pc.assayed("rs4"), "B:2", "assayed(X:5000000:A:G)"),
    "inside of others": (
        lambda: ~pc.carries("rs4") & (pc.everyone() | ~pc.genotype("rs1", 2)),
        "",
        "~carries(X:5000000:A:G) & (everyone() | ~genotype(9:100:A:G, 2))",
    ),
    "whose frequency": (
        lambda: pc.carries(
            "9:1-500", pc.maf((0.5, 0.5), within=pc.carries("rs1") & pc.at_site("A"))
        ),
        "A:1 B:2",
        "carries(9:1-500, maf(0.5..0.5, within=carries(9:100:A:G) & at_site(A)))",
    ),
}


@pytest.mark.parametrize("case", CRITERIA)
def test_a_criterion_of_an_id_is_that_of_its_variant(network: BuiltNetwork, case: str) -> None:
    made, members, meant = CRITERIA[case]
    criterion = made()
    spellings: tuple[Given, ...] = (criterion, criterion.text, criterion.json)
    with network.site("A").network() as door:
        cohorts = [door.cohort(given) for given in (*spellings, meant)]
    assert len({cohort.digest for cohort in cohorts}) == 1
    assert cohorts[0].criterion.text == meant
    assert " ".join(f"{s}:{p}" for s, p in cohorts[0].persons.iter_rows()) == members


def test_a_saved_cohort_holds_the_variant(network: BuiltNetwork) -> None:
    with network.site("A").network() as door:
        cohort = door.cohort("genotype(rs1, 2)", save="of_an_id")
        assert door.cohort(pc.saved("of_an_id")) == cohort
        assert door.cohort(cohort.criterion) == cohort
        listed = dict(door.cohorts().select("name", "criterion").iter_rows())
    assert listed["of_an_id"] == "genotype(9:100:A:G, 2)"


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ("carries(rs2)", "rs2 stands for 2 variants: 9:200:C:G, 9:200:C:T"),
        ("~(genotype(rs22, 1) | sex(male))", "rs22 stands for 2 variants"),
        ("carries(9, maf(0..0.5, within=assayed(rs3)))", "have a variant of id rs3"),
        ("carries(rs12) | everyone()", "have a variant of id rs12"),
    ],
)
def test_a_criterion_of_no_one_variant_is_refused(
    network: BuiltNetwork, criterion: str, message: str
) -> None:
    with network.site("A").network() as door, pytest.raises(UsageError, match=message):
        door.cohort(criterion)


def test_the_log_has_the_criterion_as_written_and_the_variant(network: BuiltNetwork) -> None:
    with network.site("A").network() as door:
        door.cohort("carries(rs4) & genotyped()")
        who = door.audit.who_saw("X:5000000:A:G")
        door.frequencies("9:1-900", within="genotype(rs1, 1)")
        asked = door.audit.entries()["question"].to_list()
    assert any('{"carries":["rs4"]}' in text for text in asked)
    assert any('{"genotype":["rs1",1]}' in text for text in asked)
    assert "cohort" in who["operation"].to_list()


BY_NAME: dict[str, Callable[[pc.Network, str], pl.DataFrame]] = {
    "frequencies": lambda door, name: door.frequencies(name),
    "frequencies of several": lambda door, name: door.frequencies(["9:200:C:T", name], by="sex"),
    "why": lambda door, name: door.why(name, "B:2"),
    "exclusions": lambda door, name: door.exclusions(variant=name),
}


@pytest.mark.parametrize("case", BY_NAME)
def test_every_question_takes_an_id_for_its_variant(network: BuiltNetwork, case: str) -> None:
    ask_of = BY_NAME[case]
    with network.site("A").network() as door:
        assert ask_of(door, "rs4").equals(ask_of(door, "X:5000000:A:G"))
        for ident, message in (("rs2", "stands for 2 variants"), ("rs12", "variant of id rs12")):
            with pytest.raises(UsageError, match=message):
                ask_of(door, ident)
        logged = "".join(door.audit.entries()["question"].to_list())
    assert all(f'"{ident}"' in logged for ident in ("rs2", "rs4", "rs12"))


def test_who_saw_a_variant_by_its_id(network: BuiltNetwork) -> None:
    with network.site("A").network() as door:
        door.variant("rs1")
        by_id, by_place = (door.audit.who_saw(name) for name in ("rs1", "9:100:A:G"))
        assert by_id["entry"].to_list()
        assert by_place["entry"].to_list()[: by_id.height] == by_id["entry"].to_list()
        assert '{"subject":"rs1"}' in door.audit.entries()["question"].to_list()
        with pytest.raises(UsageError, match="stands for 2 variants"):
            door.audit.who_saw("rs2")


@pytest.mark.parametrize(
    "ask",
    [
        lambda door: door.variant("9:5:A:<DEL>"),
        lambda door: door.cohort('~carries("9:5:A:<DEL>")'),
        lambda door: door.frequencies("9:5:A:<DEL>"),
    ],
)
def test_a_deletion_without_its_end_is_refused(
    network: BuiltNetwork, ask: Callable[[pc.Network], object]
) -> None:
    with network.site("A").network() as door, pytest.raises(RegionError, match="without END"):
        ask(door)
