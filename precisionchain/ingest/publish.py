"""From a staged run to a sealed batch: is it new, may it follow the head, encode, freeze, send."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.errors import SealRefusedError
from precisionchain.ingest.changes_limits import WHOLE, Refresh
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.outbox import FrozenBatch, Outbox
from precisionchain.ingest.report import Advance, Step, silent
from precisionchain.ingest.reserved import refuse_other_kind, refuse_reserved
from precisionchain.ingest.send import Published, send_batch
from precisionchain.ingest.source_history import History, read_run
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Entitled, Seal, heads, seals, site_key
from precisionchain.ledger.chains import chains, withdrawals
from precisionchain.ledger.signing import Signer
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.taken_over import VCF
from precisionchain.schemas.items import SEAL_ORDINAL
from precisionchain.schemas.manifest import NO_PARENT, Manifest, batch_id_of
from precisionchain.schemas.parameters import NetworkParameters

if TYPE_CHECKING:
    from precisionchain.ingest.omop_batch import OmopBatch
    from precisionchain.ingest.vcf_batch import VcfBatch


@dataclass(frozen=True, slots=True)
class Publisher:
    """A site as it publishes: its ledger, its key, and what the network agreed on."""

    ledger: Ledger
    network: bytes
    parameters: NetworkParameters
    signer: Signer
    code: str
    entitled: Entitled
    site: str

    @property
    def site_key(self) -> bytes:
        """The key that this site's batches are known by, whichever key signs now."""
        return site_key(self.entitled, self.signer.public_key)

    def heads(self) -> dict[str, Seal]:
        """Return this site's sealed heads by source."""
        return {
            source: seal
            for (key, source), seal in heads(seals(self.ledger, self.entitled)).items()
            if key == self.site_key
        }

    def history(self) -> History:
        """Return what this site has sealed and withdrawn by now."""
        sealed = list(seals(self.ledger, self.entitled))
        gone = withdrawals(self.ledger, sealed, self.network)
        return History(self.site_key, chains(sealed), gone)

    def batch_id(self, source: str, source_id: str, parent: bytes) -> bytes:
        """Return the id of a batch of a source (its content's id in hex) after another batch."""
        key = self.signer.public_key
        return batch_id_of(self.network, key, source, bytes.fromhex(source_id), parent)

    def send(self, outbox: Outbox, batch: FrozenBatch, advance: Advance | None) -> Published:
        """Send what the ledger does not have of a frozen batch; see `send_batch`."""
        return send_batch(
            outbox,
            self.ledger,
            batch,
            publisher=self.signer.public_key,
            code=self.code,
            parameters=self.parameters,
            advance=advance,
        )


def resume(publisher: Publisher, outbox: Outbox, advance: Advance | None) -> list[Published]:
    """Finish what a killed job left: send frozen batches, forget half-encoded ones.

    A frozen batch that no longer follows the head of its source would never count, and is
    forgotten, too: its run, still staged, is compared with that head.
    """
    outbox.discard_unfrozen()
    sent = []
    for batch in outbox.frozen():
        head = publisher.heads().get(batch.source)
        parent = NO_PARENT if head is None else head.manifest.batch_id
        there = publisher.ledger.ordinals(publisher.signer.public_key, batch.batch_id)
        if SEAL_ORDINAL not in there and outbox.manifest(batch.batch_id).parent_id != parent:
            outbox.forget(batch.batch_id)
        else:
            sent.append(publisher.send(outbox, batch, advance))
    return sent


