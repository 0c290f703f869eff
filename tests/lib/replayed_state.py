"""What a source's items on the ledger come to, replayed row by row: no replica, no SQL.

The rules are those of ``docs/reference/streams.md`` section 7: each row of each item counts from
its batch's seal until a later batch of the same source lists its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from precisionchain.ledger.base import Ledger
from precisionchain.schemas.corrections import SUPERSEDED_KIND, WITHDRAWN_KIND, correction_rows
from precisionchain.schemas.items import SEAL_ORDINAL, Item
from precisionchain.schemas.manifest import Manifest
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.payloads import payload_table
from precisionchain.schemas.streams import family_of
from tests.lib.omop_builder import column_of
from tests.lib.site_builder import BuiltNetwork
from tests.lib.tables import Row

Name = tuple[str, str]
"""A view (``domain``, ``person``, ``site``, ``vocabulary``, ``mapping``) and a table."""
Place = tuple[str, int, int]
Cells = Mapping[str, Any]

_VIEWS = {
    "VOCAB": "vocabulary",
    "MAP_CONCEPT": "mapping",
    "MAP_PERSON": "mapping",
    "QUALITY": "quality",
}


@dataclass
class Sealed:
    """A batch as it was sealed: its rows by name with their places, and the places it lists."""

    manifest: Manifest
    rows: dict[Name, dict[Place, Cells]] = field(default_factory=lambda: defaultdict(dict))
    lists: list[Place] = field(default_factory=list)

    def n(self, view: str, table: str) -> int:
        """How many rows of a table it holds."""
        return len(self.rows.get((view, table), {}))


class Replayed:
    """A source of site A, replayed from the ledger."""

    def __init__(self, network: BuiltNetwork, source: str = "ehr") -> None:
        ledger = network.ledger()
        try:
            self.batches = list(_sealed(ledger, source))
            withdrawn = set(_withdrawn(ledger))
        finally:
            ledger.close()
        self._rows: dict[Name, dict[Place, Cells]] = defaultdict(dict)
        for batch in self.batches:
            for place in batch.lists:
                assert sum(rows.pop(place, None) is not None for rows in self._rows.values()) == 1
            for name, rows in batch.rows.items():
                self._rows[name].update(rows)
        for (view, _), rows in self._rows.items():
            if view not in ("vocabulary", "mapping", "quality"):
                for place in [place for place in rows if place[0] in withdrawn]:
                    del rows[place]

    def rows(self, view: str, table: str) -> list[Cells]:
        """The rows that count, without their nulls."""
        return list(self._rows.get((view, table), {}).values())

    def shown(self, view: str, table: str, *headings: str) -> list[Row]:
        """The rows that count as text under headings of drawn tables."""
        known = TABLES.get(table)
        columns = {h: column_of(known, h) if known else h for h in headings}
        return [
            {heading: str(row.get(column, "")) for heading, column in columns.items()}
            for row in self.rows(view, table)
        ]


def _sealed(ledger: Ledger, source: str) -> Iterator[Sealed]:
    """Yield the batches of a source, in order of their seals."""
    items: dict[bytes, list[Item]] = defaultdict(list)
    for found in ledger.items():
        item = found.item
        if item.payload.kind == "manifest" and item.ordinal == SEAL_ORDINAL:
            manifest = Manifest.from_body(item.payload.body)
            if manifest.source == source:
                yield _read(manifest, items[manifest.batch_id])
        else:
            items[item.batch_id].append(item)


def _read(manifest: Manifest, items: list[Item]) -> Sealed:
    sealed = Sealed(manifest)
    for item in items:
        if item.payload.kind == SUPERSEDED_KIND:
            columns = correction_rows(item.payload).to_pydict()
            listed: list[Place] = list(zip(*columns.values(), strict=True))
            assert listed == sorted(set(listed)), "sorted and distinct"
            sealed.lists += listed
        elif item.payload.kind != "leaves":
            table, rows = payload_table(item.payload)
            view = _view(family_of(item.stream))
            name = (view, table or item.payload.kind)
            for number, row in enumerate(rows.to_pylist()):
                cells = {column: cell for column, cell in row.items() if cell is not None}
                cells |= {"stands_in": family_of(item.stream)}
                sealed.rows[name][manifest.batch, item.ordinal, number] = cells
    return sealed


def _withdrawn(ledger: Ledger) -> Iterator[str]:
    for found in ledger.items():
        if found.item.payload.kind == WITHDRAWN_KIND:
            rows = correction_rows(found.item.payload).to_pylist()
            yield from (row["batch"] for row in rows if row["what"] == "batch")


def _view(family: str) -> str:
    if family.startswith("CLIN_PERSON_"):
        return "person"
    return "site" if family == "CLIN_SITE" else _VIEWS.get(family, "domain")
