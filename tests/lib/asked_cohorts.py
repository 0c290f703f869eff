"""Criteria asked of the built networks of tests, without a gate; answers as sets of ``A:42``."""

from __future__ import annotations

from precisionchain.query.criteria import Criterion
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.evaluate import evaluate
from precisionchain.query.universe import universe_of
from tests.lib.site_builder import BuiltNetwork, open_on


def scope_of(network: BuiltNetwork, site: str = "A") -> CriterionScope:
    """Return what a site of a network evaluates against, after a sync."""
    opened = open_on(network.place, network.site(site).folder.root)
    try:
        snapshot = opened.sync_if_behind()
        sites = frozenset(member.site for member in opened.membership.members())
    finally:
        opened.close()
    return CriterionScope(snapshot, universe_of(snapshot), site, sites)


def answer(scope: CriterionScope, criterion: Criterion) -> tuple[str, str]:
    """Return who a criterion is true of, and of whom it is unknown: ``A:1 A:2``."""
    truth = evaluate(scope, criterion)
    persons = scope.universe.frame.rows()
    true, unknown = (
        [f"{site}:{person}" for (site, person), held in zip(persons, mask, strict=True) if held]
        for mask in (truth.true, truth.unknown)
    )
    return " ".join(true), " ".join(unknown)
