"""The oracle of cohorts on cases small enough to be worked out by hand."""

from __future__ import annotations

import pytest

from precisionchain.query import expressions as of
from precisionchain.query.criteria import Criterion
from tests.lib.cohort_oracle import Oracle
from tests.lib.cohort_oracle_events import RefusalError
from tests.lib.cohort_oracle_genotypes import GenotypeFile, Genotypes
from tests.lib.cohort_oracle_records import Records
from tests.lib.omop_builder import write_omop
from tests.lib.vcf_builder import write_vcf

# Below 10 is 20. Person 4 has no month of birth, 5 no sex, 9 is no person at all.
TABLES = """
    person
    person_id | gender_concept_id | year_of_birth | month_of_birth | day_of_birth
    1         | 8507              | 1960          | 2              | 29
    2         | 8532              | 1970          | 6              | 1
    3         | 8532              | 1980          | 1              | 1
    4         | 8507              | 1990          |                |
    5         | 0                 |               |                |

    concept_ancestor
    ancestor | descendant
    10       | 10
    10       | 20
    10       | 30

    condition_occurrence
    id | person | concept | start
    1  | 1      | 10      | 2011-02-28
    2  | 1      | 20      | 2011-03-01
    3  | 2      | 20      | 2015-01-01
    4  | 3      | 40      | 2015-01-31
    4  | 3      | 10      | 2015-01-31
    5  | 9      | 10      | 2015-01-31
    6  | 3      |         | 2015-01-31

    measurement
    id | person | concept | start      | value_as_number | operator_concept_id | unit_concept_id
    1  | 1      | 50      | 2015-01-01 | 7               |                     |
    2  | 2      | 50      | 2015-01-01 | 7               | 4171756             | 0
    3  | 3      | 50      | 2015-01-01 | 7               | 4171755             | 0
    4  | 4      | 50      | 2015-01-01 |                 | 4171755             | 0
    5  | 1      | 51      | 2015-01-02 | 7               |                     | 8840
    6  | 1      | 51      | 2015-01-02 | 7               |                     |

    death
    person_id | death_date | cause_concept_id
    1         | 2019-01-01 |
    2         | 2019-01-01 | 20

    observation_period
    observation_period_id | person | start      | end
    1                     | 1      | 2010-01-01 | 2012-12-31
    2                     | 1      | 2013-01-01 | 2015-12-31
    """


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    folder = tmp_path_factory.mktemp("oracle")
    records = Records()
    records.add("A", write_omop(folder / "omop", TABLES))
    assert records.rejected == {"condition_occurrence": 3}
    listed = write_vcf(
        folder / "listed.vcf",
        "9:100 A G 0|1 1|1 ./.",
        "9:200 A G,T 1|2 0|0 0/.",
        "X:5000000 CA C 1|1 1|0 0|0",
        samples=("a", "b", "c"),
    )
    covered = write_vcf(folder / "covered.vcf", "9:100 A C 0|1", samples=("d",))
    bed = folder / "assay.bed"
    bed.write_text("9\t50\t200\nX\t4000000\t5000000\n", encoding="utf-8")
    persons = {"a": ("A", 1), "b": ("A", 2), "c": ("A", 3)}
    files = [
        GenotypeFile(listed, persons, {"a": 1, "b": 2, "c": 2}),
        GenotypeFile(covered, {"d": ("A", 77)}, {"d": 1}, bed),
    ]
    return Oracle(records, Genotypes(files), frozenset({"A", "B"}))


