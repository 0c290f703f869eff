"""``ingest``, ``stage``, ``validate`` and ``publish``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from precisionchain.cli import render
from precisionchain.cli.omop_options import Asked as AskedOmop
from precisionchain.cli.omop_options import Place, Source, takes_omop_options
from precisionchain.cli.options import Json
from precisionchain.cli.scope import scope
from precisionchain.cli.vcf_options import Asked, MetadataColumns, Vcfs, takes_vcf_options
from precisionchain.schemas.compiler import give_back_memory, load_lean

if TYPE_CHECKING:
    from precisionchain.ingest.report import Ingested, Progress
    from precisionchain.site import Site

Replacing = Annotated[
    bool,
    typer.Option("--replace", help="Take the place of sealed genotypes that these meet."),
]
Shrinking = Annotated[
    bool, typer.Option("--allow-shrinking", help="Accept that many persons or rows vanish.")
]
Churn = Annotated[
    bool, typer.Option("--allow-churn", help="Accept that most rows of a table are others.")
]
Empty = Annotated[bool, typer.Option("--allow-empty", help="Accept that a table is empty now.")]
OwnRules = Annotated[
    Path | None,
    typer.Option("--rules", help="A folder of rules.", show_default="rules/ of the site"),
]
AcceptQuality = Annotated[
    list[str] | None,
    typer.Option("--accept-quality", help="RULE or RULE:TABLE that may be broken; repeat."),
]
Mode = Literal["full", "delta"]
Export = Annotated[
    Mode, typer.Option("--mode", help="full: the whole source; delta: rows to add or replace.")
]
ExportAsValidated = Annotated[
    Mode | None, typer.Option("--mode", help="As for validate; default: as it was validated.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would change and leave; publish nothing.")
]

_STAGING: Final = tuple(
    f"precisionchain.{name}"
    for name in ("opened", "ingest.sequencing", "ingest.site_calls", "ingest.stage_vcf")
)
_PUBLISHING: Final = ("precisionchain.ingest.publish", "precisionchain.ingest.vcf_batch")
"""What genotypes are staged by, and published."""

ingest_app = typer.Typer(no_args_is_help=True)
stage_app = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands to the root."""
    app.add_typer(ingest_app, name="ingest", help="Stage, validate, publish and sync a source.")
    app.add_typer(stage_app, name="stage", help="Stage a source, to look at before publishing.")
    app.command()(validate)
    app.command()(publish)


