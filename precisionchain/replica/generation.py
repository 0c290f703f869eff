"""The files that answer for what counts as of a position: one generation of the replica.

The current generation and those of earlier positions are made by the same steps from the same
unpacked batches. Every file made here is named by what it was made of, so that generations share
what they have in common, and a later one makes only what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from precisionchain.replica.catalogue import SealedBatch, unpacked_folder
from precisionchain.replica.corrected_genetic import corrected_parts
from precisionchain.replica.fold_counts import fold_counts
from precisionchain.replica.resolve import Resolution
from precisionchain.replica.superseded_places import GonePlaces, gone_places
from precisionchain.replica.taken_over import superseding
from precisionchain.schemas.sequencing import SEQUENCING_KIND

FOLDED = "folded"
PARTS = "parts"
"""Folders of files that were folded, and of genetic batches of which something does not count."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The batches that answer, or their parts, with what answers for them.

    Attributes:
        batches: by position, a batch in parts once for each.
        files: the file of each logical name.
        gone: the file of the superseded places of each batch that has some.
    """

    batches: tuple[SealedBatch, ...]
    files: dict[str, Path]
    gone: dict[str, Path]


def make_generation(
    root: Path, resolved: Resolution, progress: Callable[[str], None] | None = None
) -> Generation:
    """Return what answers, making the files that are not there yet.

    Args:
        root: the replica folder; every batch is unpacked in it.
        resolved: what counts.
        progress: called with a line per step.
    """
    clinical = [(one, unpacked_folder(root, one.batch)) for one in resolved.counting("omop")]
    genetic = genetic_parts(root, resolved)
    if progress:
        progress(f"fold {len(clinical) + len(genetic)} batches")
    gone = gone_places(root, resolved.sealed)
    files = _clinical_files(root, resolved, clinical, gone)
    files.update(fold_counts(genetic, root / FOLDED))
    answering = [one for one, _ in (*clinical, *genetic)] + resolved.counting(SEQUENCING_KIND)
    return Generation(
        tuple(sorted(answering, key=lambda one: one.position)),
        files,
        {batch: places.path for batch, places in gone.items()},
    )


def _clinical_files(
    root: Path,
    resolved: Resolution,
    clinical: Sequence[tuple[SealedBatch, Path]],
    gone: Mapping[str, GonePlaces],
) -> dict[str, Path]:
    """Return the file of each name of clinical rows."""
    if not clinical and not resolved.taken_back:
        return {}
    from precisionchain.replica.derived_mappings import with_derived_mappings  # tables of OMOP
    from precisionchain.replica.fold_clinical import fold_clinical

    files = fold_clinical(
        clinical,
        root / FOLDED,
        gone=gone,
        withdrawn=resolved.withdrawn,
        naming=[(one, unpacked_folder(root, one.batch)) for one in resolved.taken_back],
    )
    return with_derived_mappings(files, root / FOLDED) if resolved.taken_back else files


def genetic_parts(root: Path, resolved: Resolution) -> list[tuple[SealedBatch, Path]]:
    """Return the VCF batches that count, or what counts of them, by position, with folders."""
    later = superseding(resolved.sealed)
    found = []
    for one in resolved.counting("vcf"):
        own = unpacked_folder(root, one.batch)
        parts = corrected_parts(
            own,
            root / PARTS,
            batch=one.batch,
            withdrawn=resolved.withdrawn.get(one.site, ()),
            later=[(batch, unpacked_folder(root, batch)) for batch in later.get(one.batch, ())],
        )
        for part in parts:
            if part.folder == own:
                found.append((one, own))
                continue
            relative = str(part.folder.relative_to(root))
            found.append((replace(one, persons=part.persons, folder=relative), part.folder))
    return found
