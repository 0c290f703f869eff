"""The part of the door for data quality: what rules found, and counts by concept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from precisionchain.access.evaluated import Evaluated
from precisionchain.doors import QuestionsDoor
from precisionchain.query import typed
from precisionchain.replica.catalogue import Snapshot

if TYPE_CHECKING:
    import polars as pl


class QualityDoor(QuestionsDoor):
    """What `Network` does about the quality of what was published."""

    def quality(
        self,
        *,
        site: str | None = None,
        source: str | None = None,
        rule: str | None = None,
        table: str | None = None,
        verdict: str | None = None,
        mode: str | None = None,
        history: bool = False,
    ) -> pl.DataFrame:
        """Return what rules of data quality found in the exports of each source.

        That is the newest full export, and each delta sealed after it (column ``mode``). Small
        counts are not told (``docs/reference/quality.md``).

        Args:
            site: who published it.
            source: of that name.
            rule: as ``outside_period``.
            table: of the CDM, an event table also by its domain.
            verdict: ``passed``, ``failed``, ``accepted`` or ``not checked``.
            mode: ``full`` or ``delta``.
            history: also the exports before.

        Raises:
            UsageError: no such site, source, table, verdict or mode, or no result of such a rule.
        """
        from precisionchain.query import quality as results
        from precisionchain.query.known_names import require_site

        asked = {
            "site": site,
            "source": typed.as_logged(source, results.plain_name),
            "rule": typed.as_logged(rule, results.plain_name),
            "table": typed.as_logged(table, results.table_named),
            "verdict": typed.as_logged(verdict, results.verdict_named),
            "mode": typed.as_logged(mode, results.mode_named),
            "history": history,
        }

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            require_site(site, self._opened.sites())
            wanted = results.WantedQuality(
                site=site,
                source=source,
                rule=rule,
                table=typed.parsed(table, results.table_named),
                verdict=typed.parsed(verdict, results.verdict_named),
                mode=typed.parsed(mode, results.mode_named),
                history=history,
            )
            return results.quality_results(snapshot, wanted)

        return self._ask("quality", "clinical", asked, answer)

    def concept_counts(self, table: str, *, site: str | None = None) -> pl.DataFrame:
        """Return persons and records of each main concept within observation periods.

        A record counts where its start date lies in an observation period of its person: what
        Achilles counts, as in its analyses 400, 600, 700, 1800 (persons) and 401, 601, 701, 1801
        (records). A concept counts for itself, without descendants.

        Args:
            table: an event table, or its domain; no eras.
            site: only persons of this site; default the whole network.

        Raises:
            UsageError: no such table or site.
        """
        from precisionchain.query.known_names import require_site
        from precisionchain.query.period_counts import counts_by_concept

        asked = {"table": typed.as_logged(table, typed.table_name), "site": site}

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            require_site(site, self._opened.sites())
            return counts_by_concept(snapshot, table, site=site)

        return self._ask("concept-counts", "clinical", asked, answer)
