"""Event tables in memory: a table of a generation is read once, whatever is asked of it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import precisionchain as pc
from tests.lib.ledger_places import MemoryPlace
from tests.lib.site_builder import BuiltNetwork

TABLES = """
    condition_occurrence
    person | concept | start
    1      | 11      | 2015-01-01
    2      | 12      | 2015-01-01
    2      | 11      | 2016-01-01
    """


def test_a_table_is_counted_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = BuiltNetwork(tmp_path, MemoryPlace(tmp_path)).site()
    site.ingest(TABLES)
    with site.network() as network:
        assert network.cohort(pc.condition(11)).persons["person_id"].to_list() == [1, 2]

        def read(*_: object, **__: object) -> None:
            raise AssertionError("a file of the replica is read again")

        monkeypatch.setattr(pl, "scan_parquet", read)
        assert network.cohort(pc.condition(12)).persons["person_id"].to_list() == [2]
        assert network.cohort(pc.condition([11, 12], first=True) & ~pc.condition(12)).persons[
            "person_id"
        ].to_list() == [1]
