"""The commands that are killed, each with the folder it starts from and what must come of it."""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from precisionchain import founding
from precisionchain.founding import make_site
from tests.lib.command_forks import Command, CommandForks, Kill, Ran
from tests.lib.killed_sites import SITE, left_by, questions_asked, standing, step_of
from tests.lib.omop_builder import write_omop
from tests.lib.vcf_builder import write_map, write_vcf

AT = ("-C", SITE, "-q")
MOST_KILLS = 3
"""How often in a row a command and its repetitions are killed, before one is left to end."""

JANUARY = """
condition_occurrence
id | person | concept | start
1  | 1      | 201826  | 2020-01-01
2  | 2      | 201826  | 2020-01-02
3  | 3      | 436670  | 2020-01-02
4  | 4      | 436670  | 2020-01-03
5  | 5      | 201826  | 2020-01-04

measurement
id | person | concept | start      | value_as_number
1  | 1      | 3004249 | 2020-01-01 | 120
2  | 2      | 3004249 | 2020-01-02 | 130
"""
FEBRUARY = """
condition_occurrence
id | person | concept | start
1  | 1      | 201826  | 2020-01-01
2  | 2      | 201826  | 2020-02-02
4  | 4      | 436670  | 2020-01-03
5  | 5      | 201826  | 2020-01-04
6  | 6      | 201826  | 2020-02-09

measurement
id | person | concept | start      | value_as_number
1  | 1      | 3004249 | 2020-01-01 | 121
2  | 2      | 3004249 | 2020-01-02 | 130

person
person_id | year_of_birth
1 | 1970
2 | 1970
3 | 1970
4 | 1970
5 | 1970
6 | 1970
"""
RECORDS = ("9:100 A G", "9:200 C T,G", "9:17000000 G T", "X:70000000 A C")
CALLS = ("0|1 1|1 0/0 ./.", "1|2 0|2 ./. 0/0", "0/0 0/1 1/1 0/1", "0/1 0/1 0/0 1/1")
QUESTIONS: tuple[Command, ...] = (
    (*AT, "query", "domain", "201826"),
    (*AT, "query", "person", "A:1"),
)
GENETIC: tuple[Command, ...] = (*QUESTIONS, (*AT, "query", "maf", "0-0.5"))


@dataclass(frozen=True)
class Phase:
    """One kind of work that is killed.

    Attributes:
        make: makes the folder that every trial starts from.
        command: what is killed, and then repeated until it ends.
        questions: what is asked at the end.
        refused: what the repetition may say where the killed one had done it all.
    """

    make: Callable[[CommandForks, Path], None]
    command: Command
    questions: tuple[Command, ...] = QUESTIONS
    refused: str | None = None


def _founded(forks: CommandForks, world: Path) -> None:
    _must(forks, world, ["init", SITE, "--site", "A", "--build", "GRCh37"])


def _january(forks: CommandForks, world: Path) -> None:
    _founded(forks, world)
    _stage(forks, world, "january", JANUARY)


def _stage(forks: CommandForks, world: Path, name: str, text: str) -> None:
    write_omop(world / name, text)
    _must(forks, world, [*AT, "stage", "omop", name, "--source", "ehr"], [*AT, "validate"])


def _february(forks: CommandForks, world: Path) -> None:
    _january(forks, world)
    _must(forks, world, [*AT, "publish"])
    _stage(forks, world, "february", FEBRUARY)


def _vcf(world: Path, name: str, persons: range) -> Command:
    """Write genotypes of persons, and return the command that stages them."""
    samples, drawn = [f"s{person}" for person in persons], random.Random(name)
    lines = [
        f"{record} {' '.join(drawn.choices(calls.split(), k=len(samples)))}"
        for record, calls in zip(RECORDS, CALLS, strict=True)
    ]
    write_vcf(world / f"{name}.vcf", *lines, samples=samples)
    write_map(world / f"{name}.csv", *(f"s{p},{p},F" for p in persons))
    files = [f"{name}.vcf", "--samples", f"{name}.csv"]
    return [*AT, "stage", "vcf", *files, "--build", "GRCh37", "--source", name]


def _genotypes(forks: CommandForks, world: Path) -> None:
    _january(forks, world)
    _must(forks, world, [*AT, "publish"], _vcf(world, "genes", range(1, 5)))


def _with_genotypes(forks: CommandForks, world: Path) -> None:
    _genotypes(forks, world)
    _must(forks, world, [*AT, "publish"])