@ingest_app.command("omop")
@takes_omop_options
def ingest_omop(
    context: typer.Context,
    asked: AskedOmop,
    directory: Place = None,
    mode: Export = "full",
    allow_shrinking: Shrinking = False,
    allow_churn: Churn = False,
    allow_empty: Empty = False,
    accept_quality: AcceptQuality = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Stage, validate and publish OMOP tables as one sealed batch: what is new, changed or gone."""
    give_back_memory()
    load_lean()
    site, progress = scope(context).site(), scope(context).progress
    accepted: dict[str, Any] = {
        "allow_shrinking": allow_shrinking,
        "allow_churn": allow_churn,
        "allow_empty": allow_empty,
        "accept_quality": tuple(accept_quality or ()),
    }
    if dry_run:
        _refuse_unknown(site, accepted["accept_quality"])
        run = site.stage_omop(directory, **asked, progress=progress)
        staged = site.staging.read(run).source
        site.validate(source=staged, mode=mode, progress=progress)
        _preview(site, staged, mode, accepted, as_json=as_json, progress=progress)
        return
    done = site.ingest_omop(directory, **asked, mode=mode, **accepted, progress=progress)
    _report(done, as_json=as_json)


@ingest_app.command("vcf")
@takes_vcf_options
def ingest_vcf(
    context: typer.Context,
    files: Vcfs,
    asked: Asked,
    replace: Replacing = False,
    as_json: Json = False,
) -> None:
    """Stage and publish genotypes as one sealed batch."""
    load_lean(*_STAGING, *_PUBLISHING)
    site, progress = scope(context).site(), scope(context).progress
    done = site.ingest_vcf(files, **asked, replace=replace, progress=progress)
    _report(done, as_json=as_json)


@ingest_app.command("sequencing")
def ingest_sequencing(
    context: typer.Context,
    metadata: Annotated[
        Path, typer.Argument(help="CSV of how samples were sequenced: sample_id,...")
    ],
    source: Annotated[str, typer.Option(help="The source of their genotypes.")],
    samples: Annotated[
        Path | None, typer.Option(help="Their sample map; default: that of the newest staged run.")
    ] = None,
    metadata_column: MetadataColumns = None,
    allow_missing_samples: Annotated[
        bool, typer.Option("--allow-missing-samples", help="Leave samples nobody maps aside.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which columns would leave; publish nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Publish how samples were sequenced, after their genotypes."""
    site, progress = scope(context).site(), scope(context).progress
    if dry_run:
        render.frame(site.metadata_leaving(metadata, columns=metadata_column), as_json=as_json)
        return
    done = site.ingest_sequencing(
        metadata,
        source=source,
        samples=samples,
        columns=metadata_column,
        allow_missing_samples=allow_missing_samples,
        progress=progress,
    )
    _report(done, as_json=as_json)


@ingest_app.command("sites")
def ingest_sites(
    context: typer.Context,
    sites: Annotated[Path, typer.Argument(help="The file of a list that the network has.")],
    as_json: Json = False,
) -> None:
    """Publish a list of sites that the network's parameters name by its digest."""
    _report(
        scope(context).site().ingest_sites(sites, progress=scope(context).progress),
        as_json=as_json,
    )


@stage_app.command("omop")
@takes_omop_options
def stage_omop(context: typer.Context, asked: AskedOmop, directory: Place = None) -> None:
    """Stage OMOP tables as text columns, to look at with `sql`."""
    load_lean()
    site, progress = scope(context).site(), scope(context).progress
    run = site.stage_omop(directory, **asked, progress=progress)
    typer.echo(f"staged as run {run}; next: precisionchain validate")


@stage_app.command("vcf")
@takes_vcf_options
def stage_vcf(context: typer.Context, files: Vcfs, asked: Asked) -> None:
    """Stage genotypes as packed blocks and a table of sites, to look at with `sql`."""
    load_lean(*_STAGING)
    site, progress = scope(context).site(), scope(context).progress
    run = site.stage_vcf(files, **asked, progress=progress)
    typer.echo(f"staged as run {run}; next: precisionchain publish")


def validate(
    context: typer.Context,
    source: Source = None,
    mode: Export = "full",
    rules: OwnRules = None,
    as_json: Json = False,
) -> None:
    """Validate the newest staged OMOP run: every row is accepted, or rejected with its rule."""
    site, progress = scope(context).site(), scope(context).progress
    render.frame(
        site.validate(source=source, mode=mode, rules=rules, progress=progress), as_json=as_json
    )


def publish(
    context: typer.Context,
    source: Source = None,
    mode: ExportAsValidated = None,
    dry_run: DryRun = False,
    allow_shrinking: Shrinking = False,
    allow_churn: Churn = False,
    allow_empty: Empty = False,
    accept_quality: AcceptQuality = None,
    replace: Replacing = False,
    maf_checkpoint: Annotated[
        bool, typer.Option("--maf-checkpoint", help="Publish the folded MAF counter, due or not.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Encode and publish the newest staged runs, sealed batch by batch."""
    site, progress = scope(context).site(), scope(context).progress
    kinds = {run.kind for run in site.staging.newest()}
    if "omop" in kinds:
        give_back_memory()
    if "vcf" in kinds:
        load_lean()
    accepted: dict[str, Any] = {
        "allow_shrinking": allow_shrinking,
        "allow_churn": allow_churn,
        "allow_empty": allow_empty,
        "accept_quality": tuple(accept_quality or ()),
    }
    if dry_run:
        _preview(site, source, mode, accepted, as_json=as_json, progress=progress)
        return
    for done in site.publish(
        source=source,
        mode=mode,
        **accepted,
        replace=replace,
        maf_checkpoint=maf_checkpoint,
        progress=scope(context).progress,
    ):
        _report(done, as_json=as_json)


def _refuse_unknown(site: Site, accepted: tuple[str, ...]) -> None:
    """Refuse what is said of quality of no rule that there is, before the long work of staging."""
    from precisionchain.ingest.quality_file import read_policy

    names = site.rules()["rule"].to_list()
    read_policy(site.folder.quality, accepted).require_known(names)


def _preview(
    site: Site,
    source: str | None,
    mode: Mode | None,
    accepted: Mapping[str, Any],
    *,
    as_json: bool,
    progress: Progress,
) -> None:
    """Show what publishing would change, and which columns would leave; publish nothing."""
    changes = site.changes(source=source, mode=mode, **accepted, progress=progress)
    columns = site.columns_leaving(source=source)
    leaving = {row["table"] for row in columns.iter_rows(named=True) if row["leaves"]}
    if staying := sorted({*columns["table"]} - leaving):
        progress.step(f"no row of these tables leaves the site: {', '.join(staying)}")
    render.frame(changes, as_json=as_json)
    render.frame(columns, as_json=as_json)


def _report(done: Ingested, *, as_json: bool) -> None:
    if as_json:
        render.json_lines([done.row()])
    else:
        typer.echo(done.line())
