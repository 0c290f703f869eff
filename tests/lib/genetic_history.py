"""Genotypes of one site over time, and by a slow reading what still counts of them.

A history is a list of batches as they were sealed, each with the earlier ones it supersedes, and of
who is withdrawn. `known` goes through the records one by one, for one person and one allele.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from precisionchain.replica.catalogue import Catalogue, SealedBatch, Snapshot
from precisionchain.replica.corrected_genetic import corrected_parts
from precisionchain.replica.fold_counts import fold_counts
from precisionchain.replica.taken_over import superseding
from precisionchain.schemas.genome import expected_ploidy
from precisionchain.schemas.structural import is_structural
from tests.lib.genetic_runs import (
    BUILD,
    MALE,
    NOT_ASSAYED,
    Batch,
    Key,
    State,
    read_call,
    replica,
)

RANKS = {"not_assayed": 0, "missing": 1, "0": 2, "1": 3, "2": 3}


@dataclass(frozen=True)
class History:
    """Batches of site A by seal; ``over[i]`` numbers those that batch *i* supersedes."""

    batches: tuple[Batch, ...]
    over: tuple[tuple[int, ...], ...]
    withdrawn_persons: frozenset[int] = field(default_factory=frozenset)
    withdrawn_batches: frozenset[int] = field(default_factory=frozenset)

    def persons(self) -> set[int]:
        """Return who is in a batch and not withdrawn."""
        named = {person.person_id for batch in self.batches for person in batch.persons}
        return named - self.withdrawn_persons

    def covers_of(self, number: int, person_id: int) -> list[Batch]:
        """Return the batches that took positions of a person over from a batch."""
        return [
            later
            for later, over in zip(self.batches, self.over, strict=True)
            if number in over and person_id in {person.person_id for person in later.persons}
        ]

    def alleles(self) -> set[Key]:
        """Return the alleles that still are listed for anybody."""
        return {
            key
            for number, batch in enumerate(self.batches)
            if number not in self.withdrawn_batches
            for person in batch.persons
            if person.person_id not in self.withdrawn_persons
            for record in batch.records
            for _, key in record.alleles()
            if key[3] != "."
            and not any(
                _covers(later, record.chrom, pos, structural=is_structural(key[3]))
                for later in self.covers_of(number, person.person_id)
                for pos in (record.pos, key[1])
            )
        }

    def known(self, person_id: int, key: Key) -> State:
        """Return the best of what the batches know of a person at an allele."""
        if person_id in self.withdrawn_persons:
            return NOT_ASSAYED
        found = [NOT_ASSAYED]
        for number, batch in enumerate(self.batches):
            columns = {person.person_id: i for i, person in enumerate(batch.persons)}
            if number not in self.withdrawn_batches and person_id in columns:
                covers = self.covers_of(number, person_id)
                found.append(_state(batch, columns[person_id], key, covers))
        return max(found, key=lambda state: RANKS[state.genotype])

    def counts(self, key: Key) -> dict[str, int]:
        """Count an allele over all persons that count."""
        total = dict.fromkeys(("ac", "an", "n_het", "n_hom_alt", "n_hemi", "n_missing"), 0)
        for person_id in self.persons():
            found = self.known(person_id, key)
            total["n_missing"] += found.genotype == "missing"
            if found.ploidy is not None:
                total["an"] += found.ploidy
                total["ac"] += int(found.genotype)
                total["n_het"] += (found.genotype, found.ploidy) == ("1", 2)
                total["n_hom_alt"] += found.genotype == "2"
                total["n_hemi"] += (found.genotype, found.ploidy) == ("1", 1)
        return total

    def snapshot(self, root: Path, *, alleles: int = 3, persons: int = 1_000) -> Snapshot:
        """Encode and unpack the batches, and derive what counts of them."""
        whole = replica(root, self.batches, alleles=alleles, persons=persons)
        ids = [batch.batch for batch in whole.catalogue.batches]
        sealed = [
            SealedBatch(
                **{
                    **{name: getattr(batch, name) for name in SealedBatch.__slots__},
                    "supersedes": tuple(ids[number] for number in over),
                }
            )
            for batch, over in zip(whole.catalogue.batches, self.over, strict=True)
        ]
        later = superseding(sealed)
        parts = []
        for number, batch in enumerate(sealed):
            if number in self.withdrawn_batches:
                continue
            for part in corrected_parts(
                whole.batch_folder(batch.batch),
                root / "parts",
                batch=batch.batch,
                withdrawn=self.withdrawn_persons,
                later=[(one, whole.batch_folder(one)) for one in later.get(batch.batch, ())],
            ):
                named = {name: getattr(batch, name) for name in SealedBatch.__slots__}
                folder = str(part.folder.relative_to(root))
                named |= {"persons": part.persons, "folder": folder}
                parts.append((SealedBatch(**named), part.folder))
        files = fold_counts(parts, root / "folded_parts")
        names = {name: str(path.relative_to(root)) for name, path in files.items()}
        batches = tuple(batch for batch, _ in parts)
        return Snapshot(root, Catalogue("", 2, 0, batches, files=names, sealed=tuple(sealed)))


def _covers(batch: Batch, chrom: str, pos: int, *, structural: bool) -> bool:
    """Whether a batch covers a position, for alleles of bases or for structural ones."""
    listed = {
        (record.chrom, at)
        for record in batch.records
        for _, key in record.alleles()
        if is_structural(key[3]) == structural
        for at in (record.pos, key[1])
    }
    inside = any(c == chrom and first <= pos <= last for c, first, last in batch.extent)
    return (chrom, pos) in listed or (inside and structural in _kinds(batch))


def _kinds(batch: Batch) -> set[bool]:
    """Whether structural alleles (True) and alleles of bases (False) were assayed."""
    return {name == "sv" for name in batch.classes}


def _state(batch: Batch, column: int, key: Key, covers: Sequence[Batch]) -> State:
    """Return what a batch still knows of one of its persons at an allele (`genetic_runs.state`)."""
    chrom, pos, _, alt = key
    asked = is_structural(alt)

    def counts(*positions: int, structural: bool) -> bool:
        return not any(
            _covers(later, chrom, at, structural=structural) for later in covers for at in positions
        )

    left = [
        (record, number, own)
        for record in batch.records
        for number, own in record.alleles()
        if record.chrom == chrom
        and is_structural(own[3]) == asked
        and counts(record.pos, own[1], structural=asked)
    ]
    for record, number, own in left:
        if own == key:
            return read_call(record.calls[column], number)
    for record, _, own in left:
        if pos in (record.pos, own[1]) and not asked:
            return read_call(record.calls[column], 0)
    inside = any(c == chrom and first <= pos <= last for c, first, last in batch.extent)
    # An extent is one for all classes: where a later batch covers it in one of them, it ends.
    left_of_it = all(counts(pos, structural=kind) for kind in _kinds(batch))
    if asked in _kinds(batch) and inside and left_of_it:
        ploidy = expected_ploidy(BUILD, chrom, pos, male=batch.persons[column].sex == MALE)
        return State("0", ploidy) if ploidy else NOT_ASSAYED
    return NOT_ASSAYED
