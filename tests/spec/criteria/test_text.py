"""What is typed, and the one form it is written back in; or where and why it is refused."""
# ruff: noqa: E501  # a row of a table is one line

from __future__ import annotations

import pytest

from precisionchain.errors import RegionError, UsageError
from precisionchain.query.spelling import criterion

# An empty right side: it is written as it was typed.
READ = """
    everyone()                                              =>
    ( everyone( ) )                                         => everyone()
    condition(201826)                                       =>
    condition()                                             =>
    condition([201826])                                     => condition(201826)
    condition([3,1,2,1])                                    => condition([1, 2, 3])
    condition(concepts=201826)                              => condition(201826)
    condition(-1)                                           =>
    condition(0, descendants=false)                         =>
    condition(1, descendants=true, first=false)             => condition(1)
    condition([1, 2], exclude=[2])                          => condition([1, 2], exclude=2)
    condition(1, until=2016-02-29, since=2015-01-01)        => condition(1, since=2015-01-01, until=2016-02-29)
    condition(1, since="2015-01-01")                        => condition(1, since=2015-01-01)
    condition(1, age=18..65)                                =>
    condition(1, age=18..)                                  =>
    condition(1, age=..65, exact_age=true)                  =>
    measurement(3004410, value>7,unit=8554)                 => measurement(3004410, unit=8554, value > 7)
    measurement(1, value<=9, value>=7, unit=[2, 1, 0])      => measurement(1, unit=[0, 1, 2], value >= 7, value <= 9)
    measurement(1, value=5)                                 => measurement(1, value = 5)
    measurement(1, value = 5.0)                             => measurement(1, value = 5)
    measurement(1, value > -0)                              => measurement(1, value > 0)
    measurement(1, value > 1e3)                             => measurement(1, value > 1000)
    measurement(1, value > 1e-3)                            => measurement(1, value > 0.001)
    measurement(1, value < 1e-7)                            => measurement(1, value < 1e-07)
    measurement(1, value < 1E22)                            => measurement(1, value < 1e+22)
    event(201826, first=true)                               =>
    at_least(2, condition(1))                               =>
    at_least(n=2, event=(condition(1)), days=true)          => at_least(2, condition(1), days=true)
    within_days(condition(1), drug(2), 30)                  => within_days(condition(1), drug(2), -30..30)
    within_days(condition(1), drug(2), -30..0)              =>
    within_days(condition(1), drug(2), 1..)                 =>
    observed()                                              =>
    observed(until=2020-01-01)                              =>
    sex(male)                                               =>
    sex(Female, 8507)                                       => sex(male, female)
    sex(8521)                                               =>
    race(8527, 8515)                                        => race(8515, 8527)
    ethnicity(38003563)                                     =>
    born(1950..1960)                                        =>
    age(18..65, at=2020-01-01, exact=true)                  =>
    carries(9:22098574:A:G)                                 =>
    carries(chr9:22098574:a:g)                              => carries(9:22098574:A:G)
    carries("9:22,098,574:A:G")                             => carries(9:22098574:A:G)
    carries("9:22098574:A:<DEL;END=22098900>")              =>
    carries("9:1:A:\\u003CDEL;END=9>")                      => carries("9:1:A:<DEL;END=9>")
    carries(rs4977574)                                      =>
    carries("rs4977574")                                    => carries(rs4977574)
    genotype(rs4977574, 1, missing)                         =>
    assayed(rs4977574)                                      =>
    carries(rs7:1-9)                                        =>
    carries(9:22000000-22130000)                            =>
    carries(9:5)                                            => carries(9:5-5)
    carries(9)                                              =>
    carries(09)                                             => carries(9)
    carries(X, maf(0..0.01))                                =>
    carries(9:1-5, maf=maf(0..0.01, within=network))        => carries(9:1-5, maf(0..0.01))
    carries(9:1-5, maf(0.05..0.5, within=sex(male) & born(1950..))) =>
    genotype(9:5:A:G, 0)                                    =>
    genotype(9:5:A:G, missing, 2, 1)                        => genotype(9:5:A:G, 1, 2, missing)
    assayed(9:5:A:G)                                        =>
    recorded()                                              =>
    genotyped()                                             =>
    at_site(B, A, B)                                        => at_site(A, B)
    at_site("true")                                         =>
    persons(A:42, A:-7, 42)                                 => persons(42, A:-7, A:42)
    persons(0042)                                           => persons(42)
    saved(diabetics)                                        =>
    saved("or")                                             =>
    sex(male) & recorded() | genotyped()                    =>
    sex(male) & (recorded() | genotyped())                  =>
    (sex(male) & recorded()) | genotyped()                  => sex(male) & recorded() | genotyped()
    (sex(male) & recorded()) & genotyped()                  => sex(male) & recorded() & genotyped()
    sex(male) and not recorded() or genotyped()             => sex(male) & ~recorded() | genotyped()
    ~sex(male) & recorded()                                 =>
    ~(sex(male) & recorded())                               =>
    ~~sex(male)                                             => sex(male)
    not(sex(male))                                          => ~sex(male)
    not not not sex(male)                                   => ~sex(male)
    """

