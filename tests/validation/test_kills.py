"""``kill -9`` of the real command at random moments, hundreds of times for each kind of work.

A trial starts from a copy of one prepared folder. The command is killed up to three times in a row,
each time at any moment or right before a random system boundary, and then left to end; what stands
there must be what an undisturbed run gives. ``PRECISIONCHAIN_KILLS`` says how many kills a kind of
work gets (200); ``-s`` shows where they struck.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.command_forks import CommandForks
from tests.lib.kill_phases import PHASES, Killing

KILLS = int(os.environ.get("PRECISIONCHAIN_KILLS", "200"))
MEMBERS = [name for name in PHASES if name.startswith("members")]


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[CommandForks]:
    """Three items a transaction, so that a batch of twelve is sent in several."""
    with CommandForks(tmp_path, items_per_publish=3) as forks:
        yield forks


@pytest.mark.parametrize("phase", PHASES)
def test_killed_commands_end_as_undisturbed_ones(
    forks: CommandForks, tmp_path: Path, phase: str
) -> None:
    seed = random.randrange(2**32)
    kills = -(-KILLS // len(MEMBERS)) if phase in MEMBERS else KILLS
    tally = Killing(forks, tmp_path / "trials", PHASES[phase], random.Random(seed)).kill(kills)

    sys.stdout.write("\n" + "\n".join(tally.lines(phase)) + "\n")
    assert tally.failures == [], f"seed {seed}"
    assert tally.kills >= kills
