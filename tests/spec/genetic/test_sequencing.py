"""Q9: how persons were sequenced, as a criterion, with genotypes, corrected, and as of then."""

from __future__ import annotations

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.errors import PrecisionChainError, SealRefusedError, UsageError
from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes, write_metadata
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.spec.conftest import Build

CALLS = """
    place | ref | alt | 1   | 2   | 3   | 4
    9:100 | A   | G   | 0/1 | 1/1 | 0/0 | 0/1
    """
METADATA = """
    person | Machine               | coverage | protocol
    1      | Illumina NovaSeq 6000 | 31.5     | PCR-free
    2      | Illumina NovaSeq 6000 | 29       |
    3      | HiSeq X               | 40       | PCR
    """
OTHERS = """
    place | ref | alt | 1
    9:200 | C   | T   | 0/1
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    """Person 4 has no metadata; person 1 is sequenced twice; B has a column of texts."""
    network = build()
    ingest_genotypes(network.site("A"), CALLS, source="genomes", metadata=METADATA)
    again = "person | machine | coverage\n 1 | PromethION | 12"
    ingest_genotypes(network.site("A"), OTHERS, source="long", metadata=again)
    of_b = "person | machine | coverage\n 1 | HiSeq X | deep"
    ingest_genotypes(network.site("B"), OTHERS, source="exomes", metadata=of_b)
    network.site("A").site.sync()
    return network


def asked(site: BuiltSite, question: str) -> tuple[list[str], list[str]]:
    with site.network() as net:
        cohort = net.cohort(question)
    return _named(cohort.persons), _named(cohort.unknown)


def _named(frame: pl.DataFrame) -> list[str]:
    return [f"{site}:{person}" for site, person in frame.rows()]


ANSWERS = {
    'sequenced(machine="Illumina NovaSeq 6000")': (["A:1", "A:2"], ["A:4"]),
    'sequenced(MACHINE="HiSeq X")': (["A:3", "B:1"], ["A:4"]),
    "sequenced(coverage__ge=30)": (["A:1", "A:3"], ["A:4", "B:1"]),
    "sequenced(coverage__gt=12, coverage__lt=40)": (["A:1", "A:2"], ["A:4", "B:1"]),
    "sequenced(coverage__le=12)": (["A:1"], ["A:4", "B:1"]),
    "sequenced(coverage=deep)": (["B:1"], ["A:1", "A:2", "A:3", "A:4"]),
    'sequenced(machine="Illumina NovaSeq 6000", coverage__ge=30)': (["A:1"], ["A:4"]),
    "sequenced(machine=PromethION, coverage__ge=30)": ([], ["A:4"]),
    "sequenced(machine=PromethION) & sequenced(coverage__ge=30)": (["A:1"], ["A:4"]),
    'sequenced(machine__in=["HiSeq X", PromethION])': (["A:1", "A:3", "B:1"], ["A:4"]),
    'sequenced(machine__ne="HiSeq X")': (["A:1", "A:2"], ["A:4"]),
    "sequenced(protocol=PCR-free)": (["A:1"], ["A:2", "A:4", "B:1"]),
    "~sequenced(protocol=PCR-free)": (["A:3"], ["A:2", "A:4", "B:1"]),
    "sequenced(coverage__ge=30) & carries(9:100:A:G)": (["A:1"], ["A:4", "B:1"]),
}


@pytest.mark.parametrize("question", ANSWERS)
def test_conditions_hold_in_one_source_of_a_person(network: BuiltNetwork, question: str) -> None:
    """Of persons in several sources one that matches is enough; no value is unknown."""
    assert asked(network.site("A"), question) == ANSWERS[question]


def test_a_source_says_each_value_and_of_how_many(network: BuiltNetwork) -> None:
    with network.site("A").network() as net:
        answer = net.sequencing()
    expected = """
        site | source  | column   | type    | value                 | low | high | persons
        A    | genomes | Machine  | text    | Illumina NovaSeq 6000 |     |      | 2
        A    | genomes | Machine  | text    | HiSeq X               |     |      | 1
        A    | genomes | Machine  | unknown |                       |     |      | 1
        A    | genomes | coverage | float   |                       | 29  | 40   | 3
        A    | genomes | coverage | unknown |                       |     |      | 1
        A    | genomes | protocol | text    | PCR                   |     |      | 1
        A    | genomes | protocol | text    | PCR-free              |     |      | 1
        A    | genomes | protocol | unknown |                       |     |      | 2
        A    | long    | coverage | integer |                       | 12  | 12   | 1
        A    | long    | machine  | text    | PromethION            |     |      | 1
        B    | exomes  | coverage | text    | deep                  |     |      | 1
        B    | exomes  | machine  | text    | HiSeq X               |     |      | 1
        """
    assert_answer(answer, expected)


def test_counts_by_sex_and_by_machine(network: BuiltNetwork) -> None:
    """A:1 has two machines, so neither is theirs; A:4 has none; B does not list the place."""
    with network.site("A").network() as net:
        by_machine = net.frequencies("9:100:A:G", by="machine")
        within = net.frequencies("9:1-150", within="sequenced(coverage__ge=30)")
    expected = """
        group                 | values | persons | ac | an | n_het | n_hom_alt | n_not_assayed
        HiSeq X               | 1      | 2       | 0  | 2  | 0     | 0         | 1
        Illumina NovaSeq 6000 | 1      | 1       | 2  | 2  | 0     | 1         | 0
                              | 2      | 1       | 1  | 2  | 1     | 0         | 0
                              | 0      | 1       | 1  | 2  | 1     | 0         | 0
        """
    assert_answer(by_machine, expected)
    assert within.select("group", "persons", "ac", "an").rows() == [("all", 2, 1, 4)]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("sequenced(machin=X)", "machine is meant"),
        ("sequenced()", "needs a condition"),
        ("sequenced(machine__in=X)", "takes a list"),
        ("sequenced(machine=[X, Y])", "takes a list"),
        ("sequenced(machine=true)", "not a number or text"),
        ('sequenced(machine=" X")', "holds such a text"),
        ("sequenced(value > 3)", "no value to compare"),
        ("sequenced(X)", "positional"),
    ],
)
def test_what_cannot_be_asked_says_why(network: BuiltNetwork, question: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        asked(network.site("A"), question)


def test_the_log_shows_no_value_that_no_batch_has(network: BuiltNetwork) -> None:
    site = network.site("A")
    with site.network() as net:
        net.cohort(pc.sequenced(machine__in=["HiSeq X", "MRN-00777"], coverage__ge=30))
        with pytest.raises(UsageError):
            net.cohort(pc.sequenced(**{"MRN 00778": 1}))
    logged = str(site.entries()["question"].to_list())
    assert "HiSeq X" in logged
    assert "coverage__ge" in logged
    assert "00777" not in logged
    assert "00778" not in logged


NEWER = """
    person | coverage | Aligner
    1      | 33       | BWA
    2      |          | BWA
    """


def test_metadata_come_later_are_corrected_withdrawn_and_asked_as_of_then(build: Build) -> None:
    """Of a column the newest batch counts, an empty cell too; columns it lacks stay."""
    built = build()
    site = built.site("A")
    ingest_genotypes(site, CALLS, source="genomes", metadata=METADATA)
    with site.network() as net:
        then = net.cohort("everyone()").position
    newer = write_metadata(site.new_folder(), NEWER, ["1", "2", "3", "4"])
    first = site.site.ingest_sequencing(newer, source="genomes")
    assert first.new_items
    assert site.site.ingest_sequencing(newer, source="genomes").new_items == 0
    deep, aligned = "sequenced(coverage__gt=32)", "sequenced(aligner=BWA)"
    assert asked(site, deep) == (["A:1", "A:3"], ["A:2", "A:4"])
    assert asked(site, aligned) == (["A:1", "A:2"], ["A:3", "A:4"])
    assert asked(site, 'sequenced(machine="HiSeq X")') == (["A:3"], ["A:4"])
    with site.network(as_of=then) as net:
        assert _named(net.cohort(deep).persons) == ["A:3"]
    assert all(check.ok for check in site.site.verify())

    site.site.withdraw_persons([1])
    assert asked(site, deep) == (["A:3"], ["A:2", "A:4"])
    with site.network(as_of=then) as net:
        assert "A:1" not in _named(net.cohort("sequenced(coverage__ge=0)").persons)
        assert net.frequencies("9:100:A:G")["persons"].to_list() == [3]
    site.site.withdraw_batch(first.batch)
    assert asked(site, deep) == (["A:3"], ["A:4"])
    site.site.readmit_persons([1])
    assert site.site.ingest_sequencing(newer, source="genomes").new_items
    assert asked(site, deep) == (["A:1", "A:3"], ["A:2", "A:4"])
    assert all(check.ok for check in site.site.verify())


def test_withdrawn_persons_have_no_row_on_the_ledger(build: Build) -> None:
    built = build()
    site = built.site("A")
    site.site.withdraw_persons([1])
    ingest_genotypes(site, CALLS, source="genomes", metadata=METADATA)
    later = write_metadata(site.new_folder(), NEWER, ["1", "2", "3", "4"])
    site.site.ingest_sequencing(later, source="genomes")
    for folder in (site.folder.replica / "batches").iterdir():
        rows = pl.read_parquet(folder / "sequencing.parquet")
        assert 1 not in rows["person_id"].to_list()
    alone = write_metadata(site.new_folder(), "person | coverage\n1 | 5", ["1"])
    with pytest.raises(SealRefusedError, match="withdrawn"):
        site.site.ingest_sequencing(alone, source="genomes")


def test_metadata_of_no_genotypes_are_refused(build: Build) -> None:
    built = build()
    site = built.site("A")
    ingest_genotypes(site, CALLS, source="genomes")
    path = write_metadata(site.new_folder(), NEWER, ["1", "2", "3", "4"])
    with pytest.raises(PrecisionChainError, match="sample map"):
        site.site.ingest_sequencing(path, source="exomes")
    path.write_text("sample_id,coverage\nsample0,3\nsomebody,4\n")
    with pytest.raises(PrecisionChainError, match="somebody"):
        site.site.ingest_sequencing(path, source="genomes")
    done = site.site.ingest_sequencing(path, source="genomes", allow_missing_samples=True)
    assert done.new_items
