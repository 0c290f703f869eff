"""Drawn histories of exports: whatever came before, the ledger holds the newest, in both views."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from precisionchain.schemas.omop import TABLES
from tests.lib.ledger_places import PLACES
from tests.lib.omop_builder import write_csv
from tests.lib.replayed_state import Cells, Replayed
from tests.lib.site_builder import BuiltNetwork
from tests.lib.tables import Drawn

COLUMNS = {
    "person": ("person_id", "year_of_birth"),
    "visit_occurrence": (
        "visit_occurrence_id",
        "person_id",
        "visit_concept_id",
        "visit_start_date",
        "visit_end_date",
        "preceding_visit_occurrence_id",
    ),
    "measurement": (
        "measurement_id",
        "person_id",
        "measurement_concept_id",
        "measurement_date",
        "value_as_number",
        "visit_occurrence_id",
    ),
    "episode": ("episode_id", "person_id", "episode_concept_id", "episode_start_date"),
    "episode_event": ("episode_id", "event_id", "episode_event_field_concept_id"),
    "death": ("person_id", "death_date"),
    "metadata": ("metadata_concept_id", "value_as_number", "metadata_date"),
}
KEYS = {name: TABLES[name].primary_key for name in COLUMNS}
Rows = list[dict[str, str]]
Export = dict[str, Rows]


def drawn_rows(draw: random.Random, name: str, persons: list[str]) -> Rows:
    """Rows of one table; tables without a key repeat rows."""
    cells = {
        "year_of_birth": lambda: str(draw.randint(1950, 1953)),
        "visit_concept_id": lambda: draw.choice(["9201", "9202"]),
        "measurement_concept_id": lambda: draw.choice(["10", "20", "30"]),
        "value_as_number": lambda: draw.choice(["", "0", "-0.0", "1e300", "0.1"]),
        "visit_occurrence_id": lambda: draw.choice(["", "1", "2", "3"]),
        "preceding_visit_occurrence_id": lambda: draw.choice(["", "1", "2"]),
        "episode_id": lambda: draw.choice(["1", "2", "3"]),
        "event_id": lambda: draw.choice(["1", "2"]),
        "person_id": lambda: draw.choice(persons),
    }

    def cell(column: str) -> str:
        if column.endswith("_date"):
            return f"2015-01-0{draw.randint(1, 3)}"
        return cells.get(column, lambda: draw.choice(["1", "2"]))()

    number = draw.randint(0, 8)
    keys = draw.sample(range(1, 12), number)
    if name == "person":
        return [{"person_id": person, "year_of_birth": cell("year_of_birth")} for person in persons]
    made = []
    for row_number in range(number):
        row = {column: cell(column) for column in COLUMNS[name]}
        if key := KEYS[name]:
            row[key] = str(keys[row_number])
        made.append(row)
    return made


def drawn_export(draw: random.Random) -> Export:
    """An export of some tables; episodes' events come with their episodes, visits always."""
    persons = [str(person) for person in range(1, draw.randint(3, 6))]
    left_out = draw.choice([set(), {"death"}, {"measurement"}, {"metadata"}, {"episode"}])
    export = {name: drawn_rows(draw, name, persons) for name in COLUMNS if name not in left_out}
    export["episode_event"] = [
        row
        for row in export["episode_event"]
        if row["episode_id"] in {one["episode_id"] for one in export.get("episode", [])}
    ]
    if "episode" in left_out:
        del export["episode_event"]
    return export


def expected(name: str, state: Export, *, with_person: bool) -> Counter[frozenset[tuple[str, str]]]:
    """What one view of a table holds: its non-empty cells, and the person a child follows."""
    episodes = {row["episode_id"]: row["person_id"] for row in state.get("episode", [])}
    found = []
    for row in state.get(name, []):
        cells = {column: cell for column, cell in row.items() if cell}
        if "value_as_number" in cells:
            cells["value_as_number"] = repr(float(cells["value_as_number"]))
        if with_person and name == "episode_event":
            cells["person_id"] = episodes[row["episode_id"]]
        found.append(frozenset(cells.items()))
    return Counter(found)


def shown(rows: list[Cells]) -> Counter[frozenset[tuple[str, str]]]:
    cells = ({k: v for k, v in row.items() if k != "stands_in"} for row in rows)
    return Counter(
        frozenset((k, repr(v) if isinstance(v, float) else str(v)) for k, v in row.items())
        for row in cells
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_ledger_holds_the_newest_export(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    network = BuiltNetwork(tmp_path, PLACES["memory"](tmp_path))
    site = network.site().site
    state: Export = {}
    for number in range(3):
        export = drawn_export(draw)
        folder = tmp_path / f"export_{number}"
        folder.mkdir()
        for name, rows in export.items():
            write_csv(folder / f"{name}.csv", Drawn(COLUMNS[name], tuple(rows)))
        done = site.ingest_omop(
            folder, source="ehr", allow_shrinking=True, allow_churn=True, allow_empty=True
        )
        assert done.counts["rejected"] == 0
        state |= export
        replayed = Replayed(network)
        for name in COLUMNS:
            placed = TABLES[name].domain_prefix is not None
            for view in ("domain", "person") if TABLES[name].scope == "person" else ("site",):
                if view != "domain" or placed:
                    due = expected(name, state, with_person=view == "person")
                    assert shown(replayed.rows(view, name)) == due, (number, view, name)
        mapped = {row["person_id"] for row in replayed.rows("mapping", "map-person")}
        persons = {
            int(row["person_id"]) for rows in state.values() for row in rows if "person_id" in row
        }
        assert mapped == persons
        counts = {
            (row["table"], row["concept_id"]): row["n"]
            for row in replayed.rows("mapping", "map-concept")
        }
        measured = Counter(
            int(row["measurement_concept_id"]) for row in state.get("measurement", [])
        )
        assert {c: n for (table, c), n in counts.items() if table == "measurement"} == measured
