"""Jobs at the same time: of two sites on one ledger, and of one site; and questions meanwhile."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from precisionchain.ledger.batches import sealed_items, seals
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.membership import LiveMembership
from tests.lib.command_forks import Command, CommandForks
from tests.lib.kill_phases import AT, PHASES
from tests.lib.killed_sites import SITE, questions_asked, standing

OTHER = ("-C", "site_b", "-q")
ASK = (*AT, "query", "domain", "201826")


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[list[CommandForks]]:
    """Three programs that run commands at the same time."""
    with ExitStack() as stack:
        made = []
        for number in range(3):
            scratch = tmp_path / str(number)
            scratch.mkdir()
            made.append(stack.enter_context(CommandForks(scratch, items_per_publish=3)))
        yield made


def must(forks: CommandForks, world: Path, *commands: Command) -> None:
    ran = forks.run(world, *commands)
    assert ran.code == 0, ran.errors


def sealed(world: Path) -> list[tuple[str, int]]:
    """Return (site, items) of every sealed batch, each of them whole."""
    with closing(EmbeddedLedger(world / SITE / "ledger.sqlite")) as ledger:
        membership = LiveMembership(ledger)
        found = list(seals(ledger, membership.is_entitled))
        for seal in found:
            whole = sum(1 for _ in sealed_items(ledger, seal, membership.network))
            assert whole == seal.manifest.items
        return sorted((membership.site_of(s.publisher), s.manifest.items) for s in found)


def test_two_sites_publish_and_a_third_program_asks(
    forks: list[CommandForks], tmp_path: Path
) -> None:
    world = tmp_path / "world"
    world.mkdir()
    PHASES["publish, later export"].make(forks[0], world)
    there = f"embedded:../{SITE}/ledger.sqlite"
    must(forks[0], world, ["init", "site_b", "--site", "B", "--ledger", there])
    must(forks[0], world, ["-C", "site_b", "join-token", "--output", "token"])
    must(forks[0], world, [*AT, "admit", "token"])
    must(forks[0], world, [*OTHER, "stage", "omop", "january", "--source", "ehr"])
    must(forks[0], world, [*OTHER, "validate"])
    before = forks[0].run(world, ASK).output
    asked = questions_asked(world)["answered"]

    first = forks[0].start(world, PHASES["publish, later export"].command)
    second = forks[1].start(world, (*OTHER, "publish"))
    answers = [forks[2].run(world, ASK) for _ in range(4)]
    ended = [first(), second()]

    assert [ran.code for ran in ended] == [0, 0], [ran.errors for ran in ended]
    assert [ran.code for ran in answers] == [0] * 4, [ran.errors for ran in answers]
    assert answers[0].output.splitlines()[0] == before.splitlines()[0]
    assert questions_asked(world)["answered"] == asked + 4
    assert [site for site, _ in sealed(world)] == ["A", "A", "B"]
    for at in (AT, OTHER):
        must(forks[0], world, (*at, "sync"), (*at, "verify"))
    standing(world)  # no item is there twice


def test_a_second_job_of_a_site_is_refused_and_nothing_is_lost(
    forks: list[CommandForks], tmp_path: Path
) -> None:
    world = tmp_path / "world"
    world.mkdir()
    phase = PHASES["publish, first export"]
    phase.make(forks[0], world)
    undisturbed = Path(shutil.copytree(world, tmp_path / "undisturbed"))
    must(forks[0], undisturbed, phase.command)
    expected = standing(undisturbed)

    with (world / SITE / "site.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for command in (phase.command, (*AT, "validate"), (*AT, "withdraw", "--person", "1")):
            refused = forks[0].run(world, command)
            assert refused.code == 3
            assert "another job is writing in this site folder" in refused.errors
            assert "wait for it to end" in refused.errors
    assert sealed(world) == []

    ended = [start() for start in [each.start(world, phase.command) for each in forks]]
    assert {ran.code for ran in ended} <= {0, 3}
    assert 0 in {ran.code for ran in ended}
    assert expected.differences(standing(world)) == []
