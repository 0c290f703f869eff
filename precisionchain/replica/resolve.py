"""Which batches, rows and persons count as of a position, for every generation of the replica.

Home of the rules of ``docs/reference/streams.md`` section 7 that follow from seals.

Here is only what follows from the seals. What that leaves of an OMOP batch is folded in
`fold_clinical`, what it leaves of a VCF batch is parted in `corrected_genetic`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from precisionchain.ledger.batches import Seal
from precisionchain.ledger.chains import Withdrawals, chains
from precisionchain.replica.catalogue import SealedBatch

SiteOf = Callable[[bytes], str]
"""The name of the site a publisher's key belongs to."""

OMOP: Final = "omop"
"""Kind of the batches that hold clinical rows."""

Withdrawn = Mapping[str, tuple[int, ...]]
"""Withdrawn persons by site, ascending."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What answers are made of, as of a position.

    Attributes:
        position: of the ledger.
        sealed: the complete batches of all chains up to it, by position, also withdrawn ones and
            corrections; ``withdrawn`` of each is as of the position.
        withdrawn: the persons who are in no answer.
    """

    position: int
    sealed: tuple[SealedBatch, ...]
    withdrawn: Withdrawn

    def counting(self, kind: str) -> list[SealedBatch]:
        """Return the batches of a kind that count, by position."""
        return [one for one in self.sealed if one.kind == kind and one.withdrawn is None]

    @property
    def taken_back(self) -> list[SealedBatch]:
        """The OMOP batches that were withdrawn, by position."""
        return [one for one in self.sealed if one.kind == OMOP and one.withdrawn is not None]


def resolve(sealed: Iterable[SealedBatch], position: int, withdrawn: Withdrawn) -> Resolution:
    """Return what counts as of a position.

    Args:
        sealed: the complete batches of all chains, by position (`Catalogue.sealed`).
        position: of the ledger.
        withdrawn: the persons to be left out, at whatever position they were withdrawn.
    """
    then = []
    for one in sealed:
        if one.position > position:
            continue
        later = one.withdrawn is not None and one.withdrawn > position
        then.append(replace(one, withdrawn=None) if later else one)
    return Resolution(position, tuple(then), withdrawn)


def chained(found: Sequence[Seal]) -> list[Seal]:
    """Return the seals that follow one another from the first of their source on, by position."""
    following = (seal for chain in chains(found).values() for seal in chain)
    return sorted(following, key=lambda seal: seal.position)


def sealed_batch(seal: Seal, said: Withdrawals, site_of: SiteOf) -> SealedBatch:
    """Return a seal as the catalogue has it."""
    manifest = seal.manifest
    return SealedBatch(
        manifest.batch,
        seal.publisher.hex(),
        site_of(seal.publisher),
        manifest.source,
        manifest.kind,
        seal.position,
        manifest.persons,
        manifest.assay,
        manifest.supersedes,
        said.batches.get(manifest.batch),
    )


def withdrawn_by_site(said: Withdrawals, site_of: SiteOf) -> dict[str, tuple[int, ...]]:
    """Return withdrawn persons by site; whatever key of the site withdrew them."""
    found: dict[str, set[int]] = defaultdict(set)
    for publisher, persons in said.persons.items():
        found[site_of(publisher)] |= persons
    return {site: tuple(sorted(ids)) for site, ids in sorted(found.items())}


def sources(sealed: Iterable[SealedBatch]) -> list[list[SealedBatch]]:
    """Return the OMOP batches of each source of each publisher, in the order they follow."""
    found: dict[tuple[str, str], list[SealedBatch]] = defaultdict(list)
    for one in sealed:
        if one.kind == OMOP:
            found[one.publisher, one.source].append(one)
    return list(found.values())
