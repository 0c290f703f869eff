"""From a staged run to a sealed batch: is it new, may it follow the head, encode, freeze, send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from precisionchain.errors import SealRefusedError
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.encode_omop import OmopEncoder
from precisionchain.ingest.encode_vcf import encode_vcf
from precisionchain.ingest.outbox import Outbox
from precisionchain.ingest.overlap import refuse_overlap
from precisionchain.ingest.qc_exclusions import excluded_drafts
from precisionchain.ingest.report import Advance, Step
from precisionchain.ingest.send import Published, send_batch
from precisionchain.ingest.staged_manifest import omop_manifest, vcf_manifest
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Entitled, Seal, heads, seals
from precisionchain.ledger.signing import Signer
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.items import SEAL_ORDINAL
from precisionchain.schemas.manifest import NO_PARENT, batch_id_of
from precisionchain.schemas.parameters import NetworkParameters

MAX_VANISHING = 0.05
"""Share of a source's persons that may vanish between two exports before sealing is refused."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """A site as it publishes: its ledger, its key, and what the network agreed on."""

    ledger: Ledger
    network: bytes
    parameters: NetworkParameters
    signer: Signer
    code: str
    entitled: Entitled

    def heads(self) -> dict[str, Seal]:
        """Return this site's sealed heads by source."""
        return {
            source: seal
            for (key, source), seal in heads(seals(self.ledger, self.entitled)).items()
            if key == self.signer.public_key
        }


def resume(publisher: Publisher, outbox: Outbox, advance: Advance | None) -> list[Published]:
    """Finish what a killed job left: send frozen batches, forget half-encoded ones."""
    outbox.discard_unfrozen()
    return [_send(publisher, outbox, batch, advance) for batch in outbox.frozen()]


def publish_run(
    publisher: Publisher,
    outbox: Outbox,
    run: Path,
    snapshot: Snapshot,
    *,
    allow_shrinking: bool = False,
    advance: Advance | None = None,
    step: Step | None = None,
) -> Published:
    """Publish a staged (and, for OMOP, validated) run as a sealed batch, unless it is the head.

    Args:
        publisher: the site.
        outbox: its outbox, with nothing unfinished.
        run: the run's folder.
        snapshot: the replica, for what an earlier batch holds.
        allow_shrinking: accept that many persons vanish.
        advance: called with (bytes sent, bytes in all).
        step: called with a line per step.

    Raises:
        ParameterMismatchError: the run is of another reference build than the network.
        SealRefusedError: too many persons of the source would vanish.
        OverlapError: genotypes of these persons are sealed over the same extent.
    """
    description = json.loads((run / "run.json").read_text(encoding="utf-8"))
    source, source_id = description["source"], bytes.fromhex(description["source_id"])
    head = publisher.heads().get(source)
    if head is not None and head.manifest.source_id == source_id.hex():
        return Published(head.manifest.batch, source, head.manifest.items, 0, 0)
    parent = NO_PARENT if head is None else head.manifest.batch_id
    batch_id = batch_id_of(
        publisher.network, publisher.signer.public_key, source, source_id, parent
    )
    _refuse_sealed(publisher, batch_id, source)
    identity = {"batch": batch_id.hex(), "parent": parent.hex()}
    if step:
        step(f"encode {description['kind']} source {source}")
    if description["kind"] == "omop":
        encoder = OmopEncoder(run, publisher.parameters)
        if head is not None and not allow_shrinking:
            _refuse_vanishing(encoder.persons(), head, snapshot)
        drafts = encoder.drafts()
        manifest = omop_manifest(run, description, encoder, identity)
    else:
        publisher.parameters.require(build=description["build"])
        _refuse_replacing(head)
        refuse_overlap(run, snapshot, publisher.signer.public_key.hex())
        drafts = chain(encode_vcf(run, publisher.parameters), excluded_drafts(run))
        manifest = vcf_manifest(run, description, identity)
    frozen = outbox.fill(
        _counted(drafts, step), manifest, signer=publisher.signer, network=publisher.network
    )
    if step:
        step(f"publish {frozen.items} items, {frozen.stored_bytes} bytes")
    return _send(publisher, outbox, frozen, advance)


def _send(publisher: Publisher, outbox: Outbox, batch: Any, advance: Advance | None) -> Published:
    return send_batch(
        outbox,
        publisher.ledger,
        batch,
        publisher=publisher.signer.public_key,
        code=publisher.code,
        parameters=publisher.parameters,
        advance=advance,
    )


def _counted(drafts: Iterator[Draft], step: Step | None) -> Iterator[Draft]:
    for number, draft in enumerate(drafts, start=1):
        if step and number % 500 == 0:
            step(f"  {number} items encoded")
        yield draft


def _refuse_sealed(publisher: Publisher, batch_id: bytes, source: str) -> None:
    if SEAL_ORDINAL in publisher.ledger.ordinals(publisher.signer.public_key, batch_id):
        raise SealRefusedError(
            "this batch was sealed before and is no longer the head of its source",
            where=f"source {source}",
            hint="run `precisionchain verify`: the ledger's heads are not what they should be",
        )


def _refuse_replacing(head: Seal | None) -> None:
    """Refuse other genotypes under a name that is sealed: the head would hide the earlier ones."""
    if head is not None:
        raise SealRefusedError(
            "other genotypes are sealed under this name, and genetic batches are not replaced",
            where=f"source {head.manifest.source}",
            hint="give this batch a name of its own with --source, or none",
        )


def _refuse_vanishing(persons: list[int], head: Seal, snapshot: Snapshot) -> None:
    """Refuse an export that lost many of the persons its source had: more likely a wrong folder."""
    path = snapshot.path("MAP_PERSON/map-person")
    if path is None:
        return
    with duckdb.connect() as database:
        found = database.execute(
            "select person_id from read_parquet(?) where batch = ?",
            [str(path), head.manifest.batch],
        ).fetchall()
    before = {row[0] for row in found}
    vanished = len(before - set(persons))
    if before and vanished > MAX_VANISHING * len(before):
        raise SealRefusedError(
            f"{vanished} of {len(before)} persons of this source are not in the new export",
            where=f"source {head.manifest.source}",
            hint="name another source with --source, or accept it with --allow-shrinking",
        )
