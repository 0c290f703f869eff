"""Why an allele is, or is not, known of a person: what each batch of the person's site says.

The states are those of `variants`; the reasons follow from what is on the ledger alone. What the
site's own staging knows besides (the line of a file, a record that was refused) is added by
`ingest.staged_why`, at that site.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from precisionchain.errors import UnknownPersonError
from precisionchain.query.criteria import STATES
from precisionchain.query.exclusions import Wanted, of_batch
from precisionchain.query.genotyped import MISSING, NOT_ASSAYED, RANK
from precisionchain.query.known_contigs import require_contig
from precisionchain.query.persons import require_known
from precisionchain.query.variants import states_in
from precisionchain.replica.assayed import allele_class
from precisionchain.replica.catalogue import SealedBatch, Snapshot
from precisionchain.replica.cover import Cover, Layer
from precisionchain.replica.genetic_batch import GeneticBatch, Site, genetic_batch
from precisionchain.replica.resolve import resolve
from precisionchain.replica.taken_over import superseding
from precisionchain.schemas.exclusions import PERSON
from precisionchain.schemas.structural import is_structural
from precisionchain.schemas.variant import Variant

REASONS: Final[Mapping[str, str]] = {
    "called": "called at a record of this allele",
    "other_allele": "called at a record of this position that lists other alleles: no copy of this",
    "inferred": "no record here, inside what was assayed: no copy",
    "missing": "missing at a record; which rule made it so is not published",
    "not_listed": "no record at this position, and the batch assays listed positions alone",
    "outside_extent": "no record at this position, and it lies outside what was assayed",
    "class_not_assayed": "inside what was assayed, but not for alleles of this class",
    "no_copy_expected": "no record here, and a person of this sex has no copy of the chromosome",
    "excluded_variant": "quality control removed the allele before publication",
    "excluded_person": "quality control removed the person before publication",
    "not_in_batch": "the batch has no calls of this person",
    "superseded": "a later batch of the site took these calls over",
    "batch_withdrawn": "the site withdrew the batch",
    "person_withdrawn": "the site withdrew the person",
    "no_batch": "the site has published no genotypes",
}
"""What each ``reason`` of an answer means."""

WHY: Final = {
    "site": pl.String,
    "person_id": pl.Int64,
    "batch": pl.String,
    "source": pl.String,
    "state": pl.String,
    "answers": pl.Boolean,
    "reason": pl.String,
    "meaning": pl.String,
    "by": pl.String,
    "excluded": pl.String,
    "rule": pl.String,
    "value": pl.Float64,
    "threshold": pl.Float64,
    "n": pl.Int32,
    "file": pl.String,
    "line": pl.Int64,
    "staged_rule": pl.String,
}
"""Columns of an answer. ``rule`` to ``n`` are of quality control; ``file``, ``line`` and
``staged_rule`` (what refused the record or made the call missing) are the staging site's own."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a batch says: its reason, the state where it has one, and the batch that took over."""

    reason: str
    state: str | None = None
    by: str | None = None


def why_rows(snapshot: Snapshot, site: str, person_id: int, variant: Variant) -> pl.DataFrame:
    """Return what each batch of a person's site says of an allele (`WHY`), in order of the seals.

    ``answers`` marks the batch whose state is the network's answer. A batch that excludes both the
    allele and the person has two rows.

    Args:
        snapshot: the generation to read.
        site: the person's site.
        person_id: the site's own id; not of a withdrawn person.
        variant: the allele; trimmed here, as the network stores it.

    Raises:
        UnknownPersonError: the site has published nothing of that person.
        RegionError: a contig that nobody has, see `require_contig`.
    """
    variant = variant.trimmed()
    require_contig(snapshot, variant.chrom)
    resolved = resolve(
        snapshot.catalogue.sealed, snapshot.catalogue.position, snapshot.catalogue.withdrawn
    )
    batches = [one for one in resolved.sealed if one.kind == "vcf" and one.site == site]
    later = superseding(resolved.sealed)
    found = []
    for batch in batches:
        rows = _exclusions(snapshot, batch, person_id, variant)
        found.append((batch, _said(snapshot, batch, later, person_id, variant, rows), rows))
    if not any(said.reason == "excluded_person" for _, said, _ in found):
        require_known(snapshot, site, person_id)
    best = _best([said for _, said, _ in found])
    answer = [
        row
        for number, (batch, said, rows) in enumerate(found)
        for row in _rows(batch, said, rows, answers=number == best)
    ] or [{"state": STATES[NOT_ASSAYED], "reason": "no_batch"}]
    frame = pl.DataFrame(
        [{"site": site, "person_id": person_id, "answers": False} | row for row in answer],
        schema=WHY,
    )
    return frame.with_columns(pl.col("reason").replace_strict(REASONS).alias("meaning"))


