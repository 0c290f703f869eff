"""Small batches for tests: drafts, an outbox and a publisher without files or staging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.outbox import FrozenBatch, Outbox
from precisionchain.ingest.send import Published, send_batch
from precisionchain.ledger.base import Ledger, LedgerItem, Limits
from precisionchain.ledger.signing import Signer, is_signed
from precisionchain.schemas.manifest import NO_PARENT, Manifest, batch_id_of
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.payloads import table_payload
from precisionchain.schemas.streams import concept_key

NETWORK = bytes(range(32))
SIGNER = Signer(b"\x07" * 32)
SMALL_PUBLISHES = Limits(max_items_per_publish=3)
FAMILIES = ("CONDITION_0", "CONDITION_5", "CLIN_PERSON_1")
STREAMS = ("BATCH_1", *(f"{family}_1" for family in FAMILIES))


def parameters(**settings: int) -> NetworkParameters:
    """Return network parameters with small streams where asked."""
    return NetworkParameters.model_validate(
        {"nonce": "00" * 16, "ancestors": {}, "published": {}, **settings}
    )


def drafts(count: int = 12) -> Iterator[Draft]:
    """Yield drafts of several families, each with rows of its own."""
    for number in range(count):
        rows = pa.table({"person_id": [number, number + 1], "condition_concept_id": [5, 5]})
        payload = table_payload("clinical", rows, table="condition_occurrence")
        yield Draft(FAMILIES[number % len(FAMILIES)], (concept_key(number),), payload)


def unsealed(
    source: str = "omop", content: bytes = b"january", parent: bytes = NO_PARENT
) -> Manifest:
    """Return a manifest that is still to be completed by the outbox."""
    source_id = content.ljust(32, b"\x00")
    batch = batch_id_of(NETWORK, SIGNER.public_key, source, source_id, parent)
    return Manifest(
        kind="omop",
        batch=batch.hex(),
        parent=parent.hex(),
        source=source,
        source_id=source_id.hex(),
        items=0,
        root="",
        families=(),
        pages=(),
    )


@dataclass
class Job:
    """A site's publishing job: an outbox and a ledger that may fail."""

    path: Path
    ledger: Ledger
    settings: NetworkParameters

    def fill(self, manifest: Manifest, count: int = 12) -> FrozenBatch:
        """Encode and freeze a batch."""
        outbox = Outbox(self.path)
        frozen = outbox.fill(drafts(count), manifest, signer=SIGNER, network=NETWORK)
        outbox.close()
        return frozen

    def send(self) -> list[Published]:
        """Do what every job does first: forget half-encoded batches, send frozen ones."""
        outbox = Outbox(self.path)
        try:
            outbox.discard_unfrozen()
            return [
                send_batch(
                    outbox,
                    self.ledger,
                    batch,
                    publisher=SIGNER.public_key,
                    code="k3",
                    parameters=self.settings,
                )
                for batch in outbox.frozen()
            ]
        finally:
            outbox.close()


def entitled(found: LedgerItem) -> bool:
    """Return whether an item is signed by the one site there is."""
    return found.item.publisher == SIGNER.public_key and is_signed(found.item, NETWORK)
