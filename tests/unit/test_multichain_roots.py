"""A batch has the same bytes, leaves and root wherever it was published."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import sealed_items, sealed_leaves, seals
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.schemas.items import Item
from tests.lib.batches import NETWORK, SIGNER, STREAMS, Job, entitled, parameters, unsealed
from tests.lib.multichain_ledgers import prompt_ledger, site_folder


def published(ledger: Ledger, folder: Path) -> tuple[str, list[bytes], list[Item]]:
    """Publish a batch; return its root, leaves and items as readers find them."""
    ledger.create_streams(STREAMS)
    job = Job(folder / f"{type(ledger).__name__}.sqlite", ledger, parameters(max_stream_items=2))
    job.fill(unsealed(), 40)
    job.send()
    (seal,) = seals(ledger, entitled)
    items = sorted(sealed_items(ledger, seal, NETWORK), key=lambda item: item.ordinal)
    return seal.manifest.root, sealed_leaves(ledger, seal), items


def test_a_batch_is_the_same_on_both_ledgers(tmp_path: Path) -> None:
    with (
        closing(EmbeddedLedger.create(tmp_path / "ledger.sqlite", SIGNER)) as embedded,
        prompt_ledger(site_folder(tmp_path)) as chain,
    ):
        expected = published(embedded, tmp_path)
        assert published(chain, tmp_path) == expected
        assert len(expected[1]) == len(expected[2]) == 40
        assert list(chain.findings()) == []
