"""Real genotypes, from VCF to answers, against bcftools, plink2 and brute force."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import precisionchain as pc
from tests.validation.conftest import GENETIC_NETWORKS, PGX, Networks, objects, run_cli
from tests.validation.plink_oracle import COUNTS, plink2_counts

KEYS = ["chrom", "pos", "ref", "alt"]
RANGES = [
    (0.0, 0.0),
    (0.0, 0.0002),
    (0.0, 0.001),
    (0.001, 0.01),
    (0.01, 0.01),
    (0.01, 0.05),
    (0.05, 0.1),
    (0.1, 0.25),
    (0.25, 0.25),
    (0.2, 0.5),
    (0.5, 0.5),
    (0.0, 0.5),
]

networks = pytest.mark.parametrize("name", GENETIC_NETWORKS)
whole = pytest.mark.parametrize(
    "name", [name for name in GENETIC_NETWORKS if name != "pgx cut, sites"]
)


@networks
def test_persons_of_every_allele_by_genotype(name: str, genetic_network: Networks) -> None:
    network = genetic_network(name)
    rows = range(len(network.alleles))
    wrong = network.wrong_alleles(rows)
    assert not wrong, f"{len(wrong)} of {len(rows)} alleles, as {wrong[:5]}"


@networks
def test_persons_of_some_alleles_through_the_gate(name: str, genetic_network: Networks) -> None:
    network = genetic_network(name)
    rows = random.Random(5).sample(range(len(network.alleles)), 200)
    with pc.connect(network.site) as net:
        wrong = network.wrong_alleles(
            rows, (0, 1, 2, 3, 4), lambda text, states: net.variant(text, genotype=states)
        )
    assert not wrong, wrong[:5]


@networks
def test_frequencies_are_the_fold_over_all_batches(name: str, genetic_network: Networks) -> None:
    network = genetic_network(name)
    expected = network.counts.filter(pl.col("an") > 0)
    with pc.connect(network.site) as net:
        got = net.maf(0.0, 0.5)
    wrong = _unequal(got, expected, ["ac", "an", "maf"])
    assert wrong.is_empty(), f"{wrong.height} of {expected.height}, as {wrong.head(3).to_dicts()}"


@whole
def test_counts_are_those_of_plink2_with_sex_given(
    name: str, genetic_network: Networks, tmp_path: Path
) -> None:
    network = genetic_network(name)
    source = genetic_network.shared / PGX if "pgx" in name else network.batches[0].path
    half_call = network.batches[0].half_call
    expected = plink2_counts(source, network.sexes, tmp_path, half_call=half_call)
    with pc.connect(network.site) as net:
        got = net.maf(0.0, 0.5)
    wrong = _unequal(got, expected.filter(pl.col("an") > 0), ["ac", "an"])
    assert wrong.is_empty(), f"{wrong.height} of {expected.height}, as {wrong.head(3).to_dicts()}"


@pytest.mark.parametrize("name", [n for n in GENETIC_NETWORKS if "cut" not in n])
def test_all_six_counts_of_the_batches_add_up_to_those_of_plink2(
    name: str, genetic_network: Networks, tmp_path: Path
) -> None:
    network = genetic_network(name)
    source = genetic_network.shared / PGX if "pgx" in name else network.batches[0].path
    half_call = network.batches[0].half_call
    expected = plink2_counts(source, network.sexes, tmp_path, half_call=half_call)
    sums = ", ".join(f"sum({column})::bigint as {column}" for column in COUNTS)
    got = pc.Site(network.site).sql(f"select {', '.join(KEYS)}, {sums} from counts group by all")
    wrong = _unequal(got, expected, list(COUNTS))
    assert wrong.is_empty(), f"{wrong.height} of {expected.height}, as {wrong.head(3).to_dicts()}"


@networks
def test_all_variants_of_fifty_persons(name: str, genetic_network: Networks) -> None:
    network = genetic_network(name)
    persons = random.Random(9).sample(network.persons.tolist(), 50)
    with pc.connect(network.site) as net:
        for person in persons:
            expected = network.expected_of_person(person).sort(KEYS)
            got = net.person_variants(f"A:{person}").sort(KEYS)
            assert set(got["person_id"]) <= {person}
            same = got.select(expected.columns).cast({"pos": pl.Int64, "ploidy": pl.UInt8})
            assert same.equals(expected), _which(same, expected)


@networks
def test_variants_of_a_person_in_a_region_and_a_frequency_range(
    name: str, genetic_network: Networks
) -> None:
    network = genetic_network(name)
    chooser = random.Random(11)
    frequencies = network.counts.select(*KEYS, "maf")
    with pc.connect(network.site) as net:
        for person in chooser.sample(network.persons.tolist(), 10):
            whole_record = network.expected_of_person(person).join(frequencies, on=KEYS)
            middle = chooser.choice(network.alleles)
            start, end = max(1, middle.pos - 50_000), middle.pos + 50_000
            inside = whole_record.filter(
                (pl.col("chrom") == middle.chrom) & pl.col("pos").is_between(start, end)
            )
            region = f"{middle.chrom}:{start}-{end}"
            assert _keys(net.person_variants(f"A:{person}", region)) == _keys(inside)
            rare = whole_record.filter(pl.col("maf").is_between(0.01, 0.05))
            assert _keys(net.person_variants(f"A:{person}", maf=(0.01, 0.05))) == _keys(rare)


@networks
def test_frequency_ranges_are_closed_and_those_of_brute_force(
    name: str, genetic_network: Networks
) -> None:
    network = genetic_network(name)
    called = network.counts.filter(pl.col("an") > 0)
    middle = network.alleles[len(network.alleles) // 2]
    region = f"{middle.chrom}:{middle.pos}-{middle.pos + 200_000}"
    inside = (pl.col("chrom") == middle.chrom) & pl.col("pos").is_between(
        middle.pos, middle.pos + 200_000
    )
    with pc.connect(network.site) as net:
        for low, high in RANGES:
            expected = called.filter((pl.col("maf") >= low) & (pl.col("maf") <= high))
            assert _keys(net.maf(low, high)) == _keys(expected), (low, high)
            assert _keys(net.maf(low, high, region=region)) == _keys(expected.filter(inside))


def test_a_person_has_a_clinical_record_and_genotypes(genetic_network: Networks) -> None:
    network = genetic_network("pgx in two batches")
    with pc.connect(network.site) as net:
        for batch in network.batches:
            person = batch.persons[batch.genotypes.samples[0]]
            record = net.person(f"A:{person}")
            assert record["person"]["person_id"].to_list() == [person]
            assert net.person_variants(f"A:{person}").height > 1_000


@networks
def test_the_same_through_the_command_line(name: str, genetic_network: Networks) -> None:
    network = genetic_network(name)
    chooser = random.Random(13)
    for row in chooser.sample(range(len(network.alleles)), 2):
        expected = network.expected(row, (1, 2))
        got = _ask(network.site, "variant", network.alleles[row].text)
        assert [(r["person_id"], str(r["genotype"])) for r in got] == list(
            expected.sort("person_id").select("person_id", "genotype").iter_rows()
        )
        assert all(isinstance(r["genotype"], int) and r["site"] == "A" for r in got)
    person = chooser.choice(network.persons.tolist())
    expected = network.expected_of_person(person)
    got = _ask(network.site, "person-variants", f"A:{person}")
    assert {tuple(r[key] for key in KEYS) for r in got} == _keys(expected)
    assert len(got) == expected.height
    called = network.counts.filter(pl.col("an") > 0)
    got = _ask(network.site, "maf", "0.2-0.3")
    expected = called.filter((pl.col("maf") >= 0.2) & (pl.col("maf") <= 0.3))
    assert {tuple(r[key] for key in KEYS) for r in got} == _keys(expected)


@networks
def test_everything_on_the_ledger_verifies(name: str, genetic_network: Networks) -> None:
    checks = objects(run_cli("-C", genetic_network(name).site, "verify", "--json"))
    assert checks
    assert [check for check in checks if not check["ok"]] == []


def test_a_second_import_of_sealed_persons_is_refused(genetic_network: Networks) -> None:
    network = genetic_network("chrX, half-calls missing")
    batch = network.batches[0]
    mapped = next(network.site.parent.glob("*.map.csv"))
    again = run_cli(
        *("-C", network.site, "ingest", "vcf", batch.path, "--samples", mapped),
        *("--build", "GRCh37", "--source", "other"),
        check=False,
    )
    assert again.returncode == 4
    assert "Traceback" not in again.stderr


def _ask(site: Path, *question: str) -> list[dict[str, Any]]:
    return objects(run_cli("-C", site, "query", *question, "--json"))


def _keys(frame: pl.DataFrame) -> set[tuple[Any, ...]]:
    return set(frame.select(KEYS).iter_rows())


def _unequal(got: pl.DataFrame, expected: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Rows of either side that the other does not have so; a null count is not compared."""
    mine = got.select(*KEYS, *columns).cast({"pos": pl.Int64})
    theirs = expected.select(*KEYS, *columns).cast({"pos": pl.Int64})
    both = theirs.join(mine, on=KEYS, how="full", suffix="_got", coalesce=False)
    absent = pl.col("chrom").is_null() | pl.col("chrom_got").is_null()
    differ = [
        pl.col(column).is_not_null() & (pl.col(column) != pl.col(f"{column}_got"))
        for column in columns
    ]
    return both.filter(absent | pl.any_horizontal(differ))


def _which(got: pl.DataFrame, expected: pl.DataFrame) -> str:
    extra = got.join(expected, on=expected.columns, how="anti", nulls_equal=True)
    lost = expected.join(got, on=expected.columns, how="anti", nulls_equal=True)
    return f"extra {extra.head(3).to_dicts()}, missing {lost.head(3).to_dicts()}"
