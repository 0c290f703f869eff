"""Which of rows alike in day, end and visit is the first, or last: by concept, table, then key.

However the rows came: in one batch or in several, in which order, and placed by which ancestors.
"""

from __future__ import annotations

import pytest

import precisionchain as pc
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

CONDITIONS = {
    "by concept": ("7 | 1 | 11 | 902", "6 | 1 | 12 | 901"),
    "by key": ("5 | 2 | 11 | 901", "8 | 2 | 11 | 902"),
    "by table": ("4 | 3 | 11 | 902", "9 | 3 | 11 | 901"),
}
"""Of persons 1, 2 and 3: key, person, concept and type; 11 and 12 are placed apart."""
ERAS = "condition_era\nid | person | concept | start\n3 | 3 | 11 | 2015-01-01"
_HEAD = "condition_occurrence\nid | person | concept | condition_type_concept_id | start\n"


def conditions(rows: list[str]) -> str:
    return _HEAD + "\n".join(f"{row} | 2015-01-01" for row in rows)


def in_one_batch(site: BuiltNetwork) -> None:
    rows = [row for pair in CONDITIONS.values() for row in pair]
    site.site().ingest(f"{conditions(rows)}\n\n{ERAS}")


def in_two_batches(site: BuiltNetwork) -> None:
    site.site().ingest(conditions([pair[1] for pair in CONDITIONS.values()]), source="a")
    site.site().ingest(conditions([pair[0] for pair in CONDITIONS.values()]), source="b")
    site.site().ingest(ERAS, source="c")


def the_other_way_round(site: BuiltNetwork) -> None:
    site.site().ingest(ERAS, source="a")
    site.site().ingest(conditions([pair[0] for pair in CONDITIONS.values()]), source="b")
    site.site().ingest(conditions([pair[1] for pair in CONDITIONS.values()]), source="c")


PLACED = {
    "in one batch": (in_one_batch, None),
    "the other way round": (the_other_way_round, None),
    "by an ancestor": (in_two_batches, "domain | concept_id\nCONDITION | 12"),
}


@pytest.fixture(scope="module", params=PLACED)
def network(build: Build, request: pytest.FixtureRequest) -> BuiltNetwork:
    place, ancestors = PLACED[request.param]
    network = build(ancestors=ancestors)
    place(network)
    return network


@pytest.mark.parametrize("which", ["first", "last"])
def test_which_of_rows_alike_is_chosen(network: BuiltNetwork, which: str) -> None:
    """The chosen row and itself are one row; with another one they are two."""
    of_both, of_11 = pc.condition([11, 12]), pc.condition(11)
    eras = pc.condition_era(11)
    asked = {
        1: (of_both, pc.condition(11), pc.condition(12)),
        2: (of_11, pc.condition(11, type=901), pc.condition(11, type=902)),
        3: (pc.either(of_11, eras), eras, pc.condition(11, type=901)),
    }
    with network.site().network() as open_network:
        for person, (events, chosen, other) in asked.items():
            for row, expected in ((chosen, 1), (other, 2)):
                both = pc.either(pc.index(events, which), row)
                found = open_network.cohort(pc.exactly(expected, both) & pc.persons(f"A:{person}"))
                assert len(found) == 1, (person, expected)
