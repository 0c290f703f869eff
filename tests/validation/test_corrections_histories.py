"""Longer histories of corrections than ``tests/generative`` has, and more of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.history_runs import differences

STEPS, EXPRESSIONS = 16, 120


@pytest.mark.parametrize("seed", range(2, 8))
def test_every_position_of_a_long_history_is_answered_as_the_inputs_say(
    tmp_path: Path, seed: int
) -> None:
    found, asked = differences(tmp_path, seed, STEPS, EXPRESSIONS)
    print(f"history {seed}: {asked}")  # noqa: T201  pytest shows it with -rP or -s
    assert not found, "\n".join(found)
    assert asked.asked == STEPS * EXPRESSIONS
    assert asked.parted > 0.4 * asked.asked, str(asked)
