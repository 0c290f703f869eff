"""Whether a run is a sealed batch, and what that batch takes on the ledger."""

from __future__ import annotations

from collections import Counter
from typing import Final

from precisionchain.ingest.page_shapes import Publication, Stored
from precisionchain.ingest.staging import Run
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import (
    Entitled,
    Seal,
    family_items,
    heads,
    sealed_items,
    seals,
    site_key,
)
from precisionchain.ledger.publish_rules import stored_size
from precisionchain.schemas.columns import schema_of
from precisionchain.schemas.items import Codec, Item
from precisionchain.schemas.payloads import TABLE
from precisionchain.schemas.streams import (
    ASSAY,
    BATCH,
    EXCLUDED,
    MAP_CONCEPT,
    MAP_PERSON,
    MAP_SAMPLE,
    MAP_VARIANT,
    QUALITY,
    SITE_TABLES,
    VOCABULARY,
    batch_key,
    family_of,
)

DOMAIN_VIEW: Final = "Domain view"
PERSON_VIEW: Final = "Person view"
SITE_VIEW: Final = "site tables"
VOCABULARY_VIEW: Final = "vocabulary slice"

_MAPPING: Final = "mapping"
_VIEWS: Final = {
    VOCABULARY: VOCABULARY_VIEW,
    SITE_TABLES: SITE_VIEW,
    QUALITY: "data quality",
    ASSAY: "assay",
    EXCLUDED: "exclusions",
    BATCH: "manifest and leaf pages",
    **dict.fromkeys((MAP_CONCEPT, MAP_PERSON, MAP_SAMPLE, MAP_VARIANT), _MAPPING),
}
_PREFIXES: Final = {
    "CLIN_PERSON_": PERSON_VIEW,
    "VAR_": "Variant view",
    "VARP_": "Variant-Person view",
    "CNT_": "MAF counter",
    "SV_": "Variant view",
    "CSV_": "MAF counter",
}


def publication_of(
    run: Run, ledger: Ledger, *, publisher: bytes, network: bytes, entitled: Entitled
) -> Publication | None:
    """Return the newest batch that this site sealed of a run's content, None if there is none.

    Every item is checked against its sealed leaf as it is counted.

    Args:
        run: a staged run.
        ledger: where it may be published.
        publisher: the site's public key.
        network: 32-byte network id.
        entitled: whether a seal is a member's.

    Raises:
        IntegrityError: a sealed item is not on the ledger.
    """
    sealed = list(seals(ledger, entitled))
    found = [
        seal
        for seal in sealed
        if (seal.publisher, seal.manifest.source, seal.manifest.source_id)
        == (site_key(entitled, publisher), run.source, run.source_id)
    ]
    if not found:
        return None
    seal = found[-1]
    head = heads(sealed).get((seal.publisher, run.source), seal).manifest.batch
    return Publication(
        batch=seal.manifest.batch,
        position=seal.position,
        time=seal.time,
        superseded_by=None if head == seal.manifest.batch else head,
        refused_columns=seal.manifest.refused_columns,
        stored=_stored(ledger, seal, network),
    )


def _stored(ledger: Ledger, seal: Seal, network: bytes) -> tuple[Stored, ...]:
    items: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()

    def add(item: Item) -> None:
        place = (_view(family_of(item.stream)), _table(item))
        items[place] += 1
        sizes[place] += stored_size(item)

    for item in sealed_items(ledger, seal, network):
        add(item)
    for found in family_items(ledger, BATCH, batch_key(seal.manifest.batch_id)):
        if (found.item.publisher, found.item.batch_id) == (seal.key, seal.manifest.batch_id):
            add(found.item)
    return tuple(Stored(*place, items[place], sizes[place]) for place in items)


def _view(family: str) -> str:
    if family in _VIEWS:
        return _VIEWS[family]
    return next(
        (view for prefix, view in _PREFIXES.items() if family.startswith(prefix)), DOMAIN_VIEW
    )


def _table(item: Item) -> str:
    """Return the CDM table an item's schema names, read without its rows; empty for none."""
    payload = item.payload
    if payload.kind != "clinical" or payload.codec is not Codec.ARROW or payload.key_id:
        return ""
    return (schema_of(payload.body).metadata or {}).get(TABLE, b"").decode()
