"""A seeded generator of consortia: OMOP tables and genotypes of several sites, and their truth.

``generate_consortium`` writes a folder a site, with ``omop/`` (CSV tables, some rows broken on
purpose), ``vocabulary/``, genotypes, ``samples.csv`` and ``sequencing.csv``, and ``truth/``. The
truth is taken from the generator's arrays before anything is written, so that it owes nothing to
the readers it tests::

    from precisionchain.synthetic import generate_consortium

    truth = generate_consortium("consortium/", seed=7, sites=2, persons=300)
    truth.sites["A"].domain(201826)  # rows of type 2 diabetes and everything below it
    truth.kinship                    # pairs of persons with a common ancestor, also between sites

Every file, column and parameter: ``docs/reference/synthetic.md``. Genotypes need msprime, which is
GPL-3 and comes only with ``pip install 'precisionchain[demo]'``; ``genome.py`` alone imports it,
when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from precisionchain.synthetic.consortium import generate_consortium
    from precisionchain.synthetic.consortium_truth import ConsortiumTruth
    from precisionchain.synthetic.truth import Truth

__all__ = ["ConsortiumTruth", "Truth", "generate_consortium"]

_HOMES = {
    "ConsortiumTruth": "consortium_truth",
    "Truth": "truth",
    "generate_consortium": "consortium",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use: polars and numpy take their time."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