CASES = {
    "a concept and what is below it": (of.condition(10), {1, 2}, set()),
    "a concept alone": (of.condition(10, descendants=False), {1}, set()),
    "a first key stays": (of.condition(40), {3}, set()),
    "without those below another": (of.condition([10, 40], exclude=20), {1, 3}, set()),
    "first is asked of the concepts": (of.condition(20, first=True), {1, 2}, set()),
    "first before the window": (of.condition(10, first=True, since="2011-03-01"), {2}, set()),
    "a window is closed": (of.condition(since="2015-01-01", until="2015-01-31"), {2, 3}, set()),
    "years of age": (of.condition(10, age=(51, 51)), {1}, set()),
    "completed years": (of.condition(10, age=(51, 51), exact_age=True), {1}, set()),
    "not completed": (of.condition(10, age=(50, 50), exact_age=True), {1}, set()),
    "nor earlier": (of.condition(20, age=(50, 50), exact_age=True), set(), set()),
    "no cause is concept 0": (of.death(0), {1}, set()),
    "a cause": (of.event(20, since="2019-01-01"), {2}, set()),
    "two rows": (of.at_least(2, of.condition(10)), {1}, set()),
    "no two days": (of.at_least(2, of.measurement(51), days=True), set(), set()),
    "above": (of.measurement(50, value__gt=6), {1, 3}, {2}),
    "at seven": (of.measurement(50, value__eq=7), {1}, {3}),
    "below": (of.measurement(50, value__lt=7), {2}, set()),
    "between": (of.measurement(50, value__ge=7, value__lt=8), {1}, {3}),
    "nothing between": (of.measurement(50, value__gt=8, value__lt=7), set(), set()),
    "no unit is unit 0": (of.measurement(51, value__gt=6, unit=0), {1}, set()),
    "two may": (of.at_least(2, of.measurement(value__gt=6, unit=[0, 8840])), {1}, set()),
    "a day apart": (
        of.within_days(of.condition(10), of.condition(10), (1, 1)),
        {1},
        set(),
    ),
    "from itself": (of.within_days(of.condition(10), of.condition(10), 0), {1, 2}, set()),
    "apart from one that may": (
        of.within_days(of.condition(), of.measurement(value__gt=6, unit=0), (-30, 0)),
        {3},
        {2},
    ),
    "one period holds both days": (
        of.observed(since="2012-01-01", until="2012-12-31"),
        {1},
        set(),
    ),
    "periods are not merged": (of.observed(since="2012-01-01", until="2013-01-01"), set(), set()),
    "on a day": (of.observed(until="2013-01-01"), {1}, set()),
    "a sex": (of.sex("male"), {1, 4}, {5, 77}),
    "no sex": (~of.sex("male"), {2, 3}, {5, 77}),
    "born": (of.born((1970, None)), {2, 3, 4}, {5, 77}),
    "of an age": (of.age((40, 50), at="2020-05-31"), {2, 3}, {5, 77}),
    "of completed years": (of.age((50, None), at="2020-05-31", exact=True), {1}, {4, 5, 77}),
    "carriers": (of.carries("9:100:A:G"), {1, 2}, {3, 4, 5}),
    "no copies": (~of.carries("9:100:A:G"), {77}, {3, 4, 5}),
    "spelled longer": (of.genotype("9:100:AT:GT", 2), {2}, {3, 4, 5}),
    "a second allele": (of.genotype("9:200:A:T", 1), {1}, {3, 4, 5}),
    "half a call": (of.genotype("9:200:A:T", "missing"), {3}, set()),
    "another allele there": (of.genotype("9:200:A:C", 0), {1, 2, 77}, {3, 4, 5}),
    "of several": (of.genotype("9:200:A:T", 0, "missing"), {2, 3, 77}, {4, 5}),
    "not assayed": (of.genotype("9:100000:A:T", "not_assayed"), {1, 2, 3, 4, 5, 77}, set()),
    "assayed": (of.assayed("9:100:A:G"), {1, 2, 3, 77}, set()),
    "one copy of X": (of.genotype("X:5000000:CA:C", 1), {1, 2}, {4, 5}),
    "a region": (of.carries("9:1-300"), {1, 2, 77}, {3, 4, 5}),
    "a region without alleles": (of.carries("9:1-99"), set(), {1, 2, 3, 4, 5, 77}),
    # 9:100:A:G is carried in 3 of 6 copies called (a, b, d).
    "a frequency": (of.carries("9:100", of.maf((0.5, 0.5))), {1, 2}, {3, 4, 5}),
    "no such frequency": (of.carries("9:100", of.maf((0.3, 0.4))), set(), {4, 5}),
    # Among a and d 1 of 4, and 9:100:A:C as well.
    "a frequency within": (
        of.carries("9:100", of.maf((0.25, 0.25), ~of.sex("female") | of.persons("A:77"))),
        {1, 2, 77},
        {3, 4, 5},
    ),
    "who": (of.recorded() & of.genotyped(), {1, 2, 3}, set()),
    "a site": (of.at_site("A"), {1, 2, 3, 4, 5, 77}, set()),
    "another site": (of.at_site("B"), set(), set()),
    "somebody": (of.persons(77), {77}, set()),
}


@pytest.mark.parametrize("case", CASES)
def test_the_oracle_says_what_the_page_says(oracle: Oracle, case: str) -> None:
    criterion, true, unknown = CASES[case]
    truth = oracle.evaluate(criterion)
    assert ({p for _, p in truth.true}, {p for _, p in truth.unknown}) == (true, unknown)


@pytest.mark.parametrize(
    ("criterion", "reason"),
    [
        (of.condition(11), "concept"),
        (of.condition(10, exclude=11), "concept"),
        (of.measurement(value__gt=1), "units"),
        (of.measurement(51, value__gt=1), "units"),
        (of.at_site("C"), "site"),
        (of.persons("A:9"), "person"),
        (of.saved("nobody"), "saved"),
        (of.carries("9:1-99", of.maf((0, 0.5), of.condition(11))), "concept"),
    ],
)
def test_the_oracle_refuses_what_the_page_refuses(
    oracle: Oracle, criterion: Criterion, reason: str
) -> None:
    with pytest.raises(RefusalError) as refused:
        oracle.evaluate(criterion)
    assert refused.value.reason == reason
    assert oracle.refusals(of.everyone() | ~criterion) == {reason}


def test_a_bare_id_is_the_asking_site_s_or_the_only_other_s(oracle: Oracle) -> None:
    elsewhere = Oracle(oracle.records, oracle.genotypes, oracle.sites, own="B")
    assert elsewhere.evaluate(of.persons(3)).true == {("A", 3)}
    records = Records(recorded={("A", 1), ("C", 1), ("C", 2)})
    for own, meant in (("A", {("A", 1), ("C", 2)}), ("C", {("C", 1), ("C", 2)})):
        asked = Oracle(records, None, frozenset("ABC"), own=own)
        assert asked.evaluate(of.persons(1, 2)).true == meant
    with pytest.raises(RefusalError) as refused:
        Oracle(records, None, frozenset("ABC"), own="B").evaluate(of.persons(1))
    assert refused.value.reason == "several sites"


def test_the_universe_is_everybody_with_a_row_or_genotypes(oracle: Oracle) -> None:
    assert oracle.universe == {("A", person) for person in (1, 2, 3, 4, 5, 77)}
