"""Chains of batches and what was withdrawn from them: which seals count, and which persons do not.

The rules are those of ``docs/reference/streams.md`` section 7.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from precisionchain.errors import IntegrityError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Seal, sealed_items
from precisionchain.schemas.corrections import (
    BATCH,
    CORRECTION,
    PERSON,
    READMIT,
    WITHDRAW,
    WITHDRAWN_KIND,
    correction_rows,
)
from precisionchain.schemas.manifest import NO_PARENT

Chains = Mapping[tuple[bytes, str], Sequence[Seal]]
"""(publisher, source) -> its seals, each following the one before it."""


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """Who and what is withdrawn up to some position.

    ``persons`` holds the withdrawn person ids by publisher, ``batches`` the position of the seal
    that withdrew a batch (its id in hex); ``unreadable`` the correction batches, in hex, whose
    sealed items are not all on the ledger.
    """

    persons: Mapping[bytes, frozenset[int]] = field(default_factory=dict)
    batches: Mapping[str, int] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()


def chains(sealed: Iterable[Seal]) -> Chains:
    """Return the chain of each (publisher, source).

    Two seals with one parent would be a fork by one site; the first keeps its place.
    """
    found: dict[tuple[bytes, str], list[Seal]] = defaultdict(list)
    for seal in sealed:
        chain = found[seal.publisher, seal.manifest.source]
        before = chain[-1].manifest.batch_id if chain else NO_PARENT
        if seal.manifest.parent_id == before:
            chain.append(seal)
    return {place: chain for place, chain in found.items() if chain}


def withdrawals(ledger: Ledger, sealed: Iterable[Seal], network: bytes) -> Withdrawals:
    """Return what the correction batches among some seals withdraw, and have not readmitted.

    Args:
        ledger: read only.
        sealed: seals in order of position.
        network: 32-byte network id.
    """
    sealed = list(sealed)
    publisher_of = {seal.manifest.batch: seal.publisher for seal in sealed}
    persons: dict[bytes, set[int]] = defaultdict(set)
    batches: dict[str, int] = {}
    unreadable = []
    corrections = [
        seal
        for chain in chains(sealed).values()
        for seal in chain
        if seal.manifest.kind == CORRECTION
    ]
    for seal in sorted(corrections, key=lambda seal: seal.position):
        try:
            rows = _rows(ledger, seal, network)
        except IntegrityError:
            unreadable.append(seal.manifest.batch)
            continue
        for what, action, person_id, batch in rows:
            if what == PERSON and action == WITHDRAW:
                persons[seal.publisher].add(person_id)
            elif what == PERSON and action == READMIT:
                persons[seal.publisher].discard(person_id)
            elif what == BATCH and action == WITHDRAW and publisher_of.get(batch) == seal.publisher:
                batches.setdefault(batch, seal.position)
    standing = {publisher: frozenset(ids) for publisher, ids in persons.items() if ids}
    return Withdrawals(standing, batches, tuple(unreadable))


def _rows(ledger: Ledger, seal: Seal, network: bytes) -> list[tuple[str, str, int, str]]:
    """Return what one correction batch says, in order.

    Raises:
        IntegrityError: a sealed item is not on the ledger.
    """
    items = [
        item for item in sealed_items(ledger, seal, network) if item.payload.kind == WITHDRAWN_KIND
    ]
    found = []
    for item in sorted(items, key=lambda item: item.ordinal):
        columns = correction_rows(item.payload).to_pydict()
        found += list(zip(*columns.values(), strict=True))
    return found
