"""Random cohorts of a small network of two sites say what the oracle says of the input files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from precisionchain.query.criteria import Criterion
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.evaluate import evaluate
from precisionchain.query.universe import universe_of
from tests.lib.cohort_comparison import Answer, Evaluate, compare, persons_of
from tests.lib.cohort_expressions import Expressions
from tests.lib.cohort_inputs import RandomInputs
from tests.lib.cohort_oracle import Oracle
from tests.lib.cohort_oracle_genotypes import GenotypeFile, Genotypes
from tests.lib.cohort_oracle_records import Records
from tests.lib.ledger_places import PLACES
from tests.lib.site_builder import BuiltNetwork, BuiltSite, open_on

EXPRESSIONS = 600
BED = "9\t900\t1250\n"


@dataclass(frozen=True)
class Small:
    """The network and what must be answered."""

    network: BuiltNetwork
    oracle: Oracle


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    folder = tmp_path_factory.mktemp("small")
    built = BuiltNetwork(folder, PLACES["memory"](folder), genetic=True)
    a, b = built.site("A"), built.site("B")
    inputs = RandomInputs(folder / "files", seed=20_260_901)
    records = Records()

    # A's first export introduces 41 to 44, whose values stay when its second lacks them.
    first = inputs.omop("a1", range(1, 45), ["condition_occurrence"])
    a.site.ingest_omop(first, source="ehr")
    records.add("A", first, superseded=True)
    values = inputs.omop("a2", range(30, 45), ["measurement"], introduce=False)
    a.site.ingest_omop(values, source="laboratory")
    records.add("A", values)
    second = inputs.omop("a3", range(1, 41))
    a.site.ingest_omop(second, source="ehr", allow_shrinking=True, allow_churn=True)
    records.add("A", second)
    own = inputs.omop("b1", range(-5, 25), ["condition_occurrence", "measurement", "death"])
    b.site.ingest_omop(own, source="ehr")
    records.add("B", own)

    files = [
        genotypes(a, inputs, "a_sites", range(20, 50), range(1_000, 1_200, 10)),
        genotypes(a, inputs, "a_again", range(20, 30), range(9_000_000, 9_000_100, 10)),
        genotypes(b, inputs, "b_bed", range(30), range(1_050, 1_250, 10), bed=BED),
    ]
    a.site.sync()
    return Small(built, Oracle(records, Genotypes(files), frozenset({"A", "B"})))


def genotypes(
    site: BuiltSite,
    inputs: RandomInputs,
    name: str,
    persons: range,
    *positions: range,
    bed: str | None = None,
) -> GenotypeFile:
    """Ingest random genotypes of a site's persons as a batch."""
    who = [(site.config.site, person) for person in persons]
    path, mapped, extent, sexes = inputs.vcf(
        name, who, [p for each in positions for p in each], bed=bed
    )
    site.site.ingest_vcf(
        [path], samples=mapped, build="GRCh37", assay=str(extent or "sites"), source=name
    )
    return GenotypeFile(path, {f"p{person}": (s, person) for s, person in who}, sexes, extent)


@pytest.fixture
def evaluated(small: Small) -> Iterator[Evaluate]:
    """Evaluation as site A's readers do it, past the gate."""
    opened = open_on(small.network.place, small.network.site("A").folder.root)
    snapshot = opened.snapshot()
    universe = universe_of(snapshot)
    scope = CriterionScope(snapshot, universe, "A", frozenset({"A", "B"}))

    def answer(criterion: Criterion) -> Answer:
        truth = evaluate(scope, criterion)
        return Answer(
            persons_of(universe.some(truth.true)),
            persons_of(universe.some(truth.unknown)),
            len(universe),
        )

    yield answer
    opened.close()


def test_random_cohorts_are_what_the_page_says(small: Small, evaluated: Evaluate) -> None:
    drawn = Expressions(small.oracle, seed=1)
    tally = compare(small.oracle, evaluated, (drawn(number) for number in range(EXPRESSIONS)))
    assert not tally.differences, "\n".join(tally.differences)
    assert tally.parted > 0.6 * tally.asked, str(tally)
    assert tally.unknown > 0.5 * tally.asked, str(tally)
    assert 0 < tally.refused < 0.1 * tally.asked, str(tally)
