"""The door for work: a ``Site`` stages, inspects and publishes; staging needs no ledger."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.additions import AdditionsDoor
from precisionchain.config import SiteConfig, SiteFolder, read_config
from precisionchain.ingest.omop_settings import OmopSettings
from precisionchain.ingest.report import Ingested, Progress, Silent, ingested
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.members import MembersDoor
from precisionchain.proofs import ProofsDoor
from precisionchain.staged import StagingDoor, mode_of
from precisionchain.staged_genotypes import Files, GenotypesDoor
from precisionchain.withdrawals import WithdrawalsDoor

if TYPE_CHECKING:
    from precisionchain.ingest.changes_limits import Mode
    from precisionchain.ingest.omop_settings import CdmVersionAsked
    from precisionchain.ingest.publish import Publisher
    from precisionchain.ingest.qc_settings import Mode as QualityControl
    from precisionchain.ingest.vcf_settings import FilterPolicy, HalfCall
    from precisionchain.ledger.restoring import Restored
    from precisionchain.opened import OpenSite
    from precisionchain.replica.sync import SyncReport
    from precisionchain.verify import Check


class Site(StagingDoor, GenotypesDoor, AdditionsDoor, MembersDoor, ProofsDoor, WithdrawalsDoor):
    """An institution's site folder.

    Args:
        path: the folder, made by ``Site.init`` or ``precisionchain init``.
        user: who acts; default: the site's own user.

    Raises:
        NotASiteError: the folder is no site.
    """

    def __init__(self, path: str | Path, *, user: str | None = None) -> None:
        self.user = user
        self.folder = SiteFolder(Path(path))
        self.config: SiteConfig = read_config(self.folder)
        self.staging = Staging(self.folder.staging, self.folder.staging_views)

    @classmethod
    def init(
        cls,
        path: str | Path,
        *,
        site: str,
        build: str | None = None,
        ancestors: str | Path | None = None,
        ledger: str = "embedded:ledger.sqlite",
        normalise: Sequence[str] | None = None,
        reference: str | Path | None = None,
        kinship_sites: str | Path | None = None,
        pc_sites: str | Path | None = None,
    ) -> Site:
        """Make a site folder with its keys; found a network, or prepare to join that of a ledger.

        Where there is no ledger yet, the site founds a network on a new one. Where there is one,
        hand ``join_token()`` to an administrator.

        Args:
            path: the folder; made when absent.
            site: the site's name, as in ``A:42``.
            build: reference build of a new network, ``GRCh37`` or ``GRCh38`` (default).
            ancestors: CSV of chosen ancestors (``domain,concept_id``); default: the built-in list.
            ledger: URL, relative to the folder.
            normalise: of a new network, what is done to alleles: ``split``, ``trim`` (default both)
                and ``left-align``.
            reference: the FASTA that ``left-align`` uses.
            kinship_sites: of a new network, the sites that kinship is computed from: extracted
                from every batch of genotypes, whatever quality control says.
            pc_sites: likewise, the sites that principal components are loaded on.

        Raises:
            SiteExistsError: the folder is a site already.
            UsageError: a site name, build or normalisation that cannot be.
            ParameterMismatchError: build, ancestors or normalisation are not those of the network
                to join.
        """
        from precisionchain.founding import Normalised, SiteFiles, make_site

        normalised = Normalised(
            None if normalise is None else tuple(normalise),
            None if reference is None else Path(reference),
        )
        files = [None if file is None else Path(file) for file in (kinship_sites, pc_sites)]
        founded = make_site(
            Path(path),
            site=site,
            build=build,
            ancestors=ancestors,
            ledger=ledger,
            normalised=normalised,
            sites=SiteFiles(*files),
        )
        made = cls(path)
        for file in files if founded else ():
            if file is not None:
                made.ingest_sites(file)
        return made

    # ------------------------------------------------------------------------------- publishing

    def publish(
        self,
        *,
        source: str | None = None,
        mode: Mode | None = None,
        allow_shrinking: bool = False,
        allow_churn: bool = False,
        allow_empty: bool = False,
        accept_quality: Sequence[str] = (),
        replace: bool = False,
        maf_checkpoint: bool = False,
        progress: Progress | None = None,
    ) -> list[Ingested]:
        """Publish the newest staged run of each source, or of one, and sync.

        Of an OMOP source that is sealed already, only what is new is published, and the places of
        what is gone. ``mode``: ``full``, the run is the whole of its source (default), or
        ``delta``, rows to add or replace by key; by default the one it was validated in.
        `changes` says beforehand what a run comes to.

        Data quality above what keeps a batch from sealing refuses it, unless ``accept_quality``
        names the RULE or RULE:TABLE, or ``quality.toml`` a higher share. Genotypes of persons over
        positions where theirs are sealed are refused, or with ``replace`` take the place of those.

        A run that is its source's sealed head already publishes nothing, and one whose batch was
        withdrawn since only where ``source`` names it. The folded MAF counter follows as a
        checkpoint when the persons with genotypes grew by a tenth, or when asked for; then this
        site's checkpoint of the whole ledger.

        Raises:
            SiteError: nothing is staged, or an OMOP run is not validated.
            SealRefusedError: a rule keeps a batch from sealing.
            OverlapError: genotypes are sealed already over positions of a run.
        """
        from precisionchain.ingest.changes_limits import Refresh
        from precisionchain.ingest.publish import publish_run
        from precisionchain.schemas.known_blocks import packed_here

        said = progress or Silent()
        policy = self._policy(accept_quality, source)
        accepted = Refresh("full", allow_shrinking, allow_churn, allow_empty, policy)
        with packed_here(), self._publishing("publish", said) as (opened, publisher, outbox):
            self.staging.refresh_views()  # of runs that somebody deleted, too
            done = []
            for staged in self._due(publisher, source, said):
                run = self._judged_as(staged, mode, said)
                published = publish_run(
                    publisher,
                    outbox,
                    run.path,
                    opened.sync_if_behind(said.step),
                    refresh=dataclasses.replace(accepted, mode=mode_of(run)),
                    replace=replace,
                    advance=said.advance,
                    step=said.step,
                )
                done.append(ingested(run, published))
            self._conclude(opened, publisher, said, maf_checkpoint=maf_checkpoint)
        return done

    def _due(self, publisher: Publisher, source: str | None, said: Progress) -> Iterator[Run]:
        """Yield each run that is to be published: of a withdrawn one only where it is named."""
        from precisionchain.ingest.withdraw import is_taken_back

        for staged in self._publishable(source):
            history = publisher.history()
            if source is None and is_taken_back(history, staged.source, staged.source_id):
                said.step(f"{staged.source} was withdrawn: --source publishes it again")
            else:
                yield staged

    def _conclude(
        self, opened: OpenSite, publisher: Publisher, said: Progress, *, maf_checkpoint: bool
    ) -> None:
        """Publish the checkpoints that are due after a batch, or asked for."""
        from precisionchain.ingest.checkpoints import checkpoint_due, publish_checkpoints

        snapshot = opened.sync_if_behind(said.step)
        if maf_checkpoint or checkpoint_due(publisher, snapshot):
            said.step("publish a MAF checkpoint")
            publish_checkpoints(publisher, snapshot)
        opened.witness().publish()

    def ingest_omop(
        self,
        directory: str | Path | None = None,
        *,
        postgres: str | None = OmopSettings.postgres,
        schemas: Sequence[str] | None = OmopSettings.schemas,
        vocabulary: str | Path | None = OmopSettings.vocabulary,
        source: str | None = OmopSettings.source,
        columns: str | Path | None = OmopSettings.columns,
        no_header: bool = OmopSettings.no_header,
        cdm_version: CdmVersionAsked | None = OmopSettings.cdm_version,
        skip_tables: Sequence[str] | None = OmopSettings.skip_tables,
        strict_files: bool = OmopSettings.strict_files,
        mode: Mode = "full",
        allow_shrinking: bool = False,
        allow_churn: bool = False,
        allow_empty: bool = False,
        accept_quality: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Ingested:
        """Stage, validate, publish and sync OMOP tables as one sealed batch; see `stage_omop`.

        Raises:
            InputError: a file, header or database that cannot be taken.
            UsageError: options that do not go together, or quality that is accepted of no rule.
            SealRefusedError: a rule keeps the batch from sealing.
        """
        settings, said = OmopSettings.of(locals()), progress or Silent()
        from precisionchain.ingest.losses import left_out, mostly_rejected, swallowed_lines

        with self._opened() as opened:  # before the long work of staging
            opened.require("publish")
        self._own_rules()
        self._policy(accept_quality)
        run = self._stage_omop(directory, settings, said)
        staged = run.source
        try:
            self._validated(staged, mode, None, said)
            done = self.publish(
                source=staged,
                mode=mode,
                allow_shrinking=allow_shrinking,
                allow_churn=allow_churn,
                allow_empty=allow_empty,
                accept_quality=accept_quality,
                progress=progress,
            )
        finally:  # where it is read last, and where it says why nothing was sealed
            for warning in (*swallowed_lines(run), *mostly_rejected(run), *left_out(run)):
                said.warn(warning)
        return done[0]

    def ingest_vcf(
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
        replace: bool = False,
        progress: Progress | None = None,
    ) -> Ingested:
        """Stage, publish and sync genotype files of the same samples as one sealed batch.

        ``metadata``: a file of sequencing metadata of the samples; ``metadata_columns``: those
        of its columns that leave the site (``docs/reference/sequencing.md``).
        ``replace``: where persons' genotypes are sealed already, these take their place.
        ``reference``: the FASTA of a network that aligns variants to the left.

        Raises:
            InputError: a file, sample map or build that cannot be taken.
            OverlapError: these persons' genotypes over the same extent are sealed already, and
                ``replace`` was not said.
            ParameterMismatchError: the network is of another reference build.
        """
        settings = VcfSettings.of(locals())
        with self._opened() as opened:  # before the long work of staging
            opened.require("publish")
            opened.parameters.require(build=settings.build)
        from precisionchain.schemas.known_blocks import packed_here

        with packed_here():
            name = self._stage_vcf(files, settings, progress or Silent())
            staged = self.staging.read(name).source
            return self.publish(source=staged, replace=replace, progress=progress)[0]

    # --------------------------------------------------------------------- inspection and upkeep

    def restore(self, backup: str | Path, *, accept_loss: int | None = None) -> Restored:
        """Put a backup of an embedded ledger in the place of the ledger, and log it there.

        What was there is kept beside it. Nobody else may be using the ledger meanwhile.

        Args:
            backup: a copy of the ledger's file.
            accept_loss: how many positions that are known here it may lack: exactly so many.

        Raises:
            UnreadableFileError: it is no ledger, or cannot be read.
            IntegrityError: it is damaged, of another history, or lacks positions that are known.
            AccessRefusedError: the acting user has not the role ``admin`` in it.
            UsageError: this site's ledger is in no file.
        """
        from precisionchain.restoration import restore

        return restore(self.folder.root, self.user, Path(backup), accept_loss)

    def sync(self, progress: Callable[[str], None] | None = None) -> SyncReport:
        """Bring the replica up to the ledger."""
        with self._opened() as opened:
            return opened.sync(progress)

    def verify(self, progress: Callable[[str], None] | None = None) -> list[Check]:
        """Check ledger and replica from the bytes up; see ``precisionchain.verify``."""
        with self._opened() as opened:
            return opened.verify(progress)

    # ---------------------------------------------------------------------------------- internal

    @contextmanager
    def _opened(self) -> Iterator[OpenSite]:
        from precisionchain.opened import OpenSite

        opened = OpenSite(self.folder.root, self.user)
        try:
            yield opened
        finally:
            opened.close()
