"""Histories of corrections taken through the package, and every position of them asked about."""

from __future__ import annotations

from pathlib import Path

import precisionchain as pc
from precisionchain.opened import OpenSite
from precisionchain.query.criteria import Criterion
from tests.lib.cohort_comparison import Answer, Tally, compare, persons_of
from tests.lib.cohort_expressions import Expressions
from tests.lib.histories import (
    BatchWithdrawal,
    Export,
    Genotyping,
    Replay,
    Step,
    Withdrawal,
    write_rows,
)
from tests.lib.random_histories import RandomHistory


def differences(folder: Path, seed: int, steps: int, expressions: int) -> tuple[list[str], Tally]:
    """Take a random history through two sites, and ask random cohorts as of each of its steps.

    Args:
        folder: an empty folder.
        seed: of the history and of what is asked.
        steps: how many follow the first loads.
        expressions: how many cohorts are asked as of each.

    Returns:
        what differs from the replay of the input files, and what was asked in all.
    """
    history = RandomHistory(folder / "inputs", seed)
    sites = two_sites(folder)
    run = Run(sites, folder, history.ancestors)
    for step in history.begin():
        run.take(step)
    for _ in range(steps):
        run.take(history.draw())
    found, total = [], Tally()
    first = len(history.steps) - steps
    for number in range(first, len(history.steps)):
        counting = folder / f"counts_{number}"
        counting.mkdir()
        replay = Replay(history.steps[: number + 1], history.withdrawn)
        oracle = replay.oracle(counting, history.steps, history.ancestors)
        newest = number + 1 == len(history.steps)
        at = None if newest else run.positions[number]
        with pc.connect(sites["A"].folder.root, as_of=at) as network:
            asked = Expressions(oracle, seed=1000 * seed + number)
            tally = compare(oracle, Asking(network), map(asked, range(expressions)))
        said = "; ".join(type(step).__name__ for step in history.steps[first : number + 1])
        found += [f"after {said}: {one}" for one in tally.differences]
        total.asked += tally.asked
        total.parted += tally.parted
        total.unknown += tally.unknown
        total.refused += tally.refused
        total.seconds += tally.seconds
    return found, total


class Asking:
    """Asks a network for cohorts, through the gate."""

    def __init__(self, network: pc.Network) -> None:
        self._network = network

    def __call__(self, criterion: Criterion) -> Answer:
        """Return a cohort as evaluated."""
        cohort = self._network.cohort(criterion)
        return Answer(persons_of(cohort.persons), persons_of(cohort.unknown), cohort.universe)


def two_sites(folder: Path) -> dict[str, pc.Site]:
    """Return two sites of one network."""
    a = pc.Site.init(folder / "site_a", site="A", build="GRCh37")
    ledger = f"embedded:{folder / 'site_a' / 'ledger.sqlite'}"
    b = pc.Site.init(folder / "site_b", site="B", ledger=ledger)
    a.admit(b.join_token())
    return {"A": a, "B": b}


class Run:
    """Takes the steps of a history through the package, and remembers where the ledger was."""

    def __init__(self, sites: dict[str, pc.Site], folder: Path, ancestors: Path) -> None:
        self._sites, self._folder, self._ancestors = sites, folder, ancestors
        self._batches: dict[int, tuple[str, str]] = {}
        self.positions: list[int] = []

    def take(self, step: Step) -> None:
        """Do what a step says, at its site."""
        number = len(self.positions)
        if isinstance(step, Export):
            files = self._folder / f"export_{number}"
            files.mkdir()
            for table, rows in step.tables.items():
                write_rows(files / f"{table}.csv", rows)
            (files / "concept_ancestor.csv").write_bytes(self._ancestors.read_bytes())
            made = self._sites[step.site].ingest_omop(
                files, source=step.source, allow_shrinking=True, allow_churn=True
            )
            self._batches[number] = (step.site, made.batch)
        elif isinstance(step, Genotyping):
            mapped = self._folder / f"map_{number}.csv"
            of_sex = ("", "M", "F")
            write_rows(
                mapped,
                [
                    {"sample_id": s, "person_id": str(p), "sex": of_sex[step.sexes[s]]}
                    for s, p in step.persons.items()
                ],
            )
            done = self._sites[step.site].ingest_vcf(
                [step.file],
                samples=mapped,
                build="GRCh37",
                assay=str(step.bed or "sites"),
                qc="none",
                replace=step.replace,
            )
            self._batches[number] = (step.site, done.batch)
        elif isinstance(step, Withdrawal):
            site = self._sites[step.site]
            (site.readmit_persons if step.readmit else site.withdraw_persons)(sorted(step.persons))
        elif isinstance(step, BatchWithdrawal):
            site_name, batch = self._batches[step.step]
            self._sites[site_name].withdraw_batch(batch)
        self.positions.append(self._position())

    def _position(self) -> int:
        opened = OpenSite(self._sites["A"].folder.root)
        try:
            return opened.ledger.head().position
        finally:
            opened.close()
