"""``python -m precisionchain.synthetic DIRECTORY``: generate a consortium from a shell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from precisionchain.errors import PrecisionChainError


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate what the arguments ask for; the exit code."""
    asked = _parser().parse_args(arguments)
    from precisionchain.synthetic.consortium import generate_consortium

    persons = [int(n) for n in asked.persons.split(",")]
    try:
        truth = generate_consortium(
            asked.directory,
            seed=asked.seed,
            sites=int(asked.sites) if asked.sites.isdigit() else asked.sites.split(","),
            persons=persons[0] if len(persons) == 1 else persons,
            assays=[a.split("+") for a in asked.assays.split(",")] if asked.assays else None,
            related=asked.related,
            duplicates=asked.duplicates,
            genotyped=asked.genotyped,
            dirty=asked.dirty,
        )
    except PrecisionChainError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    for name, of_site in truth.sites.items():
        rows = sum(of_site.settings["accepted"].values())
        broken = sum(of_site.settings["rejected"].values())
        sys.stdout.write(
            f"{asked.directory}/{name}: {rows} rows and {broken} broken ones, "
            f"{of_site.settings['genotyped']} samples\n"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m precisionchain.synthetic",
        description="Write a synthetic consortium: a folder a site, and truth/.",
    )
    parser.add_argument("directory", help="made if need be; files of the same names are replaced")
    parser.add_argument("--seed", type=int, default=1, help="default %(default)s")
    parser.add_argument("--sites", default="2", help="how many, or names: A,B,C")
    parser.add_argument("--persons", default="300", help="at each site, or a number each: 300,200")
    parser.add_argument("--assays", help="wgs, exome or array by site; several with +: wgs,exome")
    parser.add_argument("--related", type=float, default=0.4, help="share who live in families")
    parser.add_argument("--duplicates", type=float, default=0.01, help="share on record twice")
    parser.add_argument("--genotyped", type=float, default=0.8, help="share of a site's persons")
    parser.add_argument("--dirty", type=int, default=2, help="records of each kind of fault")
    return parser


if __name__ == "__main__":
    sys.exit(main())
