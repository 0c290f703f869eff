"""The part of the door for questions why: what was excluded, and what became of one call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.doors import QuestionsDoor
from precisionchain.errors import AccessRefusedError, UnknownPersonError
from precisionchain.ledger.batches import seals
from precisionchain.ledger.standing import require_role, user_now
from precisionchain.query import persons, typed
from precisionchain.query.asked_variants import variant_or_id
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.person import parse_person, written
from precisionchain.schemas.variant import Variant

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.ingest.staged_why import StagedCall


class ReasonsDoor(QuestionsDoor):
    """What `Network` does about why something is, or is not, there."""

    _user: str
    """Who asks, whole."""

    def exclusions(
        self,
        *,
        site: str | None = None,
        batch: str | None = None,
        variant: str | Variant | None = None,
        person: str | int | None = None,
        rule: str | None = None,
    ) -> pl.DataFrame:
        """Return what quality control marked or removed before publication, and by which rule.

        Args:
            site: who published it.
            batch: a batch's id, or 8 or more of its first digits.
            variant: the allele, or the id that files gave it.
            person: the person.
            rule: of quality control, as ``hwe``.

        Raises:
            RegionError: the variant cannot be parsed.
            UsageError: no person, batch or rule, or an id that is not of one variant.
        """
        from precisionchain.query.exclusions import Wanted, batch_named, exclusions, rule_named
        from precisionchain.query.variant_ids import variant_meant

        asked = {
            "site": site,
            "batch": typed.as_logged(batch, batch_named),
            "variant": typed.as_logged(variant, variant_or_id),
            "person": typed.as_logged(person, written),
            "rule": typed.as_logged(rule, rule_named),
        }

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            meant = None if variant is None else variant_meant(snapshot, variant)
            wanted = Wanted(
                site,
                typed.parsed(batch, batch_named),
                None if meant is None else meant.trimmed(),
                None if person is None else self._named(snapshot, person),
                typed.parsed(rule, rule_named),
            )
            return exclusions(snapshot, wanted)

        return self._ask("exclusions", "genetic", asked, answer)

    def why(self, variant: str | Variant, person: str | int) -> pl.DataFrame:
        """Return why an allele is, or is not, known of a person: a row a batch of the site.

        A variant may be named by the id that files gave it. At the person's own site, and for a
        user who may read its staging, also file and line, and what staging did to the call.

        Raises:
            RegionError: the variant cannot be parsed.
            UsageError: an id that no variant has, or several, which are named.
            UnknownPersonError: no batch has published the person.
            AmbiguousPersonError: a bare id that several other sites hold.
        """
        asked = {
            "variant": typed.as_logged(variant, variant_or_id),
            "person": typed.as_logged(person, written),
        }
        staging = self._reads_staging()

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.variant_ids import variant_meant
            from precisionchain.query.why import why_rows, withdrawn_row

            meant = variant_meant(snapshot, variant)
            own_site = self._opened.config.site
            site, person_id = self._named(snapshot, person)
            frame = withdrawn_row(snapshot, site, person_id, own_site=own_site)
            if not frame.height:
                frame = why_rows(snapshot, site, person_id, meant)
                if staging and site == own_site:
                    frame = self._with_staging(frame, person_id, meant.trimmed())
            return evaluated_frame(frame, variants=[meant])

        return self._ask("why", "genetic+staging" if staging else "genetic", asked, answer)

    def _named(self, snapshot: Snapshot, person: str | int) -> tuple[str, int]:
        """Return site and person_id; a bare id that nobody else holds is the own site's.

        Who was withdrawn, or removed by quality control, has published nothing.
        """
        own_site = self._opened.config.site
        try:
            return persons.named(snapshot, person, own_site=own_site)
        except UnknownPersonError:
            return own_site, parse_person(str(person))[1]

    def _reads_staging(self) -> bool:
        """Return whether the user may read this site's staging."""
        opened, name = self._opened, self._user
        key = opened.user_signer(name).public_key
        try:
            require_role(user_now(opened.membership, name, key, datetime.now(UTC)), "sql")
        except AccessRefusedError:
            return False
        return True

    def _with_staging(self, frame: pl.DataFrame, person_id: int, variant: Variant) -> pl.DataFrame:
        """Return the rows with what the staged run of each batch knows besides."""
        import polars as pl

        from precisionchain.ingest.staged_why import run_of, staged_calls_at
        from precisionchain.ingest.staging import Staging
        from precisionchain.query.why import WHY

        opened = self._opened
        staging = Staging.open(opened.folder.staging)
        contents = {
            seal.manifest.batch: seal.manifest.source_id
            for seal in seals(opened.ledger, opened.membership.is_entitled)
        }
        rows = []
        for row in frame.to_dicts():
            run = None
            if row["batch"] in contents and row["reason"] in _AT_A_RECORD:
                run = run_of(staging, row["source"], contents[row["batch"]])
            found = [] if run is None else list(staged_calls_at(run, person_id, variant))
            rows += [_told(row, call) for call in found] or [row]
        return pl.DataFrame(rows, schema=WHY)


_AT_A_RECORD = {"called", "other_allele", "missing", "not_listed", "outside_extent"}


def _told(row: dict[str, Any], call: StagedCall) -> dict[str, Any]:
    """Return a row with what staging knows of one record."""
    told = row | {"file": call.file, "line": call.line}
    if call.refused or row["reason"] == "missing":
        told |= {"meaning": call.meaning, "staged_rule": call.rule}
    return told
