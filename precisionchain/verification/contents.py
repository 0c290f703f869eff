"""What a batch's items say of each other: mappings lead to all rows, counts are a recount.

The state of a source is the fold of its chain: a mapping of an earlier batch still leads to what a
later one adds. Leaves were compared before, so an item is recognised by where it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.errors import PrecisionChainError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Seal, streams_of
from precisionchain.ledger.chains import chains
from precisionchain.replica.unpack_sites import whole_list
from precisionchain.schemas.corrections import CORRECTION
from precisionchain.schemas.items import Item
from precisionchain.schemas.payloads import payload_table
from precisionchain.schemas.quality import QUALITY_KIND, read_quality
from precisionchain.schemas.sequencing import SEQUENCING_KIND
from precisionchain.schemas.site_lists import LIST_KIND
from precisionchain.schemas.streams import batch_key, family_of
from precisionchain.verification.check import Check
from precisionchain.verification.metadata import apart, wrong_beside
from precisionchain.verification.sealed import SealedBatches

Ids = npt.NDArray[np.int64]
_PERSONS = "CLIN_PERSON"


def check_contents(
    check: Check, ledger: Ledger, sealed: list[Seal], complete: SealedBatches
) -> None:
    """Check the contents of each complete batch of each chain.

    Args:
        check: takes the findings; its items were counted with their leaves.
        ledger: read only.
        sealed: the valid seals, in order.
        complete: where the items of complete batches stand.
    """
    streams = streams_of(ledger)
    for chain in chains(sealed).values():
        entities = _Entities()
        for seal in chain:
            positions = complete.places.get(seal.manifest.batch)
            if positions is None:
                continue
            items = _items(ledger, seal, set(positions), streams)
            try:
                for stream, message in _contents(seal, items, entities):
                    check.find(f"batch {seal.manifest.batch[:16]}: {message}", stream=stream)
            except PrecisionChainError as error:
                check.find(f"batch {seal.manifest.batch[:16]}: {error}")


def _items(
    ledger: Ledger, seal: Seal, positions: set[int], streams: Mapping[str, list[str]]
) -> Iterator[Item]:
    """Yield a complete batch's items, family by family in the order of its manifest."""
    key = batch_key(seal.manifest.batch_id)
    for family in dict.fromkeys(family for family, _ in seal.manifest.families):
        for stream in streams.get(family, []):
            for found in ledger.items(stream, key):
                if found.position in positions:
                    yield found.item


def _contents(
    seal: Seal, items: Iterator[Item], entities: _Entities
) -> Iterator[tuple[str | None, str]]:
    """Yield what is wrong, a family (where it is of one) and a sentence each."""
    if seal.manifest.kind == "vcf":
        from precisionchain.replica.recount import recount

        beside: list[Item] = []
        others = apart(items, beside)
        yield from ((None, message) for message in recount(others))
        yield from wrong_beside(beside, seal.manifest)
    elif seal.manifest.kind == SEQUENCING_KIND:
        yield from wrong_beside(items, seal.manifest)
    elif seal.manifest.kind == LIST_KIND:
        whole_list(items)
    elif seal.manifest.kind == CORRECTION:
        for item in items:
            payload_table(item.payload)
    else:
        for item in items:
            entities.take(item)
        for family, count in entities.unmapped():
            yield family, f"{count} entities that no mapping leads to"


@dataclass(slots=True)
class _Entities:
    """Concepts and persons of a chain by family: where rows of them stand, where mappings lead."""

    placed: dict[str, list[Ids]] = field(default_factory=dict)
    mapped: dict[str, list[Ids]] = field(default_factory=dict)

    def take(self, item: Item) -> None:
        """Add what one item places or maps."""
        family, kind = family_of(item.stream), item.payload.kind
        if kind == QUALITY_KIND:
            read_quality(item.payload)
            return
        table, rows = payload_table(item.payload)
        if kind in ("map-concept", "map-person"):
            self._map(rows, "concept_id" if kind == "map-concept" else "person_id")
        elif kind == "clinical" and table:
            prefix = "p:" if family.startswith(_PERSONS) else "c:"
            keys = [int(key[2:]) for key in item.keys if key.startswith(prefix)]
            of_family = self.placed.setdefault(family, [])
            of_family.append(np.array(keys, np.int64))
            if family.startswith(_PERSONS):
                of_family.append(_distinct(rows["person_id"]))

    def _map(self, rows: pa.Table, entity: str) -> None:
        ids = rows[entity].to_numpy().astype(np.int64)
        families, codes = np.unique(rows["family"].to_numpy().astype(str), return_inverse=True)
        for code, family in enumerate(families.tolist()):
            self.mapped.setdefault(family, []).append(ids[codes == code])

    def unmapped(self) -> list[tuple[str, int]]:
        """Return, by family, how many of what was placed since the last time nothing leads to."""
        found = Counter[str]()
        for family, placed in self.placed.items():
            leading = self.mapped.get(family, [np.zeros(0, np.int64)])
            found[family] = len(np.setdiff1d(np.concatenate(placed), np.concatenate(leading)))
        self.placed.clear()
        return sorted((family, count) for family, count in found.items() if count)


def _distinct(column: pa.ChunkedArray[Any]) -> Ids:
    return np.unique(column.drop_null().to_numpy().astype(np.int64))
