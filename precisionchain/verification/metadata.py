"""Sequencing metadata of a batch, read again and counted: columns, types, persons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from precisionchain.replica.unpack_sequencing import contradiction
from precisionchain.schemas.items import Item
from precisionchain.schemas.manifest import Manifest
from precisionchain.schemas.sequencing import NAME_OF, PERSON, SEQUENCING_KIND, read_sequencing


def apart(items: Iterable[Item], metadata: list[Item]) -> Iterator[Item]:
    """Yield the items that hold no metadata; put the others into a list."""
    for item in items:
        if item.payload.kind == SEQUENCING_KIND:
            metadata.append(item)
        else:
            yield item


def wrong_metadata(items: Iterable[Item], manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with a batch's metadata, a sentence each; nothing where all agrees.

    Args:
        items: those that hold metadata.
        manifest: of the batch: its columns, their types, and how many persons have a row.

    Raises:
        CodecError: an item cannot be read.
    """
    found = [read_sequencing(item.payload) for item in items]
    said: dict[str, Any] = manifest.settings.get(SEQUENCING_KIND, {})
    if not found:
        if said.get("persons"):
            yield "the sequencing metadata of the manifest are in no item"
        return
    wrong = contradiction([rows for rows, _ in found], {of for _, of in found}, manifest.source)
    if wrong:
        yield wrong
        return
    schema = found[0][0].schema
    columns = {field.name: NAME_OF[field.type] for field in schema if field.name != PERSON}
    if columns != said.get("columns"):
        yield "sequencing metadata with other columns than the manifest names"
    if sum(len(rows) for rows, _ in found) > said.get("persons", 0):
        yield "sequencing metadata of more persons than the manifest counts"