def withdrawn_row(snapshot: Snapshot, site: str, person_id: int, *, own_site: str) -> pl.DataFrame:
    """Return the answer about a person who may be withdrawn, empty if not.

    Raises:
        UnknownPersonError: the person is withdrawn, and of another site: nothing is said of them.
    """
    if person_id not in snapshot.catalogue.withdrawn.get(site, ()):
        return pl.DataFrame(schema=WHY)
    if site != own_site:
        raise UnknownPersonError(
            f"site {site} has published nothing of that person",
            hint="a person is written SITE:person_id",
        )
    row = {"site": site, "person_id": person_id, "answers": False, "reason": "person_withdrawn"}
    row["meaning"] = REASONS["person_withdrawn"]
    return pl.DataFrame([row], schema=WHY)


def _said(  # noqa: PLR0917 - what is said of one batch rests on all of them
    snapshot: Snapshot,
    batch: SealedBatch,
    later: Mapping[str, tuple[str, ...]],
    person_id: int,
    variant: Variant,
    excluded: pl.DataFrame,
) -> Said:
    if batch.withdrawn is not None:
        return Said("batch_withdrawn")
    genetic = genetic_batch(snapshot.batch_folder(batch.batch))
    column = np.flatnonzero(genetic.person_ids == person_id)
    if not len(column):
        removed = excluded.filter((pl.col("kind") == PERSON) & (pl.col("mode") == "remove"))
        return Said("excluded_person", "excluded") if removed.height else Said("not_in_batch")
    site = genetic.site_at(variant.chrom, variant.pos, variant.ref, variant.alt)
    layer: Layer = "structural" if is_structural(variant.alt) else "bases"
    at = {variant.pos} | _record_positions(genetic, variant, site)
    for other in later.get(batch.batch, ()):
        cover = Cover(snapshot.batch_folder(other))
        covered = cover.spans(variant.chrom, layer).hold(np.array(sorted(at)))
        if covered.any() and person_id in cover.persons:
            return Said("superseded", by=other)
    return _stated(genetic, variant, site, int(states_in(genetic, variant)[column[0]]))


def _stated(genetic: GeneticBatch, variant: Variant, site: Site | None, state: int) -> Said:
    """Return why a batch that has the person says what it says."""
    key = (variant.chrom, variant.pos, variant.ref, variant.alt)
    if (site is None or not site.own) and key in genetic.removed_keys:
        return Said("excluded_variant", "excluded")
    if state == MISSING:
        return Said("missing", STATES[state])
    if site is not None:
        return Said("called" if site.own else "other_allele", STATES[state])
    if state != NOT_ASSAYED:
        return Said("inferred", STATES[state])
    return Said(_why_not_assayed(genetic, variant), STATES[state])


def _why_not_assayed(genetic: GeneticBatch, variant: Variant) -> str:
    if genetic.assay.kind == "sites":
        return "not_listed"
    inside = genetic.extent.filter(
        (pl.col("chrom") == variant.chrom)
        & (pl.col("start") <= variant.pos)
        & (pl.col("end") >= variant.pos)
    )
    if not inside.height:
        return "outside_extent"
    allele = pl.DataFrame({"ref": [variant.ref], "alt": [variant.alt]})
    of_class = allele.select(allele_class()).item()
    return "no_copy_expected" if of_class in genetic.assay.classes else "class_not_assayed"


def _record_positions(genetic: GeneticBatch, variant: Variant, site: Site | None) -> set[int]:
    """Return where the record that lists the allele was written, if one does."""
    if site is None:
        return set()
    found = set()
    for family in genetic.families_at(variant.chrom, variant.pos):
        sites = genetic.sites(family)
        here = sites.filter((pl.col("run") == site.run) & (pl.col("row") == site.row))
        found |= set(here["record_pos"].to_list())
    return found


def _exclusions(
    snapshot: Snapshot, batch: SealedBatch, person_id: int, variant: Variant
) -> pl.DataFrame:
    """Return what quality control said of the person and of the allele in a batch."""
    if batch.withdrawn is not None:
        return pl.DataFrame(schema={"kind": pl.String, "mode": pl.String})
    rows = of_batch(snapshot, batch)
    asked = [Wanted(person=(batch.site, person_id)), Wanted(variant=variant)]
    return pl.concat([rows.filter(*wanted.rows()) for wanted in asked])


def _rows(
    batch: SealedBatch, said: Said, excluded: pl.DataFrame, *, answers: bool
) -> Iterator[dict[str, object]]:
    row: dict[str, object] = {
        "batch": batch.batch,
        "source": batch.source,
        "state": said.state,
        "answers": answers,
        "reason": said.reason,
        "by": said.by,
    }
    if not excluded.height or said.reason in ("not_in_batch", "superseded"):
        yield row
        return
    for one in excluded.iter_rows(named=True):
        mark = {"mark": "marked", "remove": "removed"}[one["mode"]]
        numbers = {name: one[name] for name in ("rule", "value", "threshold", "n")}
        yield row | {"excluded": mark} | numbers


def _best(found: list[Said]) -> int | None:
    """Return the number of the batch whose state answers: the best known, of equals the first."""
    ranked = [
        (-int(RANK[STATES.index(said.state)]), number)
        for number, said in enumerate(found)
        if said.state in STATES[:NOT_ASSAYED]
    ]
    return min(ranked)[1] if ranked else None
