"""The command line's root: global options, ``init``, ``sql``, ``sync``, ``verify``, ``demo``.

Commands parse, call ``Site`` or ``connect``, and render. Errors end in one line on stderr and the
exit code of their class (``errors.py``).
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from precisionchain import __version__
from precisionchain.cli import (
    ancestor_choice,
    audit,
    cohort,
    concepts,
    export,
    ingest,
    members,
    proofs,
    query,
    reasons,
    render,
    report,
    rules,
    withdraw,
)
from precisionchain.cli.disk import disk_error
from precisionchain.cli.narrowed import narrowed
from precisionchain.cli.options import Json
from precisionchain.cli.progress import StderrProgress
from precisionchain.cli.scope import Scope, scope
from precisionchain.errors import IntegrityError, PrecisionChainError

app = typer.Typer(
    name="precisionchain",
    help="OMOP tables and VCF genotypes on append-only, audited streams.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"precisionchain {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Option("-C", "--directory", help="The site folder.", show_default="here")
    ] = Path(),
    user: Annotated[
        str | None,
        typer.Option("--user", help="Who acts, as alice@A.", show_default="the site's own user"),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    _version_flag: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """OMOP tables and VCF genotypes on append-only, audited streams."""
    context.obj = Scope(directory, StderrProgress(quiet=quiet), user)


@app.command()
def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder to make a site of.")],
    site: Annotated[str, typer.Option(help="The site's name, as in `A:42`.")],
    build: Annotated[
        str | None,
        typer.Option(
            help="Reference build of a new network: GRCh37 or GRCh38.", show_default="GRCh38"
        ),
    ] = None,
    ancestors: Annotated[
        Path | None, typer.Option(help="CSV of chosen ancestors: domain,concept_id.")
    ] = None,
    ledger: Annotated[
        str, typer.Option(help="embedded:PATH, relative to the folder, or multichain:URL.")
    ] = "embedded:ledger.sqlite",
    normalise: Annotated[
        str | None,
        typer.Option(
            help="Of a new network: split,trim,left-align, or fewer.", show_default="split,trim"
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="The FASTA that left-align uses: its digests are kept.")
    ] = None,
    kinship_sites: Annotated[
        Path | None,
        typer.Option(help="Of a new network: a list of sites for kinship, as GRAF's FP_SNPs."),
    ] = None,
    pc_sites: Annotated[
        Path | None,
        typer.Option(help="Of a new network: a list of sites for PCs, as akt's VCF of weights."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a site: its folder and keys; found a network, or get ready to join a ledger's.

    Where there is no ledger yet, a network is founded on a new one. Where there is one, the join
    token is printed: an administrator admits the site by it.
    """
    from precisionchain.site import Site

    made = Site.init(
        folder,
        site=site,
        build=build,
        ancestors=ancestors,
        ledger=ledger,
        normalise=None if normalise is None else normalise.split(","),
        reference=reference,
        kinship_sites=kinship_sites,
        pc_sites=pc_sites,
    )
    says = scope(context).progress.step
    if made.is_admitted():
        says(f"site {made.config.site} in {folder}, and a new network on ledger {ledger}")
    else:
        says(f"site {made.config.site} in {folder}, to join the network on ledger {ledger}")
        members.show_token(made.join_token(), as_json=as_json)


members.register(app)
ancestor_choice.register(app)
ingest.register(app)
withdraw.register(app)
app.command()(report.report)
app.command()(rules.rules)
cohort.register(app)
concepts.register(app, query.app)


@app.command()
@render.answers
def sql(
    context: typer.Context,
    statement: Annotated[str, typer.Argument(help="One SELECT over this site's own staging.")],
    out: render.Out = render.Out(),
) -> None:
    """Ask this site's own staging in SQL: read-only, and logged."""
    answer = scope(context).site().sql(statement)
    out.frame(answer)


@app.command()
def sync(context: typer.Context, as_json: Json = False) -> None:
    """Bring the local replica up to the ledger."""
    report = scope(context).site().sync(progress=scope(context).progress.step)
    row = {
        "position": report.position,
        "generation": report.generation,
        "unpacked": len(report.unpacked),
        "withdrawn": len(report.withdrawn),
        "incomplete": len(report.incomplete),
    }
    if as_json:
        render.json_lines([row])
    else:
        typer.echo(", ".join(f"{name} {value}" for name, value in row.items()))
    if report.incomplete:
        raise IntegrityError(
            f"{len(report.incomplete)} sealed batches are incomplete and left out",
            hint="run `precisionchain verify`",
        )


export.register(app)
proofs.register(app)
query.app.command()(reasons.exclusions)
app.command()(reasons.why)
app.add_typer(query.app, name="query", help="Ask; every question is logged before its answer.")
app.add_typer(audit.app, name="audit", help="Read the access log; which is logged, too.")


@app.command()
def verify(context: typer.Context, as_json: Json = False) -> None:
    """Check ledger, signatures, batches, mappings and replica, from the bytes up."""
    from precisionchain.verify import TRUST, summary

    checks = scope(context).site().verify(progress=scope(context).progress.step)
    for check in checks:
        if as_json:
            render.json_lines([check.row()])
        else:
            typer.echo(check.line())
    typer.echo(summary(checks), err=as_json)
    typer.echo(TRUST, err=as_json)
    if not all(check.ok for check in checks):
        raise typer.Exit(IntegrityError.exit_code)


@app.command()
def demo(
    directory: Annotated[Path, typer.Option(help="Where to make it.")] = Path("demo_network"),
) -> None:
    """Two hospitals join one ledger; every answer is compared with the truth."""
    from precisionchain.cli.demo import run_demo

    raise typer.Exit(run_demo(directory))


def main() -> None:
    """Run the command line; a named error is one line on stderr and its exit code.

    An error we have no name for shows where it happened, not its text: the text of a library's
    error may quote a cell of a record.
    """
    try:
        narrowed(app, sys.argv[1:])()
    except PrecisionChainError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(error.exit_code) from None
    except Exception as error:  # noqa: BLE001 (the outermost frame; nothing is swallowed)
        if isinstance(error, RuntimeError) and str(error) == "Query interrupted":
            raise KeyboardInterrupt from None  # as DuckDB says it
        disk = disk_error(error)
        if disk is not None:
            sys.stderr.write(f"error: {disk}\n")
            raise SystemExit(disk.exit_code) from None
        sys.stderr.write("".join(traceback.format_tb(error.__traceback__)))
        sys.stderr.write(
            f"error: unexpected {type(error).__name__}: please report the lines above\n"
        )
        raise SystemExit(1) from None
