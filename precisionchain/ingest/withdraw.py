"""Withdrawing persons and batches, and readmitting persons: one sealed batch of corrections.

The batch holds a row for each person or batch, and, where calls stop counting or count again, the
signed counts of every sealed genetic batch that holds them. It is frozen and sent like any other,
so that a killed job's is sent by the next one. Who and what is withdrawn already is not published
again. Rules: ``docs/reference/streams.md`` section 7.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from precisionchain.errors import UsageError
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.encode_vcf import corrected_count_drafts
from precisionchain.ingest.outbox import Outbox
from precisionchain.ingest.report import Advance, Step, silent
from precisionchain.ingest.small_batches import small_manifest
from precisionchain.ingest.source_history import History
from precisionchain.ledger.batches import Seal
from precisionchain.replica.catalogue import SealedBatch, Snapshot
from precisionchain.replica.corrected_genetic import Part, corrected_parts
from precisionchain.replica.cover import Cover
from precisionchain.replica.generation import PARTS
from precisionchain.replica.locking import one_at_a_time
from precisionchain.replica.signed_counts import added_counts
from precisionchain.replica.taken_over import VCF, superseding
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.corrections import (
    BATCH,
    CORRECTION,
    CORRECTIONS_SOURCE,
    PERSON,
    READMIT,
    WITHDRAW,
    WITHDRAWN,
    withdrawn_payload,
)
from precisionchain.schemas.manifest import NO_PARENT
from precisionchain.schemas.streams import MAP_PERSON
from precisionchain.schemas.streams import WITHDRAWN as WITHDRAWN_FAMILY

if TYPE_CHECKING:
    from precisionchain.ingest.publish import Publisher

ITEM_ROWS: Final = 200_000
"""The most rows in an item of withdrawals."""

SHORTEST_PREFIX: Final = 8
"""Hex digits by which a batch may be named."""

Row = tuple[str, str, int | None, str | None]
"""What, action, person id, batch: a row of `WITHDRAWN`."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a withdrawal or readmission did; it names no person.

    Attributes:
        action: ``withdraw`` or ``readmit``.
        what: ``person`` or ``batch``.
        done: how many are withdrawn or readmitted by it.
        unchanged: how many were so already.
        unknown: of how many persons done the site has published nothing: taken back before they
            come, or mistyped.
        counts: genetic batches whose counts it corrects.
        batch: id of the sealed batch in hex, empty where nothing was to be said.
        items, ledger_bytes: of that batch.
    """

    action: str
    what: str
    done: int
    unchanged: int
    unknown: int = 0
    counts: int = 0
    batch: str = ""
    items: int = 0
    ledger_bytes: int = 0

    def row(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}

    def line(self) -> str:
        """Return it as one line of text."""
        state = "withdrawn" if self.action == WITHDRAW else "not withdrawn"
        before = f"; {_number(self.unchanged, self.what)} {state} before" if self.unchanged else ""
        if not self.done:
            state = "withdrawn already" if self.action == WITHDRAW else "not withdrawn"
            return f"nothing was published: {_number(self.unchanged, self.what)} {state}"
        verb = "withdrew" if self.action == WITHDRAW else "readmitted"
        unknown = f" (nothing was published of {self.unknown} of them)" if self.unknown else ""
        counts = f", corrected the counts of {_number(self.counts, BATCH)}" if self.counts else ""
        return (
            f"{verb} {_number(self.done, self.what)}{unknown}{counts}{before}; sealed batch "
            f"{self.batch[:16]} with {self.items} items, {self.ledger_bytes} bytes on the ledger"
        )


@dataclass(frozen=True, slots=True)
class Corrections:
    """A site as it corrects what it has sealed.

    Attributes:
        publisher: the site.
        outbox: its outbox, with nothing unfinished.
        snapshot: the replica, synced up to the ledger's end.
        step: called with a line a step.
        advance: called with (bytes sent, bytes in all).
    """

    publisher: Publisher
    outbox: Outbox
    snapshot: Snapshot
    step: Step = silent
    advance: Advance | None = None

    def withdraw_persons(self, persons: Iterable[int]) -> Corrected:
        """Take persons out of every answer, and of what is ingested from now on."""
        asked, withdrawn = set(persons), self._withdrawn_persons()
        new = sorted(asked - withdrawn)
        parts = [
            (batch, self.snapshot.folder_of(batch))
            for batch in self.snapshot.catalogue.batches
            if self._is_own_genetic(batch)
        ]
        rows: list[Row] = [(PERSON, WITHDRAW, person, None) for person in new]
        holding = [(batch.batch, Part(folder, batch.persons)) for batch, folder in parts]
        unknown = len(np.setdiff1d(np.array(new, np.int64), self._published_persons()))
        asking = Corrected(WITHDRAW, PERSON, len(new), len(asked) - len(new), unknown)
        return self._publish(asking, rows, holding, -1)

    def readmit_persons(self, persons: Iterable[int]) -> Corrected:
        """Let persons count again, as far as batches that are sealed hold them."""
        asked, withdrawn = set(persons), self._withdrawn_persons()
        back = sorted(asked & withdrawn)
        rows: list[Row] = [(PERSON, READMIT, person, None) for person in back]
        holding = self._parts(withdrawn - set(back))
        asking = Corrected(READMIT, PERSON, len(back), len(asked) - len(back))
        return self._publish(asking, rows, holding, 1)

    def withdraw_batches(self, named: Sequence[str]) -> Corrected:
        """Take batches out of every answer.

        Args:
            named: ids in hex, or the first eight digits or more.

        Raises:
            UsageError: a name is not that of one batch of this site.
        """
        own = {
            seal.manifest.batch: seal for seal in self._seals() if seal.manifest.kind != CORRECTION
        }
        asked = dict.fromkeys(_one(name, own) for name in named)
        withdrawn = self.publisher.history().withdrawals.batches
        rows: list[Row] = [
            (BATCH, WITHDRAW, None, batch) for batch in asked if batch not in withdrawn
        ]
        asking = Corrected(WITHDRAW, BATCH, len(rows), len(asked) - len(rows))
        return self._publish(asking, rows)

    def withdraw_source(self, source: str) -> Corrected:
        """Take all batches of a source out of every answer.

        Raises:
            UsageError: this site has sealed no such source.
        """
        batches = [
            seal.manifest.batch
            for seal in self._seals()
            if seal.manifest.source == source and seal.manifest.kind != CORRECTION
        ]
        if not batches:
            raise UsageError(f"this site has sealed nothing under the name {source!r}")
        return self.withdraw_batches(batches)

    # ---------------------------------------------------------------------------------- internal

    def _seals(self) -> Iterator[Seal]:
        history = self.publisher.history()
        for (publisher, _), chain in history.chains.items():
            if publisher == self.publisher.site_key:
                yield from chain

    def _withdrawn_persons(self) -> frozenset[int]:
        return self.publisher.history().withdrawn_persons

    def _published_persons(self) -> npt.NDArray[np.int64]:
        """Return the persons of whom a batch of the site holds anything that counts."""
        folders = [
            self.snapshot.folder_of(batch)
            for batch in self.snapshot.catalogue.batches
            if self._is_own_genetic(batch)
        ]
        found = [np.zeros(0, np.int64), *(Cover(folder).persons for folder in folders)]
        mapped = self.snapshot.path(f"{MAP_PERSON}/map-person")
        if mapped is not None:
            key = self.publisher.site_key.hex()
            sites = {one.site for one in self.snapshot.catalogue.sealed if one.publisher == key}
            own = pl.col("site").is_in(sorted(sites))
            recorded = pl.scan_parquet(mapped).filter(own).select("person_id").collect()
            found.append(recorded["person_id"].to_numpy())
        return np.unique(np.concatenate(found))

    def _is_own_genetic(self, batch: SealedBatch) -> bool:
        return batch.kind == VCF and batch.publisher == self.publisher.site_key.hex()

    def _parts(self, withdrawn: Collection[int]) -> Iterator[tuple[str, Part]]:
        """Yield what counts of the site's genetic batches if just these persons are withdrawn."""
        later = superseding(self.snapshot.catalogue.sealed)
        for batch in self.snapshot.catalogue.sealed:
            if not self._is_own_genetic(batch) or batch.withdrawn is not None:
                continue
            parts = corrected_parts(
                self.snapshot.batch_folder(batch.batch),
                self.snapshot.root / PARTS,
                batch=batch.batch,
                withdrawn=withdrawn,
                later=[
                    (one, self.snapshot.batch_folder(one)) for one in later.get(batch.batch, ())
                ],
            )
            for part in parts:
                yield batch.batch, part

    def _publish(
        self,
        asking: Corrected,
        rows: Sequence[Row],
        holding: Iterable[tuple[str, Part]] = (),
        sign: int = -1,
    ) -> Corrected:
        """Seal rows, with the counts of the persons in them.

        Args:
            asking: what they do, still without a batch.
            rows: of `WITHDRAWN`, all of one kind.
            holding: parts whose counts the persons are taken from, or added to.
            sign: -1 or 1.
        """
        if not rows:
            return asking
        content = b"precisionchain corrections 1\0" + canonical_json(list(rows))
        head = self.publisher.heads().get(CORRECTIONS_SOURCE)
        parent = NO_PARENT if head is None else head.manifest.batch_id
        identity = (CORRECTIONS_SOURCE, sha256(content).hexdigest(), parent)
        manifest = small_manifest(self.publisher, CORRECTION, identity, {})
        corrected: set[str] = set()
        persons = np.array([person for _, _, person, _ in rows if person is not None], np.int64)
        drafts = self._drafts(rows, persons, holding, sign, corrected)
        self.step(f"encode {len(rows)} corrections")
        self.snapshot.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Meanwhile no sync elsewhere removes parts that are read, or makes those that are made.
        with one_at_a_time(self.snapshot.root):
            frozen = self.outbox.fill(
                drafts, manifest, signer=self.publisher.signer, network=self.publisher.network
            )
        self.step(f"publish {frozen.items} items, {frozen.stored_bytes} bytes")
        sent = self.publisher.send(self.outbox, frozen, self.advance)
        return replace(
            asking,
            counts=len(corrected),
            batch=sent.batch,
            items=sent.items,
            ledger_bytes=sent.stored_bytes,
        )

    def _drafts(
        self,
        rows: Sequence[Row],
        persons: npt.NDArray[np.int64],
        holding: Iterable[tuple[str, Part]],
        sign: int,
        corrected: set[str],
    ) -> Iterator[Draft]:
        """Yield the rows, then the counts; note the batches that have some."""
        for start in range(0, len(rows), ITEM_ROWS):
            columns = zip(*rows[start : start + ITEM_ROWS], strict=True)
            arrays = [pa.array(list(c), f.type) for c, f in zip(columns, WITHDRAWN, strict=True)]
            table = pa.table(arrays, schema=WITHDRAWN)
            yield Draft(WITHDRAWN_FAMILY, (), withdrawn_payload(table))
        for batch, part in holding:
            added = added_counts(part.folder, persons)
            for draft in corrected_count_drafts(added, batch, sign, self.publisher.parameters):
                corrected.add(batch)
                yield draft


def is_taken_back(history: History, source: str, source_id: str) -> bool:
    """Return whether a source's head is of this content, and was withdrawn."""
    head = history.head(source)
    if head is None or head.manifest.batch not in history.withdrawals.batches:
        return False
    return head.manifest.source_id == source_id


def _one(name: str, own: Collection[str]) -> str:
    """Return the batch of this site that a name is of.

    Raises:
        UsageError: it is none, or several.
    """
    found = [batch for batch in own if batch.startswith(name.lower())]
    if len(name) < SHORTEST_PREFIX or len(found) != 1:
        raise UsageError(
            f"{name!r} is not the id of one batch that this site has sealed",
            hint=f"at least {SHORTEST_PREFIX} hex digits, as `ingest` printed them",
        )
    return found[0]


def _number(n: int, what: str) -> str:
    plural = {PERSON: "persons", BATCH: "batches"}
    return f"{n} {what if n == 1 else plural[what]}"
