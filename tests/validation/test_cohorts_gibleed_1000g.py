"""10,000 random cohorts over GiBleed linked to 1000 Genomes samples say what the oracle says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import precisionchain as pc
from precisionchain.opened import OpenSite
from precisionchain.query.cohort import Cohort
from precisionchain.query.criteria import Criterion, Saved
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.evaluate import evaluate
from precisionchain.query.saved_cohorts import SavedCohorts
from precisionchain.query.universe import universe_of
from tests.lib.cohort_comparison import Answer, Evaluate, compare, persons_of
from tests.lib.cohort_expressions import Expressions
from tests.lib.cohort_oracle import Oracle
from tests.lib.cohort_oracle_genotypes import GenotypeFile, Genotypes
from tests.lib.cohort_oracle_records import Records
from tests.validation.conftest import OMOP_FOLDERS, PGX, new_site
from tests.validation.genetic_networks import write_map
from tests.validation.linked_files import Batch, LinkedFiles

EXPRESSIONS, THROUGH_THE_GATE = 10_000, 250
SITES = frozenset({"A"})
ORPHANS = 2_649
"""Observation periods of persons that GiBleed's ``person`` lacks."""


@dataclass(frozen=True)
class Linked:
    """The site that ingested the files, and what it must answer."""

    site: Path
    oracle: Oracle


@pytest.fixture(scope="module")
def linked(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory, sexes: Mapping[str, int]
) -> Linked:
    folder = tmp_path_factory.mktemp("linked")
    gibleed = shared_data / OMOP_FOLDERS["gibleed"]
    files = LinkedFiles(folder, gibleed, shared_data / PGX)
    site = new_site(folder / "site_a")
    records = Records()
    for name, path in (("gibleed", gibleed), ("laboratory", files.laboratory())):
        said = site.ingest_omop(path, source=name)
        rejected = records.rejected.total()
        records.add("A", path)
        assert said.counts["rejected"] == records.rejected.total() - rejected
    assert records.rejected == {"observation_period": ORPHANS}

    batches = files.genotypes()
    read = [
        GenotypeFile(b.path, {s: ("A", p) for s, p in b.persons.items()}, sexes, b.bed)
        for b in batches
    ]
    _ingest(site, batches[0], sexes)
    earlier = Oracle(records, Genotypes(read[:1]), SITES)
    saved = _saved(site, earlier)
    for batch in batches[1:]:
        _ingest(site, batch, sexes)
    oracle = Oracle(records, Genotypes(read), SITES)
    oracle.saved.update(
        {name: (earlier.universe, earlier.evaluate(of)) for name, of in saved.items()}
    )
    return Linked(folder / "site_a", oracle)


def _ingest(site: pc.Site, batch: Batch, sexes: Mapping[str, int]) -> None:
    mapped = write_map(batch.path.with_suffix(".csv"), list(batch.persons), batch.persons, sexes)
    assay = str(batch.bed or "sites")
    site.ingest_vcf([batch.path], samples=mapped, build="GRCh37", assay=assay, qc="none")


def _saved(site: pc.Site, oracle: Oracle) -> dict[str, Criterion]:
    """Save some random cohorts, before all genotypes are there."""
    drawn = Expressions(oracle, seed=17)
    answerable = [of for of in map(drawn, range(40)) if not oracle.refusals(of)]
    saved = {f"saved-{number}": of for number, of in enumerate(answerable[:12])}
    with pc.connect(site.folder.root) as network:
        for name, criterion in saved.items():
            network.cohort(criterion, save=name)
    return saved


@pytest.fixture(scope="module")
def past_the_gate(linked: Linked) -> Iterator[Evaluate]:
    opened = OpenSite(linked.site)
    snapshot = opened.snapshot()
    universe = universe_of(snapshot)
    kept = SavedCohorts(linked.site / "cohorts", snapshot.catalogue.network)
    scope = CriterionScope(snapshot, universe, "A", SITES, kept.load)

    def answer(criterion: Criterion) -> Answer:
        truth = evaluate(scope, criterion)
        return Answer(
            persons_of(universe.some(truth.true)),
            persons_of(universe.some(truth.unknown)),
            len(universe),
        )

    yield answer
    opened.close()


@pytest.fixture(scope="module")
def through_the_gate(linked: Linked) -> Iterator[Evaluate]:
    with pc.connect(linked.site) as network:

        def answer(criterion: Criterion) -> Answer:
            cohort: Cohort = network.cohort(criterion)
            return Answer(persons_of(cohort.persons), persons_of(cohort.unknown), cohort.universe)

        yield answer


def test_random_cohorts_are_what_the_oracle_says(linked: Linked, past_the_gate: Evaluate) -> None:
    drawn = Expressions(linked.oracle, seed=10, saved=tuple(linked.oracle.saved))
    tally = compare(linked.oracle, past_the_gate, map(drawn, range(EXPRESSIONS)))
    _report(f"past the gate: {tally}")
    assert not tally.differences, "\n".join(tally.differences)
    assert tally.asked == EXPRESSIONS
    assert tally.parted > 0.6 * tally.asked, str(tally)
    assert tally.unknown > 0.5 * tally.asked, str(tally)
    assert 0 < tally.refused < 0.1 * tally.asked, str(tally)


def test_so_are_those_asked_for_through_the_gate(
    linked: Linked, through_the_gate: Evaluate
) -> None:
    drawn = Expressions(linked.oracle, seed=11, saved=tuple(linked.oracle.saved))
    # By itself a saved cohort is given back as it was, with the universe of its day.
    criteria = [of for of in map(drawn, range(THROUGH_THE_GATE)) if not isinstance(of, Saved)]
    tally = compare(linked.oracle, through_the_gate, criteria)
    _report(f"through the gate: {tally}")
    assert not tally.differences, "\n".join(tally.differences)
    assert tally.parted > 0.5 * tally.asked, str(tally)


def _report(said: str) -> None:
    print(said)  # noqa: T201  pytest shows it with -rP or -s
