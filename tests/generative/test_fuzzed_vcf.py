"""Spoilt VCF and BCF: no crash, no hang; every record taken as it says, or refused with its line.

Files are staged in a process of their own. ``tests/validation`` has thousands of them, also of the
files that specifications and other programs are tested with.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.lib.staging_child import Broken, Case, Child, Taken
from tests.lib.vcf_builder import bgzf
from tests.lib.vcf_fuzz import BcfCases, as_they_are, case_of, judged, vcf_case
from tests.lib.vcf_judge import Judge
from tests.lib.vcf_seeds import Seed, built_seeds

SEEDS = built_seeds()
BCF_CASE = BcfCases()


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with Child() as running:
        yield running


@pytest.fixture(scope="module")
def judges() -> dict[str, Judge]:
    return as_they_are(SEEDS)


@given(rng=st.randoms(use_true_random=False), seed=st.sampled_from(SEEDS))
def test_spoilt_text_is_taken_as_it_says_or_refused(
    child: Child, judges: dict[str, Judge], rng: Random, seed: Seed
) -> None:
    event(type(judged(vcf_case, judges[seed.name], seed, rng, child)).__name__)


@given(rng=st.randoms(use_true_random=False), seed=st.sampled_from(SEEDS))
def test_spoilt_bcf_is_taken_as_it_says_or_refused(
    child: Child, judges: dict[str, Judge], rng: Random, seed: Seed
) -> None:
    event(type(judged(BCF_CASE, judges[seed.name], seed, rng, child)).__name__)


def test_the_judge_finds_what_is_wrong(child: Child, judges: dict[str, Judge]) -> None:
    """A file told apart from what was staged: each kind of loss shows."""
    seed = next(one for one in SEEDS if one.name == "plain")
    judge = judges["plain"]
    case = case_of(seed.content, "f.vcf", Random(0))
    case.options.update(half_call="missing", filter_policy="any", assay="sites")
    outcome = child.stage(case)
    assert isinstance(outcome, Taken)
    assert judge.problems(case, outcome) == []
    lost = Taken(outcome.sites[1:], outcome.refused, outcome.statistics)
    assert "lost: 9:1000:A:G" in judge.problems(case, lost)
    doubled = seed.content + b"9\t2000\t.\tA\tG\t.\tPASS\t.\tGT\t0/0\t0/1\t1/1\t./.\n"
    assert judge.problems(Case(doubled, "f.vcf", case.persons, case.options), outcome)
    other = seed.content.replace(b"0|0\t0|1", b"0|1\t0|0", 1)
    assert judge.problems(Case(other, "f.vcf", case.persons, case.options), outcome)
    packed = Case(bgzf(seed.content)[:-28], "f.vcf.gz", case.persons, case.options)
    assert judge.problems(packed, outcome)


def test_a_death_and_a_hang_are_seen() -> None:
    case = case_of(SEEDS[0].content, "f.vcf", Random(0))
    with Child(seconds=0.001) as slow:
        hung = slow.stage(case)
        assert isinstance(hung, Broken)
        assert "no answer" in hung.what
    with Child() as dying:
        assert isinstance(dying.stage(case), Taken)
        assert dying._running is not None
        dying._running.kill()
        dead = dying.stage(case)
        assert isinstance(dead, Broken)
        assert "-9" in dead.what
        assert isinstance(dying.stage(case), Taken)
