"""``why`` and ``query exclusions``: why genotypes are not there."""

from __future__ import annotations

from typing import Annotated

import typer

from precisionchain.cli import render
from precisionchain.cli.options import AsOf
from precisionchain.cli.render import Out
from precisionchain.cli.scope import scope

Person = Annotated[str, typer.Option(help="SITE:person_id, as A:42; or a bare id of this site.")]


@render.answers
def why(
    context: typer.Context,
    variant: Annotated[str, typer.Argument(help="9:22098574:A:G, or an id: rs4977574.")],
    person: Person,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """Why an allele is, or is not, known of a person: what each batch says, and its reason."""
    with scope(context).network(as_of) as network:
        answer = network.why(variant, person)
    out.frame(answer)


@render.answers
def exclusions(
    context: typer.Context,
    site: Annotated[str | None, typer.Option(help="The site that published them.")] = None,
    batch: Annotated[
        str | None, typer.Option(help="A batch's id, or 8 or more of its first digits.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="9:22098574:A:G, or an id: rs4977574.")
    ] = None,
    person: Annotated[str | None, typer.Option(help="SITE:person_id, or a bare id.")] = None,
    rule: Annotated[str | None, typer.Option(help="A rule of quality control, as hwe.")] = None,
    as_of: AsOf = None,
    out: Out = Out(),
) -> None:
    """What quality control marked or removed before publication, and by which rule."""
    with scope(context).network(as_of) as network:
        answer = network.exclusions(
            site=site, batch=batch, variant=variant, person=person, rule=rule
        )
    out.frame(answer)
