"""The part of the door for work that needs no ledger yet: stage, validate, look, and foresee."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.config import writing_job
from precisionchain.doors import WorkDoor
from precisionchain.errors import LedgerError, SiteError, UsageError
from precisionchain.ingest.omop_settings import OmopSettings
from precisionchain.ingest.report import Progress, Silent, table_fates
from precisionchain.ingest.reserved import refuse_reserved
from precisionchain.ingest.staging import Run

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.ingest.changes_limits import Mode
    from precisionchain.ingest.custom_rules import CustomRules
    from precisionchain.ingest.omop_settings import CdmVersionAsked
    from precisionchain.ingest.quality_policy import QualityPolicy


class StagingDoor(WorkDoor):
    """What `Site` does about runs before they are published."""

    def stage_omop(
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
        progress: Progress | None = None,
    ) -> str:
        """Stage a folder of OMOP files, or a database, as text columns; return the run's name.

        ``directory``: a folder, or a DuckDB file; ``postgres`` names a database instead.
        ``columns``: a TOML file of the site's own names; ``no_header`` and ``cdm_version``: the
        text files have that version's columns and no header (``docs/reference/staging.md``).

        Raises:
            InputError: a file, header or database that cannot be taken.
            UsageError: options that do not go together.
            SiteLockedError: another job is writing.
        """
        settings, said = OmopSettings.of(locals()), progress or Silent()
        from precisionchain.ingest.losses import left_out, swallowed_lines

        run = self._stage_omop(directory, settings, said)
        for warning in (*swallowed_lines(run), *left_out(run)):
            said.warn(warning)
        return run.name

    def _stage_omop(
        self, directory: str | Path | None, settings: OmopSettings, said: Progress
    ) -> Run:
        """Stage an export; see `stage_omop`."""
        from precisionchain.ingest.stage_omop import stage_omop

        refuse_reserved(settings.source)
        settings.require_one_place(directory)
        reading = settings.reading()
        with writing_job(self.folder):
            run = stage_omop(
                self.staging,
                None if directory is None else Path(directory),
                postgres=settings.postgres,
                vocabulary=None if settings.vocabulary is None else Path(settings.vocabulary),
                source=settings.source,
                reading=reading,
                step=said.step,
            )
            self.staging.refresh_views()
        return run

    def validate(
        self,
        *,
        source: str | None = None,
        mode: Mode = "full",
        rules: str | Path | None = None,
        progress: Progress | None = None,
    ) -> pl.DataFrame:
        """Judge every row of the newest OMOP run; return rows accepted and rejected by table.

        Rows may be about persons that the site has sealed before. In a run of ``mode`` ``full``
        that has a person table, those of its own source are the persons in it.
        ``rules``: a folder of the site's own rules, by default ``rules/`` of the site folder where
        there is one (``docs/reference/quality.md``).

        Raises:
            SiteError: no OMOP run is staged.
            UsageError: a rule's header cannot be.
            InputError: the SQL of a rule cannot be answered.
        """
        from precisionchain.ingest.losses import mostly_rejected

        said = progress or Silent()
        run = self._validated(source, mode, rules, said)
        for warning in mostly_rejected(run):
            said.warn(warning)
        return table_fates(run)

    def _validated(
        self, source: str | None, mode: Mode, rules: str | Path | None, said: Progress
    ) -> Run:
        """Validate the newest OMOP run; see `validate`."""
        with writing_job(self.folder):
            run = self._judged(self._newest("omop", source), mode, said, self._own_rules(rules))
            self.staging.refresh_views()
        return run

    def rules(self, folder: str | Path | None = None, *, table: str | None = None) -> pl.DataFrame:
        """Return the rules of data quality, those of the site's own last, with their SQL.

        Args:
            folder: of its own rules, by default ``rules/`` of the site folder.
            table: fill in a table of the CDM, and each column of it that a rule is of.

        Raises:
            UsageError: a rule's header or a threshold cannot be, or no such table.
            InputError: the SQL of a rule cannot be answered.
        """
        import polars as pl

        from precisionchain.ingest.quality_file import read_policy
        from precisionchain.ingest.rule_listing import COLUMNS, listed
        from precisionchain.ingest.rules import RULES

        rules = [*RULES.values(), *self._own_rules(folder).rules.values()]
        rows = list(listed(rules, read_policy(self.folder.quality), table))
        kinds = {"threshold": pl.Float64, "block_above": pl.Float64}
        return pl.DataFrame(rows, schema={name: kinds.get(name, pl.String) for name in COLUMNS})

    def columns_leaving(self, *, source: str | None = None) -> pl.DataFrame:
        """Return, for what would be published, each column and whether it leaves the site."""
        import polars as pl

        from precisionchain.ingest.accepted_rows import AcceptedRows
        from precisionchain.ingest.sequencing import leaving_beside

        rows = []
        with self._opened() as opened:
            opened.require("publish")
            for run in self._publishable(source):
                if run.kind != "omop":
                    rows += [(run.source, *column) for column in leaving_beside(run.description)]
                    continue
                accepted = AcceptedRows(run.path, opened.parameters)
                refused = accepted.refused_columns()
                for name, table in accepted.tables.items():
                    if table.scope == "vocabulary":
                        continue
                    leaving = ((column, True) for column in accepted.published_columns(table))
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
        accept_quality: Sequence[str] = (),
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

        policy = self._policy(accept_quality, source)
        said = progress or Silent()
        rows = []
        with writing_job(self.folder), self._opened() as opened:
            publisher = opened.publisher()
            snapshot = opened.sync_if_behind(said.step)
            for staged in self._publishable(source):
                if staged.kind != "omop":
                    continue
                run = self._judged_as(staged, mode, said)
                refresh = Refresh(mode_of(run), allow_shrinking, allow_churn, allow_empty, policy)
                found = preview(
                    run.path,
                    publisher.parameters,
                    publisher.history(),
                    snapshot=snapshot,
                    refresh=refresh,
                )
                if found.refusal:
                    said.warn(f"would be refused: {found.refusal}")
                rows += [
                    {"source": run.source, "table": name, **change.counts()}
                    for name, change in found.tables.items()
                ]
        counts = dict.fromkeys(COUNTED, pl.Int64)
        return pl.DataFrame(rows, schema={"source": pl.Utf8, "table": pl.Utf8, **counts})

    # ------------------------------------------------------------------------------- inspection

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

    def unmapped(self, *, table: str | None = None) -> pl.DataFrame:
        """Return source codes of staged rows whose main concept is 0, the most frequent first.

        For the site alone: nothing of it is ever published. Logged as a question to staging.

        Args:
            table: of the CDM; default all.

        Raises:
            UsageError: no such table.
        """
        from precisionchain.schemas.omop import TABLES

        if table is not None and table not in TABLES:
            raise UsageError("no such table of the CDM", hint="as condition_occurrence")
        where = "" if table is None else f" where table_name = '{table}'"
        return self.sql(
            "select table_name, source_value, source_concept_id, n_rows, n_persons, _source as"
            f" source from unmapped{where} order by n_rows desc, table_name, source_value"
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

    # --------------------------------------------------------------------------------- internal

    def _newest(self, kind: str, source: str | None) -> Run:
        run = self.staging.latest(kind, source)
        if run is None:
            named = "" if source is None else f" of source {source}"
            raise SiteError(f"no {kind} run{named} is staged", hint=f"precisionchain stage {kind}")
        return run

    def _own_rules(self, folder: str | Path | None = None) -> CustomRules:
        """Return the rules of a folder, or of the site's where it has one."""
        from precisionchain.ingest.custom_rules import read_rules
        from precisionchain.ingest.quality_file import read_policy

        chosen = Path(folder) if folder is not None else self.folder.rules
        if folder is None and not chosen.is_dir():
            return read_rules(None)
        return read_rules(chosen, read_policy(self.folder.quality).rule_seconds)

    def _policy(self, accepted: Sequence[str], source: str | None = None) -> QualityPolicy:
        """Return how quality is judged, once all that it names is a rule or table that there is.

        Rules are the package's, the site's, and those that staged runs were validated by.
        """
        from precisionchain.ingest.quality_file import read_policy
        from precisionchain.ingest.quality_policy import found_in

        policy = read_policy(self.folder.quality, tuple(accepted))
        if policy.said:
            runs = [run for run in self.staging.newest() if source in (None, run.source)]
            found = {str(row["rule"]) for run in runs for row in found_in(run.path)}
            policy.require_known({*self._own_rules().rules, *found})
        return policy

    def _judged(self, run: Run, mode: Mode, said: Progress, custom: CustomRules) -> Run:
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
            custom=custom,
            step=said.step,
            advance=said.advance,
        )

    def _judged_as(self, run: Run, mode: Mode | None, said: Progress) -> Run:
        """Return a run as it is in a mode: whom its rows may be about depends on that."""
        if run.kind != "omop" or mode in (None, mode_of(run)):
            return run
        custom = self._own_rules()
        if custom.digest != run.description["settings"].get("site_rules", ""):
            raise SiteError(
                f"run {run.name} was validated by other rules than those in {self.folder.rules}",
                hint=f"run `precisionchain validate --mode {mode}` with the same --rules first",
            )
        said.step(f"validate run {run.name} again, as a {mode} export")
        return self._judged(run, mode, said, custom)

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


def mode_of(run: Run) -> Mode:
    """Return the mode that a run was validated in."""
    mode: Mode = run.description.get("mode", "full")
    return mode