REFUSED = """
    condition                                               => column 10: expected \\( after condition
    condition(1                                             => column 12: expected , or \\)
    condition(1))                                           => column 13: expected &, .* end of the text
    condition(1,)                                           => column 13: expected a value
    condition([])                                           => column 12: expected a value
    condition([[1]])                                        => column 12: expected a value
    condition(1) condition(2)                               => column 14: expected &
    condition(1) && condition(2)                            => column 15: expected a criterion, found '&'
    condition(1) AND condition(2)                           => column 14: .*lower case
    and(recorded(), recorded())                             => column 1: expected a criterion, found 'and'
    recorded() & conditoin(1)                               => column 14: .*'conditoin'.*condition is meant
    condition_occurrence(1)                                 => column 1: .*condition is meant
    condition(1, sinc=2015-01-01)                           => column 1, condition: .*'sinc'.*since= is meant.*until=
    condition(1, value__gt=7)                               => no argument is called 'value__gt'
    condition(1, 2)                                         => condition: too many positional .*exclude=
    condition(since=2015-01-01, 1)                          => column 29: an argument without a name
    condition(1, first=true, first=true)                    => column 26: .*twice
    condition(1, concepts=1)                                => multiple values for argument 'concepts'
    measurement(1, value > 5, value > 6)                    => column 27: .*twice
    measurement(1, value == 5)                              => column 23: expected a number
    measurement(1, value > .5)                              => column 24: expected a number
    measurement(1, value > true)                            => column 24: expected a number
    measurement(1, value > 1e999)                           => column 24: a number too large
    measurement(1, vaule=5)                                 => value= is meant
    condition(1, route=5)                                   => no 'route' .*drug have it
    measurement(1, value > range)                           => column 24: expected a number
    drug(1, quantity > route)                               => column 20: expected a number
    index(condition(1), second)                             => first, last, each
    condition(1, age >= 50)                                 => column 14: only numbers of a row are compared
    sex(value > 5)                                          => sex: there is no value to compare
    age(18 .. 65, at=2020-01-01)                            => column 8: .*without spaces
    age(65..18, at=2020-01-01)                              => column 5: 65..18 is empty
    born(1950)                                              => LOW..HIGH
    born(..)                                                => says nothing
    born(1950.5..)                                          => whole numbers
    born(1...5)                                             => column 6: not an interval
    condition(201826.0)                                     => not a concept
    condition("201826")                                     => not a concept
    condition(9223372036854775808)                          => out of range
    condition(1, since=2015-02-29)                          => since is a day that no calendar has
    condition(1, since=20150101)                            => since is no date
    condition(1, since=2015-W01-1)                          => since is no date
    condition(1, since=2016-01-01, until=2015-01-01)        => since is after until
    condition(1, first=yes)                                 => first is true or false
    condition(1, first="true")                              => first is true or false
    condition(descendants=false)                            => descendants= goes with
    condition(exclude=1)                                    => exclude= goes with
    condition(1, exact_age=true)                            => exact_age goes with
    at_least(0, condition(1))                               => from 1 up
    at_least(2, sex(male))                                  => needs an event
    at_least(2, condition(1) & drug(2))                     => needs an event
    within_days(condition(1), drug(2), -5)                  => not negative
    sex(other)                                              => not a sex
    sex()                                                   => at least one concept
    carries(9:22,098,574:A:G)                               => too many positional
    carries(9:1:A:<DEL>)                                    => column 15: .*a string
    carries("9:1:A:<DEL>")                                  => <DEL> is without END
    carries("9:1:A:<DUP:TANDEM;CN=3>")                      => is without END
    carries("9:1:A:<FOO;END=9>")                            => no structural allele
    carries("9:1:A:A]9:")                                   => no breakend
    carries(rs7, maf(0..0.01))                              => maf.* goes with a region
    carries(rs7, overlap=true)                              => overlap goes with a region
    carries_structural(rs7)                                 => needs a region
    carries("rs7:1-2147483647")                             => cannot be told from it
    carries(9:5:A:G, maf(0..0.01))                          => maf.* goes with a region
    carries(9:1-5, 0..0.01)                                 => given as maf
    carries(9:1-5, maf(0..0.6))                             => minor allele frequencies
    carries(9:1-5, maf(0..))                                => minor allele frequencies
    carries(1e5)                                            => a variant or a region
    genotype(9:5:A:G)                                       => not a genotype
    genotype(9:5:A:G, 3)                                    => not a genotype
    genotype(9:5-7, 1)                                      => needs a variant
    maf(0..0.1)                                             => are no criteria by themselves
    maf(0..0.1) | recorded()                                => column 1, or: this needs a criterion
    ~maf(0..0.1)                                            => column 1, not: this needs a criterion
    at_site(9)                                              => names of sites
    persons(A:x)                                            => not a person
    persons(42.0)                                           => at least one person
    saved("a b")                                            => not a name
    saved("abc)                                             => column 7: a string that is not closed
    saved(“abc”)                                            => column 7: '“' has no meaning
    {"condition": [1]}                                      => column 1: .*json.loads
    """


def _rows(table: str) -> list[tuple[str, str]]:
    pairs = [line.partition("=>") for line in table.strip().splitlines()]
    return [(typed.strip(), other.strip()) for typed, _, other in pairs]


@pytest.mark.parametrize(("typed", "canonical"), _rows(READ))
def test_a_text_is_written_back_in_one_form(typed: str, canonical: str) -> None:
    assert criterion(typed).text == (canonical or typed)


@pytest.mark.parametrize(("typed", "complaint"), _rows(REFUSED))
def test_an_error_says_where_and_what(typed: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        criterion(typed)


def test_lines_are_counted_where_there_are_several() -> None:
    with pytest.raises(UsageError, match="line 2, column 3: there is no function 'x'"):
        criterion("recorded()\n| x()")


@pytest.mark.parametrize("blank", ["", " \n"])
def test_nothing_is_no_criterion(blank: str) -> None:
    with pytest.raises(UsageError, match="expected a criterion, found the end"):
        criterion(blank)


def test_a_malformed_place_keeps_its_own_class() -> None:
    with pytest.raises(RegionError, match="column 14, carries: malformed variant"):
        criterion("recorded() & carries(9:1:A:A:A:*)")
