"""Batches come in any order and number; the same source comes again; an older one comes back."""

from __future__ import annotations

import csv
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

import precisionchain as pc
from tests.validation.conftest import (
    OMOP_FOLDERS,
    PGX,
    Networks,
    new_site,
    objects,
    run_cli,
)
from tests.validation.genetic_networks import BatchFile, GeneticNetwork, ingest_batches
from tests.validation.ledger_bytes import items_in

KEYS = ["chrom", "pos", "ref", "alt"]
Rows = list[dict[str, str]]


# ------------------------------------------------------------------------------------ genotypes


@pytest.fixture(scope="module")
def ordered(
    genetic_network: Networks, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, GeneticNetwork]:
    """The same genotypes as two batches, as two in the other order, and as one."""
    first, second = (BatchFile(f, genetic_network.pgx_persons) for f in genetic_network.pgx_files())
    one = BatchFile(genetic_network.shared / PGX, genetic_network.pgx_persons)
    made = {"two": genetic_network("pgx in two batches")}
    for name, batches in {"reversed": (second, first), "one": (one,)}.items():
        folder = tmp_path_factory.mktemp(name)
        ingest_batches(new_site(folder / "site_a"), batches, genetic_network.sexes, folder)
        made[name] = GeneticNetwork(folder / "site_a", batches, genetic_network.sexes)
    return made


@pytest.mark.parametrize("other", ["reversed", "one"])
def test_counts_do_not_depend_on_how_genotypes_came(
    other: str, ordered: dict[str, GeneticNetwork]
) -> None:
    answers = []
    for name in ("two", other):
        with pc.connect(ordered[name].site) as net:
            answers.append(net.maf(0.0, 0.5).drop("batches").sort(KEYS))
    assert answers[0].height > 40_000
    assert answers[0].equals(answers[1])


@pytest.mark.parametrize("other", ["reversed", "one"])
def test_answers_do_not_depend_on_how_genotypes_came(
    other: str, ordered: dict[str, GeneticNetwork]
) -> None:
    network = ordered["two"]
    chooser = random.Random(17)
    variants = [allele.text for allele in chooser.sample(network.alleles, 100)]
    persons = chooser.sample(network.persons.tolist(), 15)
    with pc.connect(network.site) as one, pc.connect(ordered[other].site) as two:
        for text in variants:
            asked = ["1", "2", "missing", "not_assayed"]
            answers = [net.variant(text, genotype=asked).drop("batch") for net in (one, two)]
            assert answers[0].equals(answers[1]), text
        for person in persons:
            records = [net.person_variants(f"A:{person}").sort(KEYS) for net in (one, two)]
            assert records[0].height > 1_000
            assert records[0].equals(records[1]), "a person's variants"


def test_the_same_genotypes_again_add_no_item(ordered: dict[str, GeneticNetwork]) -> None:
    network = ordered["reversed"]
    before = items_in(network.site / "ledger.sqlite")
    site = pc.Site(network.site)
    ingest_batches(site, network.batches, network.sexes, network.site.parent)
    assert items_in(network.site / "ledger.sqlite") == before


# ---------------------------------------------------------------------------------------- OMOP


