"""The real command, killed: a few kills of each kind of work; hundreds are in validation."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lib.command_forks import CommandForks
from tests.lib.kill_phases import PHASES, Killing

KILLS = 3
SHORT = ("publish, later export", "withdraw persons", "members: rotate-key")


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandForks]:
    with CommandForks(tmp_path_factory.mktemp("forks"), items_per_publish=3) as forks:
        yield forks


@pytest.mark.parametrize("phase", SHORT)
def test_killed_commands_end_as_undisturbed_ones(
    forks: CommandForks, tmp_path: Path, phase: str
) -> None:
    seed = random.randrange(2**32)
    tally = Killing(forks, tmp_path / "trials", PHASES[phase], random.Random(seed)).kill(KILLS)

    assert tally.failures == [], f"seed {seed}"
    assert tally.kills >= KILLS
