"""Batches that no staged run stands behind: metadata added later, lists of sites, corrections.

They are frozen and sent like any other, so that a killed job's is sent by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.outbox import Outbox
from precisionchain.ingest.report import Advance, Step
from precisionchain.ingest.send import Published
from precisionchain.schemas.manifest import Manifest

if TYPE_CHECKING:
    from precisionchain.ingest.publish import Publisher


def small_manifest(
    publisher: Publisher,
    kind: Literal["sequencing", "site-list", "correction"],
    identity: tuple[str, str, bytes],
    content: Mapping[str, Any],
) -> Manifest:
    """Return a manifest, still without items.

    Args:
        publisher: the site.
        kind: of the batch.
        identity: name of the source, source id (hex), id of the batch before it.
        content: other members.
    """
    source, source_id, parent = identity
    return Manifest(
        kind=kind,
        batch=publisher.batch_id(source, source_id, parent).hex(),
        parent=parent.hex(),
        source=source,
        source_id=source_id,
        items=0,
        root="",
        families=(),
        pages=(),
        **content,
    )


def seal_small(
    publisher: Publisher,
    outbox: Outbox,
    manifest: Manifest,
    drafts: Iterable[Draft],
    *,
    step: Step,
    advance: Advance | None = None,
) -> Published:
    """Freeze and send a batch.

    Args:
        publisher: the site.
        outbox: its outbox, with nothing unfinished.
        manifest: of `small_manifest`.
        drafts: of the batch.
        step: called with a line a step.
        advance: called with (bytes sent, bytes in all).
    """
    frozen = outbox.fill(drafts, manifest, signer=publisher.signer, network=publisher.network)
    step(f"publish {frozen.items} items, {frozen.stored_bytes} bytes")
    return publisher.send(outbox, frozen, advance)
