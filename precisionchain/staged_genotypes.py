"""The part of the door for work that stages genotypes, by what the network has agreed on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.config import writing_job
from precisionchain.doors import WorkDoor
from precisionchain.errors import LedgerError, SiteError, UsageError
from precisionchain.ingest.report import Progress, Silent
from precisionchain.ingest.reserved import refuse_reserved
from precisionchain.ingest.vcf_settings import VcfSettings

if TYPE_CHECKING:
    from precisionchain.ingest.qc_settings import Mode as QualityControl
    from precisionchain.ingest.sequencing_file import SequencingFile
    from precisionchain.ingest.site_list_file import SiteList
    from precisionchain.ingest.stage_vcf import Normalising
    from precisionchain.ingest.vcf_settings import FilterPolicy, HalfCall

Files = str | Path | Sequence[str | Path]


class GenotypesDoor(WorkDoor):
    """What `Site` does about genotypes before they are published."""

    def stage_vcf(
        self,
        files: Files,
        *,
        samples: str | Path,
        build: str,
        assay: str | Path = VcfSettings.assay,
        qc: QualityControl = VcfSettings.qc,
        sex_check: bool = VcfSettings.sex_check,
        max_f: float | None = VcfSettings.max_f,
        source: str | None = VcfSettings.source,
        half_call: HalfCall = VcfSettings.half_call,
        filter_policy: FilterPolicy = VcfSettings.filter_policy,
        min_gq: float | None = VcfSettings.min_gq,
        min_dp: float | None = VcfSettings.min_dp,
        reference: str | Path | None = VcfSettings.reference,
        block_min_gq: int = VcfSettings.block_min_gq,
        block_min_dp: int = VcfSettings.block_min_dp,
        build_unverified: bool = VcfSettings.build_unverified,
        allow_missing_samples: bool = VcfSettings.allow_missing_samples,
        metadata: str | Path | None = VcfSettings.metadata,
        metadata_columns: Sequence[str] | None = VcfSettings.metadata_columns,
        progress: Progress | None = None,
    ) -> str:
        """Stage genotype files of the same samples as packed blocks; return the run's name.

        Quality control (``docs/reference/quality-control.md``) marks or removes by ``qc``; with
        ``sex_check`` also persons whose X shows another sex than the sample map, and with
        ``max_f`` those whose F of heterozygosity is further from 0.
        ``min_gq`` and ``min_dp``: calls with less become missing.
        ``reference``: the FASTA of a network that aligns variants to the left. ``block_min_gq`` and
        ``block_min_dp``: of ``assay="gvcf"``, what its blocks must have to be assayed.
        ``metadata`` is a file of sequencing metadata (``docs/reference/sequencing.md``).

        Raises:
            InputError: a file, sample map or build that cannot be taken.
            SiteLockedError: another job is writing.
        """
        return self._stage_vcf(files, VcfSettings.of(locals()), progress or Silent())

    def _stage_vcf(self, files: Files, settings: VcfSettings, said: Progress) -> str:
        """Stage files, extract the network's sites, and do quality control; see `stage_vcf`."""
        from precisionchain.ingest.sequencing import attach_sequencing
        from precisionchain.ingest.site_calls import attach_sites
        from precisionchain.ingest.stage_vcf import stage_vcf

        refuse_reserved(settings.source)
        metadata = _metadata(settings)  # before the long work of staging
        paths = [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]
        with writing_job(self.folder):
            normalising = self._normalising(settings, said)
            run = stage_vcf(
                *(self.staging, paths, settings, normalising),
                step=said.step,
                advance=said.advance,
            )
            if metadata is not None:
                run = attach_sequencing(self.staging, run, metadata, step=said.step)
            run = attach_sites(self.staging, run, self._site_lists(said), step=said.step)
            if settings.qc != "none":
                from precisionchain.ingest.qc import apply_qc

                limits = settings.thresholds()
                run = apply_qc(self.staging, run, settings.qc, thresholds=limits, step=said.step)
            self.staging.refresh_views()
        return run.name

    def _normalising(self, settings: VcfSettings, said: Progress) -> Normalising:
        """Return how the network normalises variants, with the FASTA given for it.

        Raises:
            UsageError: a FASTA that nothing uses, or none where one is needed.
        """
        from precisionchain.ingest.fasta import Reference
        from precisionchain.ingest.stage_vcf import SPLIT_AND_TRIMMED, Normalising

        try:
            with self._opened() as opened:
                parameters = opened.parameters
        except LedgerError as error:  # looking at files needs no ledger
            said.step(f"variants are split and trimmed: {error.message}")
            return SPLIT_AND_TRIMMED
        steps, reference = parameters.normalisation, settings.reference
        if ("left-align" in steps) != (reference is not None):
            raise UsageError(
                "this network aligns variants to the left, by a reference"
                if reference is None
                else "this network does not align variants to the left",
                hint="--reference names the FASTA that the network was founded with"
                if reference is None
                else "leave --reference out",
            )
        path = None if reference is None else Path(reference)
        return Normalising(steps, Reference(path, parameters.reference))

    def _site_lists(self, said: Progress) -> dict[str, SiteList]:
        """Return the network's lists of sites, from the ledger; none where it cannot be read."""
        from precisionchain.ingest.site_list_batch import digests_of
        from precisionchain.ingest.site_list_file import SiteList
        from precisionchain.replica.site_lists import list_by_digest

        try:
            with self._opened() as opened:
                digests = digests_of(opened.parameters)
                if not digests:
                    return {}
                snapshot = opened.sync_if_behind(said.step)
        except (LedgerError, SiteError) as error:  # looking at files needs no ledger
            said.step(f"no listed sites are extracted: {error.message}")
            return {}
        lists = {}
        for name, digest in digests.items():
            found = list_by_digest(snapshot, digest)
            if found is None:
                said.step(
                    f"the network's {name} sites are not on its ledger yet: none is extracted"
                )
            else:
                lists[name] = SiteList(found[0], bool(found[1]["oriented"]))
        return lists


def _metadata(settings: VcfSettings) -> SequencingFile | None:
    """Read the file of sequencing metadata; None where there is none."""
    from precisionchain.ingest.sequencing_file import read_sequencing_file
    from precisionchain.ingest.vcf_samples import read_sample_map

    if settings.metadata is None:
        return None
    found = read_sequencing_file(Path(settings.metadata), settings.metadata_columns or None)
    if not settings.allow_missing_samples:
        found.require_known(list(read_sample_map(Path(settings.samples))))
    return found
