"""The part of the door for questions that takes answers out: genotypes and cohorts as files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.access.evaluated import Evaluated
from precisionchain.doors import QuestionsDoor
from precisionchain.query import persons as known_persons
from precisionchain.query import typed
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.variant import Region

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.query.export_genotypes import ExportedGenotypes
    from precisionchain.query.named_persons import NamedPersons


class ExportsDoor(QuestionsDoor):
    """What `Network` does about exports."""

    def export_genotypes(
        self,
        region: str | Region | None = None,
        *,
        output: str | Path,
        persons: NamedPersons | None = None,
        to: str | None = None,
        skip_symbolic: bool = False,
        overwrite: bool = False,
    ) -> ExportedGenotypes:
        """Write genotypes to files, which appear once the result is on the ledger.

        Args:
            region: where POS must lie; None means everywhere.
            output: ``x.vcf``, ``x.vcf.gz``, or the prefix of PLINK's files.
            persons: a cohort, a frame with ``site`` and ``person_id``, or ``["A:42", ...]``; None
                means everybody with genotypes.
            to: ``vcf``, ``bed`` or ``pgen``; default: what the output's name ends in.
            skip_symbolic: leave alleles that are not bases out of bed, instead of refusing.
            overwrite: replace files of these names.

        Raises:
            RegionError: the region cannot be parsed.
            UnknownPersonError: no batch has published one of the persons.
            UsageError: a file exists, or the format cannot hold the answer.
        """
        from precisionchain.query import export_genotypes as exporting
        from precisionchain.query import named_persons
        from precisionchain.query.output_files import OutputFiles

        form, targets = exporting.genotype_targets(Path(output), to)
        asked = {
            "region": typed.as_logged(region, Region.parse),
            "persons": named_persons.as_logged(persons),
            "to": form,
        }

        def answer(snapshot: Snapshot) -> Evaluated[ExportedGenotypes]:
            return exporting.export_genotypes(
                snapshot,
                form,
                {target: files.partial(target) for target in targets},
                build=self._opened.parameters.build,
                persons=None if persons is None else self._frame_of(snapshot, persons),
                region=typed.region(region),
                skip_symbolic=skip_symbolic,
            )

        with OutputFiles(targets, overwrite=overwrite) as files:
            exported = self._ask("export-genotypes", "genetic", asked, answer)
            files.release()
        return exported

    def export_cohort(
        self,
        cohort: NamedPersons,
        *,
        definition_id: int,
        site: str | None = None,
        skip_unobserved: bool = False,
    ) -> pl.DataFrame:
        """Return a cohort as rows of the OMOP CDM's COHORT table, of one site's persons.

        Args:
            cohort: a cohort, a frame with ``site`` and ``person_id`` (and perhaps ``index_date``),
                or ``["A:42", ...]``.
            definition_id: the cohort's number where the rows are going.
            site: whose persons; needed where they are of several sites.
            skip_unobserved: leave out who has no observation period, instead of refusing.

        Raises:
            UsageError: persons of several sites, or without observation periods.
        """
        from precisionchain.query import named_persons

        asked = {
            "cohort": named_persons.as_logged(cohort),
            "definition_id": typed.number(definition_id),
            "site": site,
        }

        def answer(snapshot: Snapshot) -> Evaluated[pl.DataFrame]:
            from precisionchain.query.omop_cohort import cohort_rows

            chosen = self._frame_of(snapshot, cohort)
            return cohort_rows(
                snapshot, chosen, definition_id, site=site, skip_unobserved=skip_unobserved
            )

        return self._ask("export-cohort", "clinical", asked, answer)

    def _frame_of(self, snapshot: Snapshot, named: NamedPersons) -> pl.DataFrame:
        from precisionchain.query.named_persons import as_frame

        own_site = self._opened.config.site
        resolve = partial(known_persons.published, snapshot, own_site=own_site)
        return as_frame(named, resolve, snapshot.catalogue.withdrawn)
