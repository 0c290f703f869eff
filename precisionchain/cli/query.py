"""``query``: the questions of the paper, each through the gate."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precisionchain.cli import render
from precisionchain.cli.scope import scope
from precisionchain.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer(no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on stdout.")]
Since = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Earliest start date, inclusive.")
]
Until = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Latest start date, inclusive.")
]
Person = Annotated[str, typer.Argument(help="SITE:person_id, as A:42; or a bare id of this site.")]
Table = Annotated[str | None, typer.Option(help="One CDM table, or its domain.")]
Frequency = Annotated[str | None, typer.Option("--maf", help="Minor allele frequencies, LO-HI.")]


@app.command()
def domain(
    context: typer.Context,
    concept: Annotated[int, typer.Argument(help="An OMOP concept id.")],
    table: Table = None,
    since: Since = None,
    until: Until = None,
    no_descendants: Annotated[
        bool, typer.Option("--no-descendants", help="The concept itself only.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rows of a concept and its descendants."""
    with scope(context).network() as network:
        answer = network.domain(
            concept,
            table=table,
            since=_day(since),
            until=_day(until),
            descendants=not no_descendants,
        )
    render.frame(answer, as_json=as_json)


@app.command()
def person(
    context: typer.Context, person: Person, table: Table = None, as_json: Json = False
) -> None:
    """A person's whole clinical record, table by table."""
    with scope(context).network() as network:
        record = network.person(person, table=table)
    for name, rows in record.items():
        render.frame(rows, as_json=as_json, title=name)


@app.command()
def variant(
    context: typer.Context,
    variant: Annotated[str, typer.Argument(help="CHROM:POS:REF:ALT, as 9:22098574:A:G.")],
    genotype: Annotated[
        list[str] | None, typer.Option(help="0, 1, 2, missing or not_assayed; default 1 and 2.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Persons by genotype of a variant."""
    with scope(context).network() as network:
        answer = network.variant(variant, genotype=genotype)
    _genotypes(answer, as_json=as_json)


@app.command("person-variants")
def person_variants(
    context: typer.Context,
    person: Person,
    region: Annotated[str | None, typer.Argument(help="CHROM[:START-END], 1-based.")] = None,
    maf: Frequency = None,
    as_json: Json = False,
) -> None:
    """A person's non-reference genotypes."""
    with scope(context).network() as network:
        answer = network.person_variants(person, region, maf=None if maf is None else _range(maf))
    _genotypes(answer, as_json=as_json)


@app.command()
def maf(
    context: typer.Context,
    frequencies: Annotated[str, typer.Argument(metavar="LO-HI", help="Closed range, 0 to 0.5.")],
    region: Annotated[str | None, typer.Option(help="CHROM[:START-END], 1-based.")] = None,
    as_json: Json = False,
) -> None:
    """Alleles by minor allele frequency over the whole network."""
    low, high = _range(frequencies)
    with scope(context).network() as network:
        answer = network.maf(low, high, region=region)
    render.frame(answer, as_json=as_json)


def _genotypes(answer: pl.DataFrame, *, as_json: bool) -> None:
    """Print genotypes; in JSON 0, 1 and 2 are numbers."""
    if not as_json:
        render.table(answer)
        return
    rows: list[dict[str, Any]] = answer.to_dicts()
    for row in rows:
        if row["genotype"] in ("0", "1", "2"):
            row["genotype"] = int(row["genotype"])
    render.json_lines(rows)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


def _range(text: str) -> tuple[float, float]:
    low, separator, high = text.partition("-")
    try:
        if separator:
            return float(low), float(high)
    except ValueError:
        pass
    raise UsageError(f"{text!r} is not a range of frequencies", hint="LO-HI, as 0.01-0.05")