def _without_checkpoint(forks: CommandForks, world: Path) -> None:
    """One person more than at the last MAF checkpoint, which is not yet a tenth."""
    _founded(forks, world)
    _must(forks, world, _vcf(world, "many", range(1, 13)), [*AT, "publish"])
    _must(forks, world, _vcf(world, "one", range(13, 14)), [*AT, "publish"])


def _behind(forks: CommandForks, world: Path) -> None:
    _with_genotypes(forks, world)
    shutil.rmtree(world / SITE / "replica")


def _with_token(forks: CommandForks, world: Path) -> None:
    _founded(forks, world)
    there = f"embedded:../{SITE}/ledger.sqlite"
    _must(forks, world, ["init", "site_b", "--site", "B", "--ledger", there])
    _must(forks, world, ["-C", "site_b", "join-token", "--output", "token"])


def _with_two(forks: CommandForks, world: Path) -> None:
    _with_token(forks, world)
    _must(forks, world, [*AT, "admit", "token"])
    _must(forks, world, [*AT, "user", "add", "ada", "--role", "auditor"])


def _small_streams(forks: CommandForks, world: Path) -> None:
    """A network whose streams take three items each, so that nearly every publish opens some."""
    parameters = founding.founding_parameters

    def small(*asked: Any) -> object:
        return parameters(*asked).model_copy(update={"max_stream_items": 2})

    with mock.patch.object(founding, "founding_parameters", small):
        make_site(
            world / SITE,
            site="A",
            build="GRCh37",
            ancestors=None,
            ledger="embedded:ledger.sqlite",
        )
    _stage(forks, world, "january", JANUARY)


def _must(forks: CommandForks, world: Path, *commands: Command) -> None:
    ran = forks.run(world, *commands)
    assert ran.code == 0, ran.errors


WITHDRAW = (*AT, "withdraw", "--person", "2", "--person", "4")
PHASES: Mapping[str, Phase] = {
    "publish, first export": Phase(_january, (*AT, "publish")),
    "publish, later export": Phase(
        _february, (*AT, "publish", "--allow-shrinking", "--allow-churn")
    ),
    "publish, genotypes": Phase(_genotypes, (*AT, "publish"), GENETIC),
    "withdraw persons": Phase(_with_genotypes, WITHDRAW, GENETIC),
    "a question": Phase(_behind, (*AT, "query", "domain", "201826"), GENETIC),
    "MAF checkpoint": Phase(
        _without_checkpoint, (*AT, "publish", "--maf-checkpoint"), GENETIC[-1:]
    ),
    "streams roll over": Phase(_small_streams, (*AT, "publish")),
    "ingest, first export": Phase(_january, (*AT, "ingest", "omop", "january", "--source", "ehr")),
    "members: admit": Phase(_with_token, (*AT, "admit", "token"), (), "is a member already"),
    "members: grant": Phase(_with_two, (*AT, "grant", "B", "--admin"), ()),
    "members: revoke": Phase(_with_two, (*AT, "revoke", "B"), (), "is no member"),
    "members: user add": Phase(
        _with_two, (*AT, "user", "add", "eve", "--role", "auditor"), (), "is, or was, a user"
    ),
    "members: user revoke": Phase(_with_two, (*AT, "user", "revoke", "ada"), (), "is no user"),
    "members: rotate-key": Phase(_with_two, (*AT, "rotate-key"), ()),
}


@dataclass
class Tally:
    """What became of the kills of a phase."""

    kills: int = 0
    chains: int = 0
    verified: int = 0
    died: Counter[str] = field(default_factory=Counter)
    boundaries: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    unanswered: int = 0
    leftovers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def lines(self, phase: str) -> list[str]:
        """Return a table's lines: where it died, how often, and with what outcome."""
        outcome = "as undisturbed" if not self.failures else f"{len(self.failures)} FAILED"
        head = f"{phase}: {self.kills} kills in {self.chains} chains, {self.verified} verified"
        lines = [f"{head}; {self.refused} repetitions had nothing left to do: {outcome}"]
        lines += [f"    {step:<40} {number:>4}" for step, number in sorted(self.died.items())]
        if self.unanswered:
            lines.append(f"    questions left without outcome: {self.unanswered}")
        lines += [f"    left lying: {name} {n}" for name, n in sorted(self.leftovers.items())]
        return lines


