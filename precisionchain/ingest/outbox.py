"""The outbox: the exact bytes of a batch, frozen before the first of them is sent.

``outbox.sqlite`` holds at most one batch that is being published, and never knows what was
published: a restart asks the ledger which ordinals exist. A batch is *filling* until its manifest
is made, then *frozen*. What each crash leaves: filling -> the next job discards it and encodes
again; frozen -> the next job sends what the ledger does not have.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from precisionchain.errors import LedgerUnavailableError, LimitError
from precisionchain.ingest.drafts import Draft
from precisionchain.ledger.signing import Signer, single_item
from precisionchain.schemas.items import (
    SEAL_ORDINAL,
    Codec,
    Item,
    ItemClass,
    Payload,
    checked_keys,
    parse_item,
)
from precisionchain.schemas.manifest import Manifest, leaf_pages
from precisionchain.schemas.merkle import merkle_root
from precisionchain.schemas.streams import BATCH, StreamName, batch_key

PAGE_BYTES: Final = 32_768
"""An item is many pages of the usual 4 kB, each of which is found by the one before it."""

_SCHEMA = """
create table if not exists batch (
    batch_id blob primary key, source text not null, frozen integer not null default 0
) without rowid;
create table if not exists item (
    batch_id blob not null, ordinal integer not null, family text not null, keys text not null,
    stored blob not null, primary key (batch_id, ordinal)
);
"""


@dataclass(frozen=True, slots=True)
class FrozenBatch:
    """A batch whose bytes are fixed. ``items`` counts all of them, pages and manifest too."""

    batch_id: bytes
    source: str
    items: int
    stored_bytes: int


class Outbox:
    """A site's outbox file. One job uses it at a time, under the site's lock.

    Raises:
        LedgerUnavailableError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._connection = sqlite3.connect(path)
            self._connection.execute(f"pragma page_size={PAGE_BYTES}")  # of a file that is new
            self._connection.executescript(_SCHEMA)
            self._connection.execute("pragma synchronous=full")
        except sqlite3.Error as error:
            raise LedgerUnavailableError(
                "the outbox cannot be written", where=path.name, hint="check space and rights"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def discard_unfrozen(self) -> None:
        """Forget what a killed job left half encoded: none of it was ever sent."""
        with self._connection as database:
            database.execute(
                "delete from item where batch_id in (select batch_id from batch where frozen = 0)"
            )
            database.execute("delete from batch where frozen = 0")

    def frozen(self) -> list[FrozenBatch]:
        """Return the batches that are frozen and not yet forgotten."""
        rows = self._connection.execute(
            "select batch_id, source, count(*), sum(length(stored))"
            " from batch join item using (batch_id) where frozen = 1 group by 1, 2"
        )
        return [FrozenBatch(*row) for row in rows]

    def fill(
        self,
        drafts: Iterable[Draft],
        manifest: Manifest,
        *,
        signer: Signer,
        network: bytes,
        also: Callable[[Item, Draft], None] | None = None,
    ) -> FrozenBatch:
        """Give drafts their ordinals, make leaf pages and manifest, and freeze the batch.

        Args:
            drafts: in publishing order; taken one at a time, so memory is bounded by an item.
            manifest: with everything but ``items``, ``root``, ``families`` and ``pages``.
            signer: the publishing site's.
            network: 32-byte network id.
            also: called with each data item and its draft.
        """
        batch_id = manifest.batch_id
        with self._connection as database:
            database.execute(
                "insert into batch (batch_id, source) values (?, ?)", (batch_id, manifest.source)
            )
        leaves: list[bytes] = []
        runs: list[tuple[str, int]] = []
        for draft in drafts:
            item = _batch_item(draft, batch_id, len(leaves), signer.public_key)
            leaves.append(item.leaf(network))
            if runs and runs[-1][0] == draft.family:
                runs[-1] = (draft.family, runs[-1][1] + 1)
            else:
                runs.append((draft.family, 1))
            self._keep(item, draft.family)
            if also is not None:
                also(item, draft)
        pages = leaf_pages(leaves)
        for index, page in enumerate(pages):
            draft = Draft(BATCH, (), Payload("leaves", Codec.RAW, page))
            self._keep(_batch_item(draft, batch_id, len(leaves) + index, signer.public_key), BATCH)
        sealed = manifest.model_copy(
            update={
                "items": len(leaves),
                "root": merkle_root(leaves).hex(),
                "families": tuple(runs),
                "pages": tuple(sha256(page).hexdigest() for page in pages),
            }
        )
        self._keep(signed_manifest(sealed, signer, network), BATCH)
        with self._connection as database:
            database.execute("update batch set frozen = 1 where batch_id = ?", (batch_id,))
        return next(batch for batch in self.frozen() if batch.batch_id == batch_id)

    def items(self, batch_id: bytes, *, without: frozenset[int]) -> Iterator[tuple[str, Item]]:
        """Yield (family, item in its bucket 1) in ordinal order, leaving out some ordinals."""
        rows = self._connection.execute(
            "select family, keys, stored, ordinal from item where batch_id = ? order by ordinal",
            (batch_id,),
        )
        for family, keys, stored, ordinal in rows:
            if ordinal not in without:
                yield family, parse_item(str(StreamName(family)), keys.split("\n"), stored)

    def manifest(self, batch_id: bytes) -> Manifest:
        """Return the manifest of a frozen batch."""
        stored = self._connection.execute(
            "select stored, keys from item where batch_id = ? and ordinal = ?",
            (batch_id, SEAL_ORDINAL),
        ).fetchone()
        item = parse_item(str(StreamName(BATCH)), stored[1].split("\n"), stored[0])
        return Manifest.from_body(item.payload.body)

    def forget(self, batch_id: bytes) -> None:
        """Drop a batch that is sealed on the ledger."""
        with self._connection as database:
            database.execute("delete from item where batch_id = ?", (batch_id,))
            database.execute("delete from batch where batch_id = ?", (batch_id,))
        self._connection.execute("vacuum")

    def _keep(self, item: Item, family: str) -> None:
        self._connection.execute(
            "insert into item values (?, ?, ?, ?, ?)",
            (item.batch_id, item.ordinal, family, "\n".join(item.keys), item.stored),
        )


def _batch_item(draft: Draft, batch_id: bytes, ordinal: int, publisher: bytes) -> Item:
    if ordinal >= SEAL_ORDINAL:
        raise LimitError("a batch of more than 2^32 - 1 items", hint="ingest the source in parts")
    keys = checked_keys((*draft.keys, batch_key(batch_id)))
    stream = str(StreamName(draft.family))
    return Item(stream, keys, ItemClass.BATCH, publisher, batch_id, ordinal, draft.payload)


def signed_manifest(manifest: Manifest, signer: Signer, network: bytes) -> Item:
    """Return the manifest's item, signed: the seal."""
    return single_item(
        str(StreamName(BATCH)),
        (batch_key(manifest.batch_id), f"s:{manifest.source_id[:32]}"),
        Payload("manifest", Codec.JSON, manifest.body()),
        signer=signer,
        network=network,
        batch_id=manifest.batch_id,
        ordinal=SEAL_ORDINAL,
    )
