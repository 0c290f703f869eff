"""Sites of the network's lists: extracted before quality control, in the list's orientation."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import polars as pl
import pytest

from precisionchain.errors import (
    MetadataFormatError,
    ParameterMismatchError,
    SealRefusedError,
    SiteError,
)
from precisionchain.ingest.site_list_file import read_site_list
from precisionchain.opened import OpenSite
from precisionchain.query.site_dosages import SiteDosages, site_dosages
from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes
from tests.lib.site_builder import BuiltNetwork, BuiltSite, open_on
from tests.spec.conftest import Build

GRAF = """\
11 9 100 1100 A G
12 9 200 1200 G A
13 9 300 1300 T C
14 9 400 1400 C T
15 9 500 1500 A T
16 9 600 1600 A G
17 9 700 1700 A G
18 9 800 1800 A G
19 9 900 1900 A G
20 23 5000000 5100000 A G
"""
"""rs11 as listed, 12 swapped, 13 flipped, 14 flipped and swapped, 15 ambiguous, 16 another allele,
17 an indel, 18 absent, 19 with a third allele, 20 on X."""

CALLS = """
    place     | ref | alt | 1   | 2   | 3
    9:100     | A   | G   | 0/1 | 1/1 | ./.
    9:200     | A   | G   | 0/1 | 1/1 | 0/0
    9:300     | A   | G   | 0/1 | 1/1 | 0/0
    9:400     | A   | G   | 0/1 | 1/1 | 0/0
    9:500     | A   | T   | 0/1 | 1/1 | 0/0
    9:600     | A   | C   | 0/1 | 1/1 | 0/0
    9:700     | A   | AT  | 0/1 | 1/1 | 0/0
    9:900     | A   | C,G | 0/2 | 1/2 | 2/2
    X:5000000 | A   | G   | 0/1 | 1   | 0
    """
SEXES = {"1": "F", "2": "M", "3": "M"}

DOSAGES = """
    person | 11 | 12 | 13 | 14 | 19 | 20
    A:1    | 1  | 1  | 1  | 1  | 1  | 1
    A:2    | 2  | 0  | 2  | 0  | 3  | 1
    A:3    | 3  | 2  | 0  | 2  | 2  | 0
    """


def listed(folder: Path, text: str = GRAF) -> Path:
    path = folder / "sites.txt"
    path.write_text(text, encoding="utf-8")
    return path


def network(build: Build, folder: Path, **lists: Path) -> BuiltNetwork:
    settings = {
        f"{name}_sites_digest": read_site_list(path, "GRCh37").digest
        for name, path in (lists or {"kinship": listed(folder)}).items()
    }
    built = build(settings=settings)
    for path in (lists or {"kinship": listed(folder)}).values():
        built.site("A").site.ingest_sites(path)
    return built


def dosages(site: BuiltSite, name: str = "kinship") -> SiteDosages:
    opened: OpenSite
    opened = open_on(site._place, site.folder.root)
    try:
        digest = getattr(opened.parameters, f"{name}_sites_digest")
        return site_dosages(opened.sync_if_behind(), name, digest)
    finally:
        opened.close()


def assert_dosages(found: SiteDosages, expected: str) -> None:
    names = [str(ident).removeprefix("rs") for ident in found.sites["id"].to_list()]
    columns = {name: found.dosage[:, at] for at, name in enumerate(names)}
    there = pl.DataFrame(columns, schema=dict.fromkeys(names, pl.UInt8))
    assert_answer(pl.concat([found.persons, there], how="horizontal"), expected)


def test_alleles_are_matched_as_written_and_on_the_other_strand(
    build: Build, tmp_path: Path
) -> None:
    """Copies are of the list's second allele; who carries a third one is missing."""
    built = network(build, tmp_path)
    site = built.site("A")
    ingest_genotypes(site, CALLS, sexes=SEXES, source="panel")
    found = dosages(site)
    assert_dosages(found, DOSAGES)
    assert found.ploidy[:, -1].tolist() == [2, 1, 1]
    absent = [at for at, ident in enumerate(found.sites["id"]) if ident in ("rs15", "rs18")]
    assert (found.dosage[:, absent] == 4).all()
    with site.network() as net:
        answer = net.kinship_sites()
    expected = """
        site | source | list    | persons | listed | found | as_listed | swapped | flipped | absent
        A    | panel  | kinship | 3       | 10     | 6     | 3         | 1       | 1       | 1
        """
    assert_answer(answer, expected)
    refused = answer.select("flipped_swapped", "ambiguous", "other_alleles", "not_snv").row(0)
    assert refused == (1, 1, 1, 1)
    assert all(check.ok for check in site.site.verify())


PANEL = """
    place | ref | alt | {persons}
    9:100 | A   | G   | {calls}
    9:200 | A   | G   | {missing}
    """


def test_what_quality_control_removes_is_there_all_the_same(build: Build, tmp_path: Path) -> None:
    """Person 40 misses every call but one; 9:200 misses too many calls: both are removed."""
    built = network(build, tmp_path)
    site = built.site("A")
    persons = [str(number) for number in range(1, 41)]
    calls = [("0/0", "0/1", "1/1", "0/1")[number % 4] for number in range(40)]
    missing = ["./." if number % 5 == 4 else "0/0" for number in range(40)]
    text = PANEL.format(
        persons=" | ".join(persons), calls=" | ".join(calls), missing=" | ".join(missing)
    )
    done = ingest_genotypes(site, text, source="panel", qc="remove")
    assert done.counts["alleles"] == 1
    found = dosages(site)
    assert found.persons["person_id"].to_list() == list(range(1, 41))
    copies = [str(call.count("1")) for call in calls]
    assert found.dosage[:, 0].tolist() == [int(copy) for copy in copies]
    assert found.dosage[:, 1].tolist() == [3 if call == "./." else 2 for call in missing]
    assert all(check.ok for check in site.site.verify())


