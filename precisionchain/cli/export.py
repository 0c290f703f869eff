"""``export``: cohorts and genotypes, for other programs; each through the gate."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from precisionchain.cli import render
from precisionchain.cli.options import AsOf
from precisionchain.cli.render import Out
from precisionchain.cli.scope import scope
from precisionchain.errors import UsageError

app = typer.Typer(no_args_is_help=True)


class To(StrEnum):
    """Formats of genotypes."""

    VCF = "vcf"
    BED = "bed"
    PGEN = "pgen"


@app.command()
@render.answers
def cohort(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A saved cohort.")],
    definition_id: Annotated[
        int,
        typer.Option(
            help="The cohort's number where the rows are going.", min=-(2**63), max=2**63 - 1
        ),
    ],
    site: Annotated[
        str | None, typer.Option(help="Whose persons; needed where they are of several sites.")
    ] = None,
    skip_unobserved: Annotated[
        bool, typer.Option("--skip-unobserved", help="Leave out who has no observation period.")
    ] = False,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """A saved cohort as rows of the OMOP CDM's COHORT table."""
    from precisionchain.query.criteria import Saved

    with scope(context).network(as_of) as network:
        saved = network.cohort(Saved(name))
        answer = network.export_cohort(
            saved, definition_id=definition_id, site=site, skip_unobserved=skip_unobserved
        )
    out.frame(answer)
    members = len(saved) if site is None else int((saved.persons["site"] == site).sum())
    if left := members - answer.height:
        scope(context).progress.step(f"{left} persons without an observation period left out")


@app.command()
def genotypes(
    context: typer.Context,
    region: Annotated[
        str | None, typer.Argument(help="CHROM[:START-END], 1-based; default: everywhere.")
    ] = None,
    *,
    output: Annotated[Path, typer.Option(help="x.vcf, x.vcf.gz, or the prefix of PLINK's files.")],
    to: Annotated[
        To | None, typer.Option(help="The format; default: what --output ends in.")
    ] = None,
    cohort: Annotated[str | None, typer.Option(help="The persons of a saved cohort.")] = None,
    persons: Annotated[
        str | None, typer.Option(help="Persons, as A:42,A:43; default: all with genotypes.")
    ] = None,
    skip_symbolic: Annotated[
        bool, typer.Option("--skip-symbolic", help="Leave alleles that are not bases out of bed.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of these names.")
    ] = False,
    as_of: AsOf = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="What was written, as a JSON object.")
    ] = False,
) -> None:
    """Genotypes of persons and a region as VCF, or PLINK's bed or pgen."""
    if cohort is not None and persons is not None:
        raise UsageError("--cohort and --persons contradict each other", hint="give one of them")
    from precisionchain.query.criteria import Saved

    with scope(context).network(as_of) as network:
        exported = network.export_genotypes(
            region,
            output=output,
            persons=persons if cohort is None else network.cohort(Saved(cohort)),
            to=None if to is None else to.value,
            skip_symbolic=skip_symbolic,
            overwrite=overwrite,
        )
    row = exported.row()
    if as_json:
        render.json_lines([row])
        return
    for name, value in row.items():
        shown = ", ".join(value) if isinstance(value, tuple) else value
        typer.echo(f"{name.replace('_', ' ')}: {shown}")


def register(root: typer.Typer) -> None:
    """Add the commands to the root."""
    root.add_typer(app, name="export", help="Take cohorts and genotypes out, for other programs.")
