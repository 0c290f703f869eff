"""Sites take a synthetic consortium in, and answer what its truth says: rejects, states, counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.site import Site
from precisionchain.synthetic import ConsortiumTruth, generate_consortium
from precisionchain.synthetic.genome import DENSE, Stretch

STRETCHES = (
    Stretch("9", 22_080_000, 30_000),
    Stretch("10", 114_750_000, 10_000),
    DENSE[3],
    Stretch("X", 30_000_000, 10_000),
)
STATES = {"0": 0, "1": 1, "2": 2, "missing": 3, "not_assayed": 4}


@dataclass(frozen=True)
class Network:
    truth: ConsortiumTruth
    sites: dict[str, Site]
    asked: pc.Network


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    root = tmp_path_factory.mktemp("network")
    truth = generate_consortium(
        root / "files",
        seed=17,
        persons=[30, 24],
        assays=["wgs", "exome"],
        stretches=STRETCHES,
        half_calls=0.002,
        duplicates=0.05,
    )
    sites = {"A": Site.init(root / "a", site="A", build="GRCh37")}
    sites["B"] = Site.init(root / "b", site="B", ledger="embedded:../a/ledger.sqlite")
    sites["A"].admit(sites["B"].join_token())
    for name, site in sites.items():
        files = root / "files" / name
        site.ingest_omop(files / "omop", vocabulary=files / "vocabulary")
        site.ingest_vcf(
            files / "genotypes.vcf.gz",
            samples=files / "samples.csv",
            build="GRCh37",
            assay="wgs" if name == "A" else str(files / "assay.bed"),
        )
    with pc.connect(root / "a") as asked:
        asked.sync()
        yield Network(truth, sites, asked)


@pytest.mark.parametrize("site", ["A", "B"])
def test_exactly_the_broken_records_are_rejected(network: Network, site: str) -> None:
    query = "select table_name, rule, record, line, column_name from rejected"
    found = network.sites[site].sql(query)
    expected = network.truth.sites[site].rejected
    assert set(found.iter_rows()) == set(expected.iter_rows())
    assert len(found) == len(expected)


def test_events_of_a_concept_are_those_of_both_sites(network: Network) -> None:
    found = network.asked.domain(201826)
    expected = {
        (site, table, row["person_id"], row.get(f"{table}_id"))
        for site, truth in network.truth.sites.items()
        for table, rows in truth.domain(201826).items()
        for row in rows.to_dicts()
    }
    assert {
        (row["site"], row["table"], row["person_id"], row.get(f"{row['table']}_id"))
        for row in found.to_dicts()
    } == expected


@pytest.mark.parametrize("site", ["A", "B"])
def test_person_42_of_each_site_has_that_sites_record(network: Network, site: str) -> None:
    expected = network.truth.sites[site].record(42)
    found = network.asked.person(f"{site}:42")
    assert found.keys() == expected.keys()
    for table, rows in expected.items():
        shared = [c for c in rows.columns if c in found[table].columns]
        assert sorted(map(str, found[table].select(shared).rows())) == sorted(
            map(str, rows.select(shared).rows())
        )
        absent = rows.drop(shared)
        assert all(absent[c].null_count() == len(rows) for c in absent.columns)


def test_every_state_of_persons_and_alleles_is_the_truths(network: Network) -> None:
    alleles = network.truth.alleles
    chosen = pl.concat([alleles.sample(60, seed=3), alleles.filter(pl.col("chrom") == "X")[::20]])
    kinds = set()
    for allele in chosen.select("chrom", "pos", "ref", "alt").iter_rows():
        variant = ":".join(map(str, allele))
        found = {
            (row["site"], row["person_id"]): (STATES[row["genotype"]], row["ploidy"] or 0)
            for row in network.asked.variant(variant, genotype=list(STATES)).to_dicts()
        }
        expected = {
            (site, person): (dosage, ploidy)
            for site, truth in network.truth.sites.items()
            for person, dosage, ploidy, _ in truth.genotypes(variant).iter_rows()
        }
        assert found == expected, variant
        kinds |= set(expected.values())
    assert {(4, 0), (3, 0), (0, 1), (1, 1), (2, 2)} <= kinds


def test_allele_counts_of_the_network_are_the_truths(network: Network) -> None:
    columns = ["chrom", "pos", "ref", "alt", "ac", "an"]
    expected = network.truth.alleles.filter(pl.col("maf").is_between(0.1, 0.3))
    found = network.asked.maf(0.1, 0.3)
    assert set(found.select(columns).iter_rows()) == set(expected.select(columns).iter_rows())
    assert len(found) > 20
