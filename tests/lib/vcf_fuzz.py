"""Spoilt VCF and BCF files, staged in processes of their own, and judged."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from tests.lib import bcf_mutations, vcf_mutations
from tests.lib.staging_child import Broken, Case, Child, Outcome, Refused, Taken
from tests.lib.vcf_builder import write_text
from tests.lib.vcf_judge import Judge, decompressed, read_text
from tests.lib.vcf_seeds import SAMPLES, SEXES, Seed

Make = Callable[[Seed, Random], Case]
HALF_CALLS = ("missing", "missing", "missing", "haploid", "reference", "error")


@dataclass
class Fuzzed:
    """How many files became what, and what was wrong with it."""

    kinds: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, outcome: Outcome, problems: Sequence[str]) -> None:
        """Take note of a file."""
        self.kinds["files"] += 1
        self.kinds[type(outcome).__name__.lower()] += 1
        if isinstance(outcome, Refused):
            self.errors[outcome.error] += 1
        if isinstance(outcome, Taken):
            self.kinds["records"] += outcome.statistics["records"]
            self.kinds["refused records"] += len(outcome.refused)
            self.kinds["alleles"] += len(outcome.sites)
        self.problems += [f"{name}: {problem}" for problem in problems]

    def line(self) -> str:
        """Return the totals as one line."""
        kinds = ", ".join(f"{name} {n}" for name, n in self.kinds.items())
        errors = ", ".join(f"{n} {name}" for name, n in self.errors.most_common())
        return f"{kinds} ({errors}): {len(self.problems)} problems"


def vcf_case(seed: Seed, rng: Random) -> Case:
    """Spoil a text file."""
    return case_of(*vcf_mutations.spoilt(seed, rng), rng)


class BcfCases:
    """Spoils seeds as BCF files, which htslib writes."""

    def __init__(self) -> None:
        self._written: dict[str, bytes] = {}

    def __call__(self, seed: Seed, rng: Random) -> Case:
        """Spoil a BCF file."""
        return case_of(bcf_mutations.spoilt(self.content(seed), rng), "f.bcf", rng)

    def content(self, seed: Seed) -> bytes:
        """Return a seed as a decompressed BCF file."""
        if seed.name not in self._written:
            with tempfile.TemporaryDirectory() as folder:
                path = write_text(Path(folder, "f.bcf"), seed.content.decode())
                content = decompressed(path.read_bytes())
            assert content is not None
            self._written[seed.name] = content
        return self._written[seed.name]


def case_of(content: bytes, name: str, rng: Random) -> Case:
    """Return a file to be staged, with a map of its samples and options that are drawn."""
    plain = decompressed(content)
    text = read_text(plain) if plain is not None else None
    sexes = dict(zip(SAMPLES, SEXES, strict=True))
    samples = text.samples if text else SAMPLES
    persons = tuple((one, 100 - n, sexes.get(one, "")) for n, one in enumerate(samples))
    options: dict[str, Any] = {
        "build": "GRCh37",
        "build_unverified": True,
        "half_call": rng.choice(HALF_CALLS),
        "filter_policy": rng.choice(("any", "any", "pass")),
        "assay": rng.choice(("sites", "sites", "sites", "wgs")),
    }
    return Case(content, name, persons, options, chunk=rng.choice((0, 0, 97, 1_000, 10_007)))


def as_they_are(seeds: Iterable[Seed]) -> dict[str, Judge]:
    """Stage seeds unspoilt; return a judge of each, that knows whether it is taken."""
    judges = {}
    with Child() as child:
        for seed in seeds:
            case = case_of(seed.content, "f.vcf", Random(0))
            case.options.update(half_call="missing", filter_policy="any", assay="sites")
            case = replace(case, chunk=0)
            outcome = child.stage(case)
            judge = Judge(seed, is_taken=isinstance(outcome, Taken))
            problems = judge.problems(case, outcome)
            assert not problems, f"{seed.name}: {problems}"
            judges[seed.name] = judge
    return judges


def fuzz(
    make: Make, seeds: Sequence[Seed], numbers: Iterable[int], *, keep: Path | None = None
) -> Fuzzed:
    """Spoil, stage and judge a file for each number, in two processes.

    Args:
        make: spoils a seed.
        seeds: what is spoilt.
        numbers: of the files; each gives the same one again.
        keep: a folder for the files with problems.
    """
    judges = as_they_are(seeds)
    found = Fuzzed()

    def some(of: Sequence[int]) -> Fuzzed:
        part = Fuzzed()
        with Child() as child:
            for number in of:
                rng = Random(number)
                seed = rng.choice(seeds)
                case = make(seed, rng)
                outcome = child.stage(case)
                problems = judges[seed.name].problems(case, outcome)
                part.add(f"file {number} ({seed.name})", outcome, problems)
                if problems and keep is not None:
                    (keep / f"{number}_{case.name}").write_bytes(case.content)
        return part

    every = list(numbers)
    with ThreadPoolExecutor(2) as pool:
        for part in pool.map(some, (every[::2], every[1::2])):
            found.kinds += part.kinds
            found.errors += part.errors
            found.problems += part.problems
    return found


def judged(make: Make, judge: Judge, seed: Seed, rng: Random, child: Child) -> Outcome:
    """Spoil, stage and judge one file; fail where something is wrong with what became of it."""
    case = make(seed, rng)
    outcome = child.stage(case)
    problems = judge.problems(case, outcome)
    assert not problems, f"{problems}\n{case.options}\n{case.content[-3_000:]!r}"
    assert not isinstance(outcome, Broken)
    return outcome