@pytest.fixture(scope="module")
def months(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two exports of one source: in February some conditions are gone, one is new, one differs."""
    root = tmp_path_factory.mktemp("months")
    source = shared_data / OMOP_FOLDERS["omoplite100"]
    for month in ("january", "february"):
        shutil.copytree(source, root / month)
        (root / month).chmod(0o755)
    path = root / "february" / "CONDITION_OCCURRENCE.csv"
    path.chmod(0o644)
    _rewrite(path, _february)
    return {month: root / month for month in ("january", "february")}


def _rewrite(path: Path, change: Callable[[Rows], Rows]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t")
        names: Sequence[str] = reader.fieldnames or ()
        rows = change(list(reader))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


def _february(rows: Rows) -> Rows:
    kept = [dict(row) for index, row in enumerate(rows) if index % 10]
    kept[0]["condition_concept_id"] = "201826"
    kept.append(rows[0] | {"condition_occurrence_id": "999999", "condition_concept_id": "201826"})
    return kept


def _conditions(folder: Path) -> set[tuple[int, int, int]]:
    with (folder / "CONDITION_OCCURRENCE.csv").open(encoding="utf-8", newline="") as file:
        return {
            (
                int(row["condition_occurrence_id"]),
                int(row["person_id"]),
                int(row["condition_concept_id"]),
            )
            for row in csv.DictReader(file, delimiter="\t")
        }


def _answered(site: Path, persons: set[int]) -> set[tuple[int, int, int]]:
    columns = ["condition_occurrence_id", "person_id", "condition_concept_id"]
    found: set[tuple[int, int, int]] = set()
    with pc.connect(site) as net:
        for person in persons:
            record = net.person(f"A:{person}", table="condition_occurrence")
            for frame in record.values():
                found |= set(frame.select(columns).iter_rows())
    return found


def _by_concept(site: Path, concept: int) -> set[int]:
    with pc.connect(site) as net:
        answer = net.domain(concept, table="condition_occurrence", descendants=False)
    if answer.is_empty():
        return set()
    return set(answer["condition_occurrence_id"].to_list())


def test_january_february_january_are_three_heads(months: dict[str, Path], tmp_path: Path) -> None:
    site = new_site(tmp_path / "site_a")
    ledger = tmp_path / "site_a" / "ledger.sqlite"
    heads: list[str] = []
    sizes: list[int] = [items_in(ledger)]
    persons = {person for folder in months.values() for _, person, _ in _conditions(folder)}
    for month in ("january", "february", "january"):
        done = site.ingest_omop(months[month], source="ehr", allow_shrinking=True)
        heads.append(done.batch)
        sizes.append(items_in(ledger))
        assert done.new_items > 0
        expected = _conditions(months[month])
        assert _answered(site.folder.root, persons) == expected
        sizes[-1] = items_in(ledger)
        occurring = sorted({concept for _, _, concept in expected} - {201826})
        for concept in random.Random(month).sample(occurring, 15):
            rows = {key for key, _, of_row in expected if of_row == concept}
            assert _by_concept(site.folder.root, concept) == rows
        if month == "february":
            assert len(_by_concept(site.folder.root, 201826)) == 2
    assert len(set(heads)) == 3
    assert sizes == sorted(set(sizes))
    checks = objects(run_cli("-C", tmp_path / "site_a", "verify", "--json"))
    assert all(check["ok"] for check in checks)


def test_the_same_export_again_adds_no_item(months: dict[str, Path], tmp_path: Path) -> None:
    site = new_site(tmp_path / "site_a")
    ledger = tmp_path / "site_a" / "ledger.sqlite"
    first = site.ingest_omop(months["february"], source="ehr")
    before = items_in(ledger)
    again = site.ingest_omop(months["february"], source="ehr")
    assert (again.batch, again.new_items) == (first.batch, 0)
    assert items_in(ledger) == before
    # Nor does the same content under other file names, or compressed.
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for path in months["february"].iterdir():
        shutil.copy(path, renamed / path.name.lower())
    assert site.ingest_omop(renamed, source="ehr").new_items == 0
    assert items_in(ledger) == before


def test_two_sources_stand_beside_each_other(shared_data: Path, tmp_path: Path) -> None:
    site = new_site(tmp_path / "site_a")
    for name in ("omoplite100", "synthea27nj"):
        done = site.ingest_omop(shared_data / OMOP_FOLDERS[name], source=name)
        assert done.new_items > 0
    frame = site.sql("select _source, count(*) as n from person group by 1 order by 1")
    assert frame.rows() == [("omoplite100", 99), ("synthea27nj", 28)]
    staged = site.sql(
        "select _source, condition_concept_id as concept, count(*) as n from condition_occurrence"
        " group by 1, 2"
        " qualify row_number() over (partition by _source order by count(*) desc, concept) < 9"
    )
    assert set(staged["_source"]) == {"omoplite100", "synthea27nj"}
    with pc.connect(tmp_path / "site_a") as net:
        for concept, rows in staged.group_by("concept").agg(pl.col("n").sum()).iter_rows():
            assert rows > 0
            answer = net.domain(concept, table="condition_occurrence", descendants=False)
            assert answer.height == rows
        assert net.verify()
