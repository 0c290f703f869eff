"""What of a staged VCF run is sealed: without withdrawn persons, and instead of what it meets.

A person who is withdrawn is not encoded. What a head of the same content holds already is not
encoded again: so a person who was withdrawn then and is readmitted is added by loading the same
files once more. What meets sealed genotypes replaces them where that was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from precisionchain.errors import SealRefusedError
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.encode_vcf import corrected_count_drafts, encode_vcf
from precisionchain.ingest.overlap import Overlap, overlaps, refuse_overlap
from precisionchain.ingest.qc_exclusions import FILE, excluded_drafts
from precisionchain.ingest.report import Step
from precisionchain.ingest.sequencing import keep_sequencing, run_drafts
from precisionchain.ingest.site_drafts import require_extracted, site_drafts
from precisionchain.ingest.source_history import History
from precisionchain.ingest.staged_manifest import vcf_manifest
from precisionchain.ingest.staging import DESCRIPTION, Run
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.cover import Cover
from precisionchain.replica.signed_counts import added_counts
from precisionchain.schemas.exclusions import EXCLUDED, PERSON
from precisionchain.schemas.manifest import Manifest
from precisionchain.schemas.parameters import NetworkParameters

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SiteState:
    """What a site has sealed of genotypes, as far as a run is compared with it.

    Attributes:
        history: what the site has sealed and withdrawn.
        source: of the run.
        snapshot: the replica, synced up to the ledger's end.
    """

    history: History
    source: str
    snapshot: Snapshot

    def held(self, source_id: str) -> Ints:
        """Return who is in the newest batches of the source that are of this content and count."""
        found = [np.zeros(0, np.int64)]
        for seal in reversed(self.history.chain(self.source)):
            if seal.manifest.source_id != source_id:
                break
            folder = self.snapshot.batch_folder(seal.manifest.batch)
            if seal.manifest.batch not in self.history.withdrawals.batches and folder.exists():
                found.append(Cover(folder).persons)
        return np.unique(np.concatenate(found))

    @property
    def head_counts(self) -> bool:
        """Whether the source has a head that is not withdrawn."""
        head = self.history.head(self.source)
        return head is not None and head.manifest.batch not in self.history.withdrawals.batches

    @property
    def publisher(self) -> str:
        """The key that the site is known by, hex."""
        return self.history.publisher.hex()


@dataclass(frozen=True, slots=True)
class VcfBatch:
    """What will be sealed of a run.

    Attributes:
        folder: the run's, or one like it without the persons that are left out.
        met: what it takes over of earlier batches, part by part.
        withheld: how many persons and calls of withdrawn persons are left out.
        parameters: the network's.
        run: the folder of the whole run.
        without: the persons that are left out, and all who are withdrawn.
    """

    folder: Path
    met: Sequence[Overlap]
    withheld: Mapping[str, int]
    parameters: NetworkParameters
    run: Path
    without: frozenset[int]

    def manifest(self, identity: dict[str, str]) -> Manifest:
        """Return the manifest, still without items; ``identity`` as of `vcf_manifest`."""
        made = vcf_manifest(self.folder, _described(self.folder), identity)
        supersedes = tuple(dict.fromkeys(met.batch for met in self.met))
        return made.model_copy(update={"supersedes": supersedes, "withheld": self.withheld})

    def drafts(self) -> Iterator[Draft]:
        """Yield the drafts: those of the run, and corrected counts of what it takes over."""
        cover = Cover(self.folder)
        corrections = chain.from_iterable(
            corrected_count_drafts(
                added_counts(met.folder, met.persons, cover), met.batch, -1, self.parameters
            )
            for met in self.met
        )
        yield from encode_vcf(self.folder, self.parameters, corrections)
        yield from excluded_drafts(self.folder)
        most = self.parameters.max_item_bytes // 2
        yield from run_drafts(self.folder, most)
        yield from site_drafts(self.run, self.without, most)


@contextmanager
def vcf_batch(
    run: Path, parameters: NetworkParameters, state: SiteState, *, replace: bool, step: Step
) -> Iterator[VcfBatch | None]:
    """Give what is to be sealed of a run; None where all of it is sealed and counts.

    Args:
        run: the run's folder.
        parameters: the network's.
        state: of the site.
        replace: take the place of sealed genotypes that the run meets.
        step: called with a line a step.

    Raises:
        ParameterMismatchError: the run is of another reference build than the network.
        SealRefusedError: the source's head is of other content, or everybody is withdrawn.
        OverlapError: the run meets sealed genotypes.
    """
    description = _described(run)
    parameters.require(
        build=description["build"],
        normalisation=tuple(description["settings"]["normalisation"]),
    )
    require_extracted(description, parameters)
    persons = Cover(run).persons
    withheld = np.intersect1d(persons, np.array(sorted(state.history.withdrawn_persons), np.int64))
    held = np.intersect1d(persons, state.held(description["source_id"]))
    left_out = np.union1d(withheld, held)
    if len(held) and len(left_out) == len(persons):
        yield None
        return
    if len(left_out) == len(persons):
        raise SealRefusedError(
            f"all {len(persons)} persons of this source are withdrawn",
            where=f"source {description['source']}",
            hint="precisionchain readmit, if they take part again",
        )
    if state.head_counts and not len(held) and not replace:
        raise SealRefusedError(
            "other genotypes are sealed under this name",
            where=f"source {description['source']}",
            hint="replace them where these say otherwise with --replace, or give this batch a name "
            "of its own with --source",
        )
    if len(withheld):
        step(f"withhold {len(withheld)} withdrawn persons")
    with TemporaryDirectory(dir=run.parent, prefix=".withheld-", suffix=".partial") as scratch:
        folder = run
        if len(left_out):
            folder = Path(scratch)
            write_without_persons(run, description, left_out, folder)
            keep_sequencing(run, folder, left_out)
        found = list(overlaps(folder, state.snapshot, state.publisher))
        if found and not replace:
            refuse_overlap(folder, state.snapshot, state.publisher)
        without = state.history.withdrawn_persons | frozenset(left_out.tolist())
        said = _withheld(run, len(withheld))
        yield VcfBatch(folder, found, said, parameters, run, without)


def write_without_persons(
    run: Path, description: Mapping[str, Any], persons: Ints, folder: Path
) -> None:
    """Write a run anew without some persons, and without what quality control said of them.

    Args:
        run: the run's folder.
        description: its ``run.json``.
        persons: person ids, not all of the run's.
        folder: an empty folder.
    """
    # cyvcf2 and the writer are wanted here alone
    from precisionchain.ingest.qc_exclusions import Exclusions
    from precisionchain.ingest.qc_remove import write_without

    samples = pl.read_parquet(run / "samples.parquet", columns=["index", "person_id"])
    ids = samples.sort("index")["person_id"].to_numpy()
    places = np.flatnonzero(np.isin(ids, persons)).astype(np.int64)
    none = np.zeros(0, np.int64)
    exclusions = Exclusions(EXCLUDED.empty_table(), places, none, len(ids))
    said = dict(description)
    changed = write_without(Run(said["run"], run, said), exclusions, folder)
    said["statistics"] = {**said.get("statistics", {}), **changed}
    (folder / DESCRIPTION).write_text(json.dumps(said), encoding="utf-8")
    if (run / FILE).exists():
        rows = pl.read_parquet(run / FILE)
        of_them = (pl.col("kind") == PERSON) & pl.col("person_id").is_in(persons.tolist())
        kept = rows.filter(~of_them).to_arrow().cast(EXCLUDED)
        pq.write_table(kept, folder / FILE, compression="zstd")


def _withheld(run: Path, persons: int) -> dict[str, int]:
    if not persons:
        return {}
    return {"persons": persons, "calls": persons * pq.read_metadata(run / "sites.parquet").num_rows}


def _described(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / DESCRIPTION).read_text(encoding="utf-8"))
    return found