def publish_run(
    publisher: Publisher,
    outbox: Outbox,
    run: Path,
    snapshot: Snapshot,
    *,
    refresh: Refresh = WHOLE,
    replace: bool = False,
    advance: Advance | None = None,
    step: Step = silent,
) -> Published:
    """Publish a staged (and, for OMOP, validated) run as a sealed batch, if it is anything new.

    Args:
        publisher: the site.
        outbox: its outbox, with nothing unfinished.
        run: the run's folder.
        snapshot: the replica, synced to the head: what earlier batches hold.
        refresh: how an OMOP run follows the state of its source.
        replace: a VCF run takes the place of sealed genotypes that it meets.
        advance: called with (bytes sent, bytes in all).
        step: called with a line per step.

    Raises:
        ParameterMismatchError: the run is of another reference build than the network.
        SealRefusedError: the run undoes more than it may, the head moved meanwhile, or the source's
            batches are of another kind.
        OverlapError: genotypes of these persons are sealed over the same extent.
        UsageError: the source has a name that no source may have.
    """
    description = read_run(run, refresh)
    source, source_id = description["source"], description["source_id"]
    history = publisher.history()
    head = history.head(source)
    refuse_reserved(source)
    refuse_other_kind(source, description["kind"], history.chain(source))
    parent = NO_PARENT if head is None else head.manifest.batch_id
    batch_id = publisher.batch_id(source, source_id, parent)
    _refuse_sealed(publisher, batch_id, source)
    step(f"encode {description['kind']} source {source}")
    parameters = publisher.parameters
    made: AbstractContextManager[VcfBatch | OmopBatch | None]
    if description["kind"] == VCF:  # either kind loads much that the other has no use for
        from precisionchain.ingest.vcf_batch import SiteState, vcf_batch

        state = SiteState(history, source, snapshot)
        made = vcf_batch(run, parameters, state, replace=replace, step=step)
    else:
        from precisionchain.ingest.omop_batch import omop_batch

        made = omop_batch(run, parameters, history, snapshot=snapshot, refresh=refresh, step=step)
    with made as batch:
        if batch is None:
            return _unchanged(source, head)
        manifest = batch.manifest({"batch": batch_id.hex(), "parent": parent.hex()})
        drafts = _counted(batch.drafts(), step)
        frozen = _frozen(publisher, outbox, drafts, manifest, snapshot)
    _refuse_moved(publisher, outbox, frozen, head)
    step(f"publish {frozen.items} items, {frozen.stored_bytes} bytes")
    return dataclasses.replace(publisher.send(outbox, frozen, advance), changes=manifest.changes)


def _frozen(
    publisher: Publisher,
    outbox: Outbox,
    drafts: Iterator[Draft],
    manifest: Manifest,
    snapshot: Snapshot,
) -> FrozenBatch:
    """Freeze a batch; of clinical rows the replica's files are made with it."""
    fill = partial(outbox.fill, signer=publisher.signer, network=publisher.network)
    if manifest.kind == VCF:
        return fill(drafts, manifest)
    from precisionchain.replica.made_ahead import made_ahead

    with made_ahead(snapshot.root, publisher.site, manifest.batch) as files:
        frozen = fill(drafts, manifest, also=lambda item, draft: files.add(item, draft.made_of))
        files.finish(outbox.manifest(frozen.batch_id).root)
    return frozen


def _unchanged(source: str, head: Seal | None) -> Published:
    """Return what is said of a run that changes nothing."""
    sealed, items = ("", 0) if head is None else (head.manifest.batch, head.manifest.items)
    return Published(sealed, source, items, 0, 0)


def _refuse_moved(
    publisher: Publisher, outbox: Outbox, frozen: FrozenBatch, head: Seal | None
) -> None:
    """Forget a batch whose source got another head while it was made, and refuse it."""
    if publisher.heads().get(frozen.source) != head:
        outbox.forget(frozen.batch_id)
        raise SealRefusedError(
            "another batch of this source was sealed while this one was made",
            where=f"source {frozen.source}",
            hint="run the command again: it is compared with the newer one",
        )


def _counted(drafts: Iterator[Draft], step: Step) -> Iterator[Draft]:
    for number, draft in enumerate(drafts, start=1):
        if number % 500 == 0:
            step(f"  {number} items encoded")
        yield draft


def _refuse_sealed(publisher: Publisher, batch_id: bytes, source: str) -> None:
    if SEAL_ORDINAL in publisher.ledger.ordinals(publisher.signer.public_key, batch_id):
        raise SealRefusedError(
            "this batch was sealed before and is no longer the head of its source",
            where=f"source {source}",
            hint="run `precisionchain verify`: the ledger's heads are not what they should be",
        )