def test_withdrawn_persons_vanish_and_newer_calls_count(build: Build, tmp_path: Path) -> None:
    built = network(build, tmp_path)
    site = built.site("A")
    site.site.withdraw_persons([3])
    ingest_genotypes(site, CALLS, sexes=SEXES, source="panel")
    assert dosages(site).persons["person_id"].to_list() == [1, 2]
    newer = "place | ref | alt | 2   | 4\n 9:100 | A | G | 0/0 | 0/1\n 9:800 | A | G | ./. | 1/1"
    ingest_genotypes(site, newer, source="newer", replace=True)
    found = dosages(site)
    expected = """
        person | 11 | 12 | 18
        A:1    | 1  | 1  | 4
        A:2    | 0  | 0  | 3
        A:4    | 1  | 4  | 2
        """
    assert_dosages(found, expected)
    site.site.withdraw_persons([2])
    assert dosages(site).persons["person_id"].to_list() == [1, 4]
    site.site.withdraw_source("newer")
    assert dosages(site).persons["person_id"].to_list() == [1]
    with site.network() as net:
        assert net.kinship_sites()["persons"].to_list() == [1]
    assert all(check.ok for check in site.site.verify())


VCF = """\
##fileformat=VCFv4.2
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
9\t100\trs11\tA\tG\t.\t.\tAF=0.25;WEIGHT=0.5,-0.125
9\t500\trs15\tA\tT\t.\t.\tAF=0.5;WEIGHT=1,2
"""


def test_a_list_with_a_reference_allele_settles_what_is_its_own_complement(
    build: Build, tmp_path: Path
) -> None:
    path = tmp_path / "weights.vcf"
    path.write_text(VCF, encoding="utf-8")
    built = network(build, tmp_path, pc=path)
    site = built.site("A")
    ingest_genotypes(site, CALLS, sexes=SEXES, source="panel")
    found = dosages(site, "pc")
    assert found.dosage.tolist() == [[1, 1], [2, 2], [3, 0]]
    assert found.sites["weights"].to_list() == [[0.5, -0.125], [1.0, 2.0]]
    with site.network() as net:
        assert net.pc_sites()["as_listed"].to_list() == [2]
        assert net.kinship_sites().height == 0


def test_lists_are_the_network_s_or_refused(build: Build, tmp_path: Path) -> None:
    settings = {"kinship_sites_digest": read_site_list(listed(tmp_path), "GRCh37").digest}
    built = build(settings=settings)
    site = built.site("A")
    with pytest.raises(SealRefusedError, match="were not extracted"):
        ingest_genotypes(site, CALLS, source="panel")
    other = listed(site.new_folder(), GRAF.replace("A G", "A C"))
    with pytest.raises(ParameterMismatchError, match="do not name"):
        site.site.ingest_sites(other)
    joined = built.site("B")  # anybody may publish the list; once is enough
    assert joined.site.ingest_sites(listed(site.new_folder())).new_items
    assert joined.site.ingest_sites(listed(site.new_folder())).new_items == 0
    assert ingest_genotypes(site, CALLS, source="panel").new_items
    assert all(check.ok for check in site.site.verify())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no site"),
        ("11 9 100 1100 A\n", ":1: is no site"),
        ("11 9 100 1100 A AT\n", ":1: is no site"),
        ("11 9 100 1100 A G\n12 9 100 1200 C T\n", ":2: has the position of line 1"),
        ("11 9 900000000 1100 A G\n", ":1: lies on no chromosome"),
        (VCF.replace("A\tT", "A\tT,C"), ":4: is no site"),
        (VCF.replace("WEIGHT=1,2", "WEIGHT=1,x"), ":4: is no site"),
    ],
)
def test_a_list_that_is_none_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MetadataFormatError, match=message):
        read_site_list(listed(tmp_path, text), "GRCh37")


def test_a_founder_publishes_the_lists_it_names(tmp_path: Path) -> None:
    import precisionchain as pc

    path = listed(tmp_path)
    site = pc.Site.init(tmp_path / "site_a", site="A", build="GRCh37", kinship_sites=path)
    with pc.connect(tmp_path / "site_a") as net:
        assert net.kinship_sites().height == 0
    assert site.ingest_sites(path).new_items == 0
    with pytest.raises(ParameterMismatchError):
        pc.Site.init(
            tmp_path / "site_b",
            site="B",
            ledger="embedded:../site_a/ledger.sqlite",
            kinship_sites=listed(tmp_path, GRAF.splitlines()[0]),
        )
    assert not (tmp_path / "site_b").exists()
    with pytest.raises(SiteError):
        pc.Site(tmp_path / "site_b")


def test_verify_finds_calls_that_are_not_those_of_the_genotypes(
    build: Build, tmp_path: Path
) -> None:
    """A site whose program counts copies of the other allele seals them with valid signatures."""
    built = network(build, tmp_path)
    site = built.site("A")
    with mock.patch(
        "precisionchain.ingest.site_calls._copies_of_second", lambda dosage, *_: dosage
    ):
        ingest_genotypes(site, CALLS, sexes=SEXES, source="panel")
    wrong = [check for check in site.site.verify() if not check.ok]
    assert [check.name for check in wrong] == ["listed-sites"]
    assert "other calls than its genotypes" in wrong[0].line()