class Killing:
    """Kills the command of a phase again and again.

    Args:
        forks: where commands run.
        folder: an empty folder.
        phase: the work.
        rng: chooses when.
    """

    def __init__(self, forks: CommandForks, folder: Path, phase: Phase, rng: random.Random) -> None:
        self._forks, self._folder, self._phase, self._rng = forks, folder, phase, rng
        self._first = folder / "first"
        self._first.mkdir(parents=True)
        phase.make(forks, self._first)
        self._before = left_by(self._first)
        self._log = questions_asked(self._first)
        undisturbed = self._copy("undisturbed")
        ran = self._run(undisturbed, phase.command, labels=True)
        assert ran.code == 0, ran.errors
        self._labels = Counter(ran.labels)
        self._seconds = ran.seconds
        self._answer = ran.output
        self._expected = standing(undisturbed)
        self._answers = self._asked(undisturbed)
        self.tally = Tally()

    def kill(self, kills: int, *, verify_every: int = 5) -> Tally:
        """Kill so often, in chains; what is wrong is in the tally's failures."""
        while self.tally.kills < kills:
            world = self._copy("killed")
            verify = self.tally.chains % verify_every == 0
            found = self._chain(world, verify=verify)
            self.tally.chains += 1
            self.tally.failures += [f"chain {self.tally.chains}: {one}" for one in found]
            if found:
                shutil.copytree(world, self._folder / f"failed_{self.tally.chains}")
        return self.tally

    # ---------------------------------------------------------------------------------- internal

    def _copy(self, name: str) -> Path:
        world = self._folder / name
        shutil.rmtree(world, ignore_errors=True)
        return Path(shutil.copytree(self._first, world))

    def _run(self, world: Path, *commands: Command, kill: Kill | None = None,
             labels: bool = False) -> Ran:  # fmt: skip
        return self._forks.run(world, *commands, kill=kill, labels=labels)

    def _when(self) -> Kill:
        """Half of the kills at any moment, half at a boundary: all labels are equally likely."""
        if self._rng.random() < 0.5:
            return Kill(seconds=self._rng.random() * self._seconds * 1.05)
        label = self._rng.choice(sorted(self._labels))
        return Kill(label=label, nth=self._rng.randint(1, self._labels[label]))

    def _chain(self, world: Path, *, verify: bool) -> list[str]:
        """Kill a command up to three times, let it end, and return what is wrong then."""
        found: list[str] = []
        died = 0
        for _ in range(self._rng.randint(1, MOST_KILLS)):
            kill = self._when()
            ran = self._run(world, self._phase.command, kill=kill)
            if ran.killed:
                died += 1
                left = left_by(world)
                self.tally.kills += 1
                self.tally.died[step_of(self._before, left)] += 1
                self.tally.boundaries[ran.last] += 1
                found += self._released(world, ran)
            else:
                found += self._ended(ran)
        ran = self._run(world, self._phase.command)
        found += self._ended(ran)
        now = standing(world)
        found += self._expected.differences(replace(now, leftovers=()))
        found += [f"left lying: {name}" for name in now.leftovers if "/staging/" in name]
        self.tally.leftovers.update(_nameless(name) for name in now.leftovers)
        if verify:
            self.tally.verified += 1
            asked = self._asked(world)
            found += [] if asked == self._answers else [f"answers: {asked}"]
        log = questions_asked(world)
        self.tally.unanswered += log["may have seen"] - self._log["may have seen"]
        if log["may have seen"] - self._log["may have seen"] > died:
            found.append("more questions without outcome than kills")
        return found

    def _ended(self, ran: Ran) -> list[str]:
        """Return what is wrong with a run that was not killed."""
        if ran.code and self._phase.refused and self._phase.refused in ran.errors:
            self.tally.refused += 1
            return []
        if ran.code:
            return [f"ended with {ran.code}: {ran.errors.strip()[-400:]}"]
        if "query" in self._phase.command and ran.output != self._answer:
            return ["another answer"]
        return []

    def _released(self, world: Path, ran: Ran) -> list[str]:
        """Return whether an answer left a killed question that is not in the log."""
        if "query" not in self._phase.command or not ran.output:
            return []
        answered = questions_asked(world)["answered"] - self._log["answered"]
        return [] if answered else ["an answer without its entry"]

    def _asked(self, world: Path) -> str:
        """Return what questions answer, and whether ``verify`` finds all well."""
        ran = self._run(world, *self._phase.questions, (*AT, "verify"))
        assert ran.code == 0, ran.output + ran.errors
        return ran.output.partition("ok   bytes")[0]


def _nameless(name: str) -> str:
    """Return a path without what differs from run to run."""
    return re.sub(r"[0-9a-f]{8,}|\d+|(?<=withheld-)\w+", "*", name)
