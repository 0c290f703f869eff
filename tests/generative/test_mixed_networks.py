"""Networks of array, exome and genome sites: every state and count is that of the files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lib.mixed_histories import interleaved, life, one_load

EXAMPLES = max(2, settings().max_examples // 20)
"""An example founds a network or two, and publishes and syncs several times."""


@settings(max_examples=EXAMPLES)
@given(st.randoms(use_true_random=False))
def test_states_and_counts_are_those_of_the_files_whatever_happened(rng: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = life(Path(folder), rng, steps=5)
        assert not found.differences, "\n".join(found.differences)


@settings(max_examples=EXAMPLES)
@given(st.randoms(use_true_random=False))
def test_any_split_in_any_order_with_retries_is_one_load(rng: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = one_load(Path(folder), rng, persons=6)
        assert not found.differences, "\n".join(found.differences)


@settings(max_examples=EXAMPLES)
@given(st.randoms(use_true_random=False))
def test_sites_that_work_by_turns_are_sites_that_work_one_by_one(rng: Random) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = interleaved(Path(folder), rng)
        assert not found.differences, "\n".join(found.differences)
