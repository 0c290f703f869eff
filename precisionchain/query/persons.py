"""Persons: how they are written, who holds them, which have genotypes."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from precisionchain.errors import UnknownPersonError, UsageError
from precisionchain.query.frames import index_file, index_frame
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.streams import MAP_PERSON

STATES = frozenset({"0", "1", "2", "missing", "not_assayed"})
"""The states of a person and an allele that a question can ask for."""

_PERSON = re.compile(r"(?:(?P<site>[A-Za-z][A-Za-z0-9-]{0,15}):)?(?P<id>-?[0-9]{1,19})")


def parse_person(text: str) -> tuple[str | None, int]:
    """Return (site or None, person_id) of ``A:42``, ``A:-42`` or ``42``.

    Raises:
        UsageError: the text is no person.
    """
    found = _PERSON.fullmatch(text)
    person_id = int(found["id"]) if found else 0
    if found is None or not -(2**63) <= person_id < 2**63:
        raise UsageError("not a person", hint="SITE:person_id, as A:42; ids are 64-bit integers")
    return found["site"], person_id


def written(text: str) -> str:
    """Return a person as it is written, ``A:42`` or ``42``.

    Raises:
        UsageError: the text is no person.
    """
    site, person_id = parse_person(text)
    return str(person_id) if site is None else f"{site}:{person_id}"


def with_genotypes(snapshot: Snapshot) -> dict[str, NDArray[np.int64]]:
    """Return the persons with genotypes on the network, by site, ascending."""
    found: dict[str, list[NDArray[np.int64]]] = defaultdict(list)
    for batch in snapshot.catalogue.batches:
        if batch.kind == "vcf":
            samples = index_file(snapshot.batch_folder(batch.batch) / "samples.parquet")
            found[batch.site].append(samples["person_id"].to_numpy())
    return {site: np.unique(np.concatenate(ids)) for site, ids in found.items()}


def _clinical_sites(snapshot: Snapshot, person_id: int) -> list[str]:
    """Return the sites that have published a clinical record under a bare person id."""
    mapped = index_frame(snapshot, f"{MAP_PERSON}/map-person")
    if mapped is None:
        return []
    return sorted(mapped.filter(pl.col("person_id") == person_id)["site"].unique().to_list())


def require_known(snapshot: Snapshot, site: str, person_id: int) -> None:
    """Check that a site has published anything of a person.

    Raises:
        UnknownPersonError: it has not.
    """
    if site not in sites_of(snapshot, person_id):
        raise UnknownPersonError(
            f"site {site} has published nothing of that person",
            hint="a person is written SITE:person_id",
        )


def sites_of(snapshot: Snapshot, person_id: int) -> list[str]:
    """Return the sites that have published anything of a person of this id."""
    genotyped = [site for site, ids in with_genotypes(snapshot).items() if person_id in ids]
    return sorted({*_clinical_sites(snapshot, person_id), *genotyped})
