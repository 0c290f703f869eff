"""After any history of exports, genotypes and withdrawals, at any position: what still counts."""

from __future__ import annotations

from pathlib import Path

from tests.lib.history_runs import differences


def test_every_position_is_answered_as_the_inputs_that_still_count_say(tmp_path: Path) -> None:
    found, asked = differences(tmp_path, seed=1, steps=6, expressions=40)
    assert not found, "\n".join(found)
    assert asked.asked == 240
    assert asked.parted > 0.4 * asked.asked, str(asked)
