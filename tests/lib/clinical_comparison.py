"""Clinical cohorts as they are evaluated beside what SQL on the input says."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from precisionchain.errors import UsageError
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.evaluate import evaluate
from tests.lib.clinical_expressions import ClinicalExpressions
from tests.lib.clinical_sql import ClinicalSql, RefusedError


@dataclass
class Tally:
    """What was asked, and how much the answers could have told.

    Attributes:
        asked: criteria evaluated.
        refused: refused by both.
        parted: answered with members, but not with everybody.
        unknown: answered with some unknown.
        seconds: of each evaluation.
        differences: what differed.
    """

    asked: int = 0
    refused: int = 0
    parted: int = 0
    unknown: int = 0
    seconds: list[float] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        median, slow, most = (1000 * float(np.quantile(self.seconds, q)) for q in (0.5, 0.99, 1))
        return (
            f"{self.asked} asked: {self.refused} refused by both, {self.parted} with some members, "
            f"{self.unknown} with unknowns; p50 {median:.2f} ms, p99 {slow:.2f} ms, at most "
            f"{most:.1f} ms; {len(self.differences)} differences"
        )


def compare_with_sql(
    oracle: ClinicalSql, scope: CriterionScope, numbers: Iterable[int], *, seed: int, stop: int = 5
) -> Tally:
    """Evaluate drawn criteria by both, until so many differ."""
    drawn, tally = ClinicalExpressions(oracle, seed), Tally()
    ids = scope.universe.frame["person_id"].to_numpy()
    for number in numbers:
        criterion = drawn(number)
        tally.asked += 1
        try:
            must = oracle.answer(criterion)
        except RefusedError:
            must = None
        started = time.perf_counter()
        got: tuple[object, object]
        try:
            truth = evaluate(scope, criterion)
            got = frozenset(ids[truth.true].tolist()), frozenset(ids[truth.unknown].tolist())
        except UsageError as error:
            if must is None and "units" in str(error):
                tally.refused += 1
                continue
            got = (str(error), None)
        tally.seconds.append(time.perf_counter() - started)
        if got != must:
            tally.differences.append(f"{number}: {criterion.text}\n    {_said(got, must)}")
            if len(tally.differences) == stop:
                break
            continue
        assert must is not None
        tally.parted += 0 < len(must[0]) < len(ids)
        tally.unknown += bool(must[1])
    return tally


def _said(got: tuple[object, object], must: tuple[frozenset[int], frozenset[int]] | None) -> str:
    if must is None or not isinstance(got[0], frozenset) or not isinstance(got[1], frozenset):
        return f"answered {got if must is None else got[0]}, must be {must and 'answered'}"
    return "; ".join(
        f"{name}: {len(has)}, must be {len(due)}; too many {sorted(has - due)[:3]}, too few "
        f"{sorted(due - has)[:3]}"
        for name, has, due in (("true", got[0], must[0]), ("unknown", got[1], must[1]))
    )
