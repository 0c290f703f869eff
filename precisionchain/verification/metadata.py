"""What stands beside a batch's genotypes, read again: metadata, and calls at listed sites."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from precisionchain.replica.unpack_sequencing import contradiction
from precisionchain.replica.unpack_sites import LIST_OF, whole_calls
from precisionchain.schemas.items import Item
from precisionchain.schemas.manifest import Manifest
from precisionchain.schemas.sequencing import NAME_OF, PERSON, SEQUENCING_KIND, read_sequencing
from precisionchain.schemas.site_lists import CALLS_KIND, FAMILIES, PERSONS_KIND
from precisionchain.schemas.streams import SEQUENCING, family_of


def apart(items: Iterable[Item], beside: list[Item]) -> Iterator[Item]:
    """Yield the items of genotypes; put those that stand beside them into a list."""
    for item in items:
        if item.payload.kind in (SEQUENCING_KIND, CALLS_KIND, PERSONS_KIND):
            beside.append(item)
        else:
            yield item


def wrong_beside(items: Iterable[Item], manifest: Manifest) -> Iterator[tuple[str | None, str]]:
    """Yield what is wrong with what stands beside a batch's genotypes: family and sentence."""
    metadata: list[Item] = []
    coverage: dict[str, Any] = manifest.settings.get("sites", {})
    of_list: dict[str, list[Item]] = {name: [] for name in coverage}
    for item in items:
        if item.payload.kind == SEQUENCING_KIND:
            metadata.append(item)
        else:
            of_list.setdefault(LIST_OF.get(family_of(item.stream), ""), []).append(item)
    yield from ((SEQUENCING, message) for message in wrong_metadata(metadata, manifest))
    for name, found in of_list.items():
        said = whole_calls(found)[2] if found else {}
        if said != {"list": name, **coverage.get(name, {})}:
            yield FAMILIES.get(name), f"calls at {name} sites are not as the manifest says"


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
