"""A person's place in the universe, by id: what a dictionary of all persons says."""

from __future__ import annotations

import numpy as np
import pytest

from precisionchain.query.universe import Universe

LEAST, MOST = -(2**63), 2**63 - 1


@pytest.mark.parametrize(
    ("first", "apart"),
    [(7, 1), (-500, 60), (LEAST, 5), (MOST - 50_000, 20), (10**12, 10**9), (-4, 300)],
)
@pytest.mark.parametrize("asked_for", [3, 4_000])
def test_places_are_those_of_a_dictionary(first: int, apart: int, asked_for: int) -> None:
    """Ids close together are looked up in a table, others searched for; a few always are."""
    rng = np.random.default_rng(1)
    ids = np.unique(first + rng.integers(1, apart + 1, 2_000).cumsum())
    everybody = np.ones(len(ids) + 5, np.bool_)
    by_site = {"A": np.arange(5), "B": ids, "C": np.empty(0, np.int64)}
    universe = Universe(by_site, everybody, everybody)
    ends = [ids[0] - (ids[0] > LEAST), ids[-1] + (ids[-1] < MOST), LEAST, MOST, 0]
    known, others = rng.choice(ids, asked_for), rng.integers(LEAST, MOST, 500)
    asked = np.concatenate([known, others, np.array(ends)]) if asked_for > 3 else known
    places = {int(person): place + 5 for place, person in enumerate(ids)}
    found = universe.places("B", asked)
    assert found.tolist() == [places.get(person, -1) for person in asked.tolist()]
    assert found.dtype == np.int32
    assert set(universe.places("C", asked).tolist()) == {-1}
