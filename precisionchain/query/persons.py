"""Persons: whom a text names, who holds them, which have genotypes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from precisionchain.errors import AmbiguousPersonError, UnknownPersonError
from precisionchain.query.frames import index_file, index_frame
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.distinct import distinct
from precisionchain.schemas.person import parse_person
from precisionchain.schemas.streams import MAP_PERSON


def with_genotypes(snapshot: Snapshot) -> dict[str, NDArray[np.int64]]:
    """Return the persons with genotypes on the network, by site, ascending."""
    found: dict[str, list[NDArray[np.int64]]] = defaultdict(list)
    for site, ids in _genotyped(snapshot):
        found[site].append(ids)
    return {site: distinct(np.concatenate(ids)) for site, ids in found.items()}


def _genotyped(snapshot: Snapshot) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield the persons of each batch of genotypes, and its site."""
    for batch in snapshot.catalogue.batches:
        if batch.kind == "vcf":
            samples = index_file(snapshot.folder_of(batch) / "samples.parquet")
            yield batch.site, samples["person_id"].to_numpy()


def _clinical_sites(snapshot: Snapshot, person_id: int) -> list[str]:
    """Return the sites that have published a clinical record under a bare person id."""
    mapped = index_frame(snapshot, f"{MAP_PERSON}/map-person")
    if mapped is None:
        return []
    rows = np.flatnonzero(mapped["person_id"].to_numpy() == person_id)
    return mapped["site"][rows].to_list()


def named(snapshot: Snapshot, person: str | int, *, own_site: str) -> tuple[str, int]:
    """Return (site, person_id) of a person; a bare id is the own site's, or the only other one's.

    Args:
        snapshot: the generation in which a bare id is looked up.
        person: ``A:42``, which is taken as it is, or ``42``.
        own_site: the site that is asking.

    Raises:
        UsageError: the text is no person.
        AmbiguousPersonError: several other sites hold the bare id.
        UnknownPersonError: no site holds it.
    """
    site, person_id = parse_person(str(person))
    if site is not None:
        return site, person_id
    return meant_by_bare_id(sites_of(snapshot, person_id), own_site=own_site), person_id


def meant_by_bare_id(holding: Sequence[str], *, own_site: str) -> str:
    """Return the site whose person a bare id is: the own site, or the only other one.

    Args:
        holding: the sites that have published anything of a person of the id.
        own_site: the site that is asking.

    Raises:
        AmbiguousPersonError: several other sites hold the id.
        UnknownPersonError: no site holds it.
    """
    if own_site in holding:
        return own_site
    if len(holding) > 1:
        raise AmbiguousPersonError(
            f"sites {', '.join(holding)} hold a person of that id", hint="write SITE:person_id"
        )
    if not holding:
        raise UnknownPersonError("no site has published a person of that id")
    return holding[0]


def published(snapshot: Snapshot, person: str | int, *, own_site: str) -> tuple[str, int]:
    """Return (site, person_id) of a person of whom the site has published something.

    Raises:
        UsageError, AmbiguousPersonError: as `named`.
        UnknownPersonError: nothing was published of the person.
    """
    site, person_id = named(snapshot, person, own_site=own_site)
    require_known(snapshot, site, person_id)
    return site, person_id


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
    genotyped = [site for site, ids in _genotyped(snapshot) if person_id in ids]
    return sorted({*_clinical_sites(snapshot, person_id), *genotyped})
