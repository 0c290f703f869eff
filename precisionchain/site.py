"""The door for work: a ``Site`` stages, inspects and publishes; staging needs no ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.config import SiteConfig, SiteFolder, read_config, writing_job
from precisionchain.errors import LedgerError, SiteError
from precisionchain.ingest.report import Ingested, Progress, Silent, ingested, table_fates
from precisionchain.ingest.reserved import refuse_reserved
from precisionchain.ingest.staging import Run, Staging
from precisionchain.members import MembersDoor
from precisionchain.proofs import ProofsDoor
from precisionchain.withdrawals import WithdrawalsDoor

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.ingest.changes_limits import Mode
    from precisionchain.ingest.qc_settings import Mode as QualityControl
    from precisionchain.ingest.vcf_calls import HalfCall
    from precisionchain.ingest.vcf_run import FilterPolicy
    from precisionchain.ledger.restoring import Restored
    from precisionchain.opened import OpenSite
    from precisionchain.replica.sync import SyncReport
    from precisionchain.verify import Check


class Site(MembersDoor, ProofsDoor, WithdrawalsDoor):
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

        Raises:
            SiteExistsError: the folder is a site already.
            UsageError: a site name or build that cannot be.
            ParameterMismatchError: build or ancestors are not those of the network to join.
        """
        from precisionchain.founding import make_site

        make_site(Path(path), site=site, build=build, ancestors=ancestors, ledger=ledger)
        return cls(path)

    # ---------------------------------------------------------------------------------- staging

    def stage_omop(
        self,
        directory: str | Path,
        *,
        vocabulary: str | Path | None = None,
        source: str | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Stage a folder of OMOP files as text columns; return the run's name.

        Raises:
            InputError: a file or header that cannot be taken.
            SiteLockedError: another job is writing.
        """
        from precisionchain.ingest.stage_omop import stage_omop

        refuse_reserved(source)
        said = progress or Silent()
        with writing_job(self.folder):
            run = stage_omop(
                self.staging,
                Path(directory),
                vocabulary=None if vocabulary is None else Path(vocabulary),
                source=source,
                step=said.step,
            )
            self.staging.refresh_views()
        return run.name

    def stage_vcf(
        self,
        files: str | Path | Sequence[str | Path],
        *,
        samples: str | Path,
        build: str,
        assay: str = "sites",
        qc: QualityControl = "mark",
        source: str | None = None,
        half_call: HalfCall = "missing",
        filter_policy: FilterPolicy = "any",
        build_unverified: bool = False,
        allow_missing_samples: bool = False,
        progress: Progress | None = None,
    ) -> str:
        """Stage genotype files of the same samples as packed blocks; return the run's name.

        Quality control (``docs/reference/quality-control.md``) marks or removes by ``qc``.

        Raises:
            InputError: a file, sample map or build that cannot be taken.
            SiteLockedError: another job is writing.
        """
        from precisionchain.ingest.qc import apply_qc
        from precisionchain.ingest.stage_vcf import stage_vcf

        refuse_reserved(source)
        said = progress or Silent()
        with writing_job(self.folder):
            run = stage_vcf(
                self.staging,
                _paths(files),
                samples=Path(samples),
                build=build,
                assay=assay,
                source=source,
                half_call=half_call,
                filter_policy=filter_policy,
                build_unverified=build_unverified,
                allow_missing_samples=allow_missing_samples,
                step=said.step,
                advance=said.advance,
            )
            run = apply_qc(self.staging, run, qc, step=said.step)
            self.staging.refresh_views()
        return run.name

    def validate(
        self,
        *,
        source: str | None = None,
        mode: Mode = "full",
        progress: Progress | None = None,
    ) -> pl.DataFrame:
        """Judge every row of the newest OMOP run; return rows accepted and rejected by table.

        Rows may be about persons that the site has sealed before. In a run of ``mode`` ``full``
        that has a person table, those of its own source are the persons in it.

        Raises:
            SiteError: no OMOP run is staged.
        """
        said = progress or Silent()
        with writing_job(self.folder):
            run = self._judged(self._newest("omop", source), mode, said)
            self.staging.refresh_views()
        return table_fates(run)

    def columns_leaving(self, *, source: str | None = None) -> pl.DataFrame:
        """Return, for what would be published, each column and whether it leaves the site."""
        import polars as pl

        from precisionchain.ingest.encode_omop import OmopEncoder

        rows = []
        with self._opened() as opened:
            opened.require("publish")
            for run in self._publishable(source):
                if run.kind != "omop":
                    continue
                encoder = OmopEncoder(run.path, opened.parameters)
                refused = encoder.refused_columns()
                for name, table in encoder.tables.items():
                    if table.scope == "vocabulary":
                        continue
                    leaving = ((column, True) for column in encoder.published_columns(table))
                    staying = ((column, False) for column in refused.get(name, ()))
                    rows += [(run.source, name, *column) for column in (*leaving, *staying)]
        columns = {"source": pl.Utf8, "table": pl.Utf8, "column": pl.Utf8, "leaves": pl.Boolean}
        return pl.DataFrame(rows, schema=columns, orient="row")

    def changes(
        self,
        *,
        source: str | None = None,
        mode: Mode | None = None,
        allow_shrinking: bool = False,
        allow_churn: bool = False,
        allow_empty: bool = False,
        progress: Progress | None = None,
    ) -> pl.DataFrame:
        """Return, by table, how many rows `publish` would find new, changed, gone, unchanged.

        ``withheld`` rows are of withdrawn persons. Of a source that was never sealed, all others
        are new. Where `publish` would refuse, ``progress`` is told why. Publishes nothing.

        Raises:
            SiteError: nothing is staged, or an OMOP run is not validated.
        """
        import polars as pl

        from precisionchain.ingest.changes_limits import COUNTED, Refresh
        from precisionchain.ingest.changes_run import preview

        said = progress or Silent()
        rows = []
        with writing_job(self.folder), self._opened() as opened:
            publisher = opened.publisher()
            snapshot = opened.sync_if_behind(said.step)
            for staged in self._publishable(source):
                if staged.kind != "omop":
                    continue
                run = self._judged_as(staged, mode, said)
                refresh = Refresh(_mode_of(run), allow_shrinking, allow_churn, allow_empty)
                found = preview(
                    run.path,
                    publisher.parameters,
                    publisher.history(),
                    snapshot=snapshot,
                    refresh=refresh,
                )
                if found.refusal:
                    said.step(f"would be refused: {found.refusal}")
                rows += [
                    {"source": run.source, "table": name, **change.counts()}
                    for name, change in found.tables.items()
                ]
        counts = dict.fromkeys(COUNTED, pl.Int64)
        return pl.DataFrame(rows, schema={"source": pl.Utf8, "table": pl.Utf8, **counts})

    # ------------------------------------------------------------------------------- publishing

    def publish(
        self,
        *,
        source: str | None = None,
        mode: Mode | None = None,
        allow_shrinking: bool = False,
        allow_churn: bool = False,
        allow_empty: bool = False,
        replace: bool = False,
        maf_checkpoint: bool = False,
        progress: Progress | None = None,
    ) -> list[Ingested]:
        """Publish the newest staged run of each source, or of one, and sync.

        Of an OMOP source that is sealed already, only what is new is published, and the places of
        what is gone. ``mode``: ``full``, the run is the whole of its source (default), or
        ``delta``, rows to add or replace by key; by default the one it was validated in.
        `changes` says beforehand what a run comes to.

        Genotypes of persons over positions where theirs are sealed are refused, or with
        ``replace`` take the place of those.

        A run that is its source's sealed head already publishes nothing, and one whose batch was
        withdrawn since only where ``source`` names it. The folded MAF counter
        follows as a checkpoint when the persons with genotypes grew by a tenth, or when asked for;
        then this site's checkpoint of the whole ledger, for other members to keep.

        Raises:
            SiteError: nothing is staged, or an OMOP run is not validated.
            SealRefusedError: a rule keeps a batch from sealing.
            OverlapError: genotypes are sealed already over positions of a run.
        """
        from precisionchain.ingest.changes_limits import Refresh
        from precisionchain.ingest.checkpoints import checkpoint_due, publish_checkpoints
        from precisionchain.ingest.outbox import Outbox
        from precisionchain.ingest.publish import publish_run, resume
        from precisionchain.ingest.withdraw import is_taken_back

        said = progress or Silent()
        done = []
        with writing_job(self.folder), self._opened() as opened:
            self.staging.refresh_views()  # of runs that somebody deleted, too
            outbox = Outbox(self.folder.outbox)
            try:
                publisher = opened.publisher()
                resume(publisher, outbox, said.advance)
                for staged in self._publishable(source):
                    history = publisher.history()
                    if source is None and is_taken_back(history, staged.source, staged.source_id):
                        said.step(f"{staged.source} was withdrawn: --source publishes it again")
                        continue
                    run = self._judged_as(staged, mode, said)
                    published = publish_run(
                        publisher,
                        outbox,
                        run.path,
                        opened.sync_if_behind(said.step),
                        refresh=Refresh(_mode_of(run), allow_shrinking, allow_churn, allow_empty),
                        replace=replace,
                        advance=said.advance,
                        step=said.step,
                    )
                    done.append(ingested(run, published))
            finally:
                outbox.close()
            snapshot = opened.sync_if_behind(said.step)
            if maf_checkpoint or checkpoint_due(publisher, snapshot):
                said.step("publish a MAF checkpoint")
                publish_checkpoints(publisher, snapshot)
            opened.witness().publish()
        return done

    def ingest_omop(
        self,
        directory: str | Path,
        *,
        vocabulary: str | Path | None = None,
        source: str | None = None,
        mode: Mode = "full",
        allow_shrinking: bool = False,
        allow_churn: bool = False,
        allow_empty: bool = False,
        progress: Progress | None = None,
    ) -> Ingested:
        """Stage, validate, publish and sync a folder of OMOP files as one sealed batch.

        Raises:
            InputError: a file or header that cannot be taken.
            SealRefusedError: a rule keeps the batch from sealing.
        """
        with self._opened() as opened:  # before the long work of staging
            opened.require("publish")
        name = self.stage_omop(directory, vocabulary=vocabulary, source=source, progress=progress)
        staged = self.staging.read(name).source
        self.validate(source=staged, mode=mode, progress=progress)
        return self.publish(
            source=staged,
            mode=mode,
            allow_shrinking=allow_shrinking,
            allow_churn=allow_churn,
            allow_empty=allow_empty,
            progress=progress,
        )[0]

    def ingest_vcf(
        self,
        files: str | Path | Sequence[str | Path],
        *,
        samples: str | Path,
        build: str,
        assay: str = "sites",
        qc: QualityControl = "mark",
        source: str | None = None,
        half_call: HalfCall = "missing",
        filter_policy: FilterPolicy = "any",
        build_unverified: bool = False,
        allow_missing_samples: bool = False,
        replace: bool = False,
        progress: Progress | None = None,
    ) -> Ingested:
        """Stage, publish and sync genotype files of the same samples as one sealed batch.

        ``replace``: where persons' genotypes are sealed already, these take their place.

        Raises:
            InputError: a file, sample map or build that cannot be taken.
            OverlapError: these persons' genotypes over the same extent are sealed already, and
                ``replace`` was not said.
            ParameterMismatchError: the network is of another reference build.
        """
        from precisionchain.schemas.genome import fold_build

        with self._opened() as opened:  # before the long work of staging
            opened.require("publish")
            opened.parameters.require(build=fold_build(build))
        name = self.stage_vcf(
            files,
            samples=samples,
            build=build,
            assay=assay,
            qc=qc,
            source=source,
            half_call=half_call,
            filter_policy=filter_policy,
            build_unverified=build_unverified,
            allow_missing_samples=allow_missing_samples,
            progress=progress,
        )
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

    def sql(self, statement: str) -> pl.DataFrame:
        """Answer one SELECT over this site's own staging: read-only, and logged.

        Raises:
            UsageError: the statement cannot be answered.
        """
        from precisionchain.ingest.staging_sql import answer, redacted

        with self._opened() as opened:
            return opened.gate().ask(
                "sql",
                "staging",
                {"statement": redacted(statement)},
                lambda: answer(self.staging, statement, self.config.site),
            )

    def report(self, run: str | None = None, output: str | Path | None = None) -> Path:
        """Write a staged run's page, by default the newest's into ``reports/``; return its path.

        Raises:
            SiteError: there is no such run, or the page cannot be written.
        """
        from precisionchain.ingest.page import OwnBatches, run_named, write_report

        chosen = run_named(self.staging, run)
        target = None if output is None else Path(output)
        with self._opened() as opened:
            published = OwnBatches(
                opened.ledger,
                opened.network,
                opened.parameters,
                opened.signer.public_key,
                opened.membership.is_entitled,
            )
            return write_report(
                self.staging,
                chosen,
                published,
                site=self.config.site,
                reports=self.folder.reports,
                output=target,
            )

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

    def _newest(self, kind: str, source: str | None) -> Run:
        run = self.staging.latest(kind, source)
        if run is None:
            named = "" if source is None else f" of source {source}"
            raise SiteError(f"no {kind} run{named} is staged", hint=f"precisionchain stage {kind}")
        return run

    def _judged(self, run: Run, mode: Mode, said: Progress) -> Run:
        """Validate an OMOP run, by what the site has sealed where its ledger can be read."""
        from precisionchain.ingest.known_persons import Known, known_persons
        from precisionchain.ingest.validate import validate_omop

        try:
            with self._opened() as opened:
                if mode == "delta":  # which is about what is on the ledger now
                    opened.sync_if_behind(said.step)
                sealed = opened.sealed_before(run.source)
        except LedgerError as error:  # looking at files needs no ledger
            said.step(f"only persons of staged runs are known: {error.message}")
            sealed = Known()
        return validate_omop(
            self.staging,
            run,
            known_persons=known_persons(self.staging, run, mode=mode, sealed=sealed),
            known_parents=sealed.parents,
            mode=mode,
            step=said.step,
        )

    def _judged_as(self, run: Run, mode: Mode | None, said: Progress) -> Run:
        """Return a run as it is in a mode: whom its rows may be about depends on that."""
        if run.kind != "omop" or mode in (None, _mode_of(run)):
            return run
        said.step(f"validate run {run.name} again, as a {mode} export")
        return self._judged(run, mode, said)

    def _publishable(self, source: str | None) -> list[Run]:
        runs = [run for run in self.staging.newest() if source in (None, run.source)]
        if not runs:
            raise SiteError("nothing is staged", hint="precisionchain stage omop or stage vcf")
        for run in runs:
            if not run.validated:
                raise SiteError(
                    f"run {run.name} is not validated", hint="run `precisionchain validate` first"
                )
        return runs


def _mode_of(run: Run) -> Mode:
    """Return the mode that a run was validated in."""
    mode: Mode = run.description.get("mode", "full")
    return mode


def _paths(files: str | Path | Sequence[str | Path]) -> list[Path]:
    return [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]
