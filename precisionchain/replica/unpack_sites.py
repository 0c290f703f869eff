"""Site lists, and what batches of genotypes have of them, as files, each written once.

::

    site_list.parquet, .json         of a batch of kind ``site-list``: its sites; list, digest, ...
    site_persons_<list>.parquet      of a VCF batch: index, person_id, sex
    site_calls_<list>.parquet        site, fate, dosage, haploid
    site_said_<list>.json            list, digest, listed, fates
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from precisionchain.errors import IntegrityError
from precisionchain.schemas.items import Item
from precisionchain.schemas.site_lists import (
    CALLS,
    CALLS_KIND,
    FAMILIES,
    PERSONS,
    PERSONS_KIND,
    list_digest,
    read_sites,
)

LIST_FILE: Final = "site_list.parquet"
LIST_SAID: Final = "site_list.json"
LIST_OF: Final = {family: name for name, family in FAMILIES.items()}


def persons_file(name: str) -> str:
    """Return the file of whose calls a batch has of a list."""
    return f"site_persons_{name}.parquet"


def calls_file(name: str) -> str:
    """Return the file of a batch's calls of a list."""
    return f"site_calls_{name}.parquet"


def said_file(name: str) -> str:
    """Return the file of how much a batch has of a list."""
    return f"site_said_{name}.json"


def unpack_site_list(items: Iterable[Item], folder: Path) -> None:
    """Write a list below a folder.

    Raises:
        IntegrityError: it is not what its digest says; CodecError where an item cannot be read.
    """
    sites, said = whole_list(items)
    pq.write_table(sites, folder / LIST_FILE, compression="zstd")
    (folder / LIST_SAID).write_text(json.dumps(said), encoding="utf-8")


def whole_list(items: Iterable[Item]) -> tuple[pa.Table, dict[str, Any]]:
    """Return a list's sites, and what it says of itself.

    Raises:
        IntegrityError: it is not what its digest says.
    """
    found = [read_sites(item.payload) for item in sorted(items, key=lambda item: item.ordinal)]
    sites = pa.concat_tables([rows for rows, _ in found])
    said = found[0][1]
    digest = list_digest(sites, oriented=bool(said.get("oriented")))
    if any(other != said for _, other in found) or digest != said.get("digest"):
        raise IntegrityError("a list of sites that is not what its digest says")
    return sites, said


def unpack_site_calls(items: Iterable[Item], name: str, folder: Path) -> None:
    """Write what a batch has of a list below a folder.

    Raises:
        IntegrityError: the items contradict each other; CodecError where one cannot be read.
    """
    persons, calls, said = whole_calls(items)
    if said["list"] != name:
        raise IntegrityError(f"calls at {said['list']} sites where those of {name} belong")
    pq.write_table(persons, folder / persons_file(name))
    pq.write_table(calls, folder / calls_file(name), compression="zstd")
    (folder / said_file(name)).write_text(json.dumps(said), encoding="utf-8")


def whole_calls(items: Iterable[Item]) -> tuple[pa.Table, pa.Table, dict[str, Any]]:
    """Return a batch's persons and calls of a list, and what it says of them.

    Raises:
        IntegrityError: the items contradict each other.
    """
    persons, calls = [PERSONS.empty_table()], [CALLS.empty_table()]
    said: list[dict[str, Any]] = []
    for item in sorted(items, key=lambda item: item.ordinal):
        rows, about = read_sites(item.payload)
        said.append(about)
        {PERSONS_KIND: persons, CALLS_KIND: calls}[item.payload.kind].append(rows)
    whole, found = pa.concat_tables(persons), pa.concat_tables(calls)
    if wrong := _contradiction(whole, found, said):
        raise IntegrityError(wrong, hint="run `precisionchain verify`")
    return whole, found, said[0]


def _contradiction(persons: pa.Table, calls: pa.Table, said: list[dict[str, Any]]) -> str | None:
    if any(one != said[0] for one in said):
        return "calls at sites that speak of different lists"
    if persons["index"].to_pylist() != list(range(len(persons))):
        return "calls at sites whose persons are not numbered from 0"
    if len(pc.unique(persons["person_id"])) < len(persons):
        return "calls at sites with a person twice"
    width, bits = -(-len(persons) // 4), -(-len(persons) // 8)
    for column, wanted in (("dosage", width), ("haploid", bits)):
        lengths = set(pc.unique(pc.binary_length(calls[column].drop_null())).to_pylist())
        if lengths - {wanted}:
            return "calls at sites of another number of persons than their batch has"
    fates = dict(Counter(calls["fate"].to_pylist()))
    counted = {fate: n for fate, n in said[0]["fates"].items() if n and fate != "absent"}
    if fates != counted or sum(said[0]["fates"].values()) != said[0]["listed"]:
        return "calls at sites that are not as many as their batch says"
    if len(pc.unique(calls["site"])) < len(calls):
        return "calls at sites with a site twice"
    return None
