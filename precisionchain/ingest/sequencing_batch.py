"""A batch of sequencing metadata for genotypes that are sealed already: encode, freeze, send.

It is frozen and sent like any other, so that a killed job's is sent by the next one. The same file
again publishes nothing while its batch is the head and counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from precisionchain.errors import SealRefusedError, UsageError
from precisionchain.ingest.outbox import Outbox
from precisionchain.ingest.report import Advance, Step, silent
from precisionchain.ingest.send import Published
from precisionchain.ingest.sequencing import (
    SETTING,
    content_digest,
    drafts_of,
    input_of,
    of_persons,
)
from precisionchain.ingest.sequencing_file import SequencingFile
from precisionchain.ingest.small_batches import seal_small, small_manifest
from precisionchain.schemas.manifest import NO_PARENT
from precisionchain.schemas.sequencing import PERSON, SEQUENCING_KIND, SOURCE_PREFIX

if TYPE_CHECKING:
    from precisionchain.ingest.publish import Publisher


@dataclass(frozen=True, slots=True)
class Added:
    """What is added to a source of genotypes.

    Attributes:
        found: the file.
        samples: sample_id, person_id: who is meant by its samples.
        source: of the genotypes.
    """

    found: SequencingFile
    samples: pl.DataFrame
    source: str


def publish_sequencing(
    publisher: Publisher,
    outbox: Outbox,
    added: Added,
    *,
    step: Step = silent,
    advance: Advance | None = None,
) -> Published:
    """Seal metadata of a source's persons; what a newer batch says of a column counts.

    Args:
        publisher: the site.
        outbox: its outbox, with nothing unfinished.
        added: what, and to what.
        step: called with a line a step.
        advance: called with (bytes sent, bytes in all).

    Raises:
        UsageError: the site has sealed no genotypes under the name.
        SealRefusedError: there is no column, or everybody in it is withdrawn.
    """
    history = publisher.history()
    chain = history.chain(added.source)
    if not chain or chain[-1].manifest.kind != "vcf":
        raise UsageError(
            "no genotypes are sealed under that name",
            where=f"source {added.source}",
            hint="precisionchain ingest vcf --metadata publishes both at once",
        )
    rows = of_persons(added.found.rows, added.samples)
    if rows.width == 1:
        raise SealRefusedError("no column of the file leaves the site", where=added.source)
    gone = pl.Series(sorted(history.withdrawn_persons), dtype=pl.Int64).implode()
    kept = rows.filter(~pl.col(PERSON).is_in(gone))
    if not kept.height:
        raise SealRefusedError(
            "all persons of the file are withdrawn", where=f"source {added.source}"
        )
    name = f"{SOURCE_PREFIX}{added.source}"
    text = b"precisionchain sequencing batch 1\0" + content_digest(rows)
    source_id = hashlib.sha256(text).hexdigest()
    head = history.head(name)
    if head is not None and history.is_head(name, source_id) and head.manifest.persons >= len(kept):
        return Published(head.manifest.batch, name, head.manifest.items, 0, 0)
    parent = NO_PARENT if head is None else head.manifest.batch_id
    described = _content(added, kept, rows.height - kept.height)
    manifest = small_manifest(publisher, SEQUENCING_KIND, (name, source_id, parent), described)
    step(f"encode sequencing metadata of {kept.height} persons")
    drafts = drafts_of(kept, added.source, publisher.parameters.max_item_bytes // 2)
    return seal_small(publisher, outbox, manifest, drafts, step=step, advance=advance)


def _content(added: Added, kept: pl.DataFrame, withheld: int) -> Mapping[str, Any]:
    """Return what the manifest says of the metadata; no file name."""
    found = added.found
    said = {"columns": found.columns, "left_out": list(found.left_out), "persons": kept.height}
    given = {name: value for name, value in input_of(found).items() if name != "file"}
    return {
        "inputs": (given,),
        "settings": {SETTING: said},
        "refused_columns": {SETTING: found.left_out} if found.left_out else {},
        "withheld": {"persons": withheld, "rows": withheld, "calls": 0} if withheld else {},
        "persons": kept.height,
    }
