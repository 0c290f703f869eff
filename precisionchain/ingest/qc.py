"""Quality control of a staged VCF run: which persons and alleles to mark or to remove.

Sets, order, ties and comparisons are those of ``plink1.9 --mind 0.05 --geno 0.05 --hwe 1e-6
--indep-pairwise 50 5 0.5`` (the numbers are `Thresholds`); docs/reference/quality-control.md has
them one by one. Calls are read twice, a block at a time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from precisionchain.errors import SiteError, UsageError
from precisionchain.ingest.qc_alleles import AlleleJudge
from precisionchain.ingest.qc_calls import staged_calls
from precisionchain.ingest.qc_exclusions import (
    FILE,
    Collector,
    Exclusions,
    excluded_drafts,
    no_exclusions,
)
from precisionchain.ingest.qc_persons import FILE as PERSON_FIGURES
from precisionchain.ingest.qc_persons import PersonFigures, build_of, person_figures, run_persons
from precisionchain.ingest.qc_settings import MODES, Mode, Thresholds
from precisionchain.ingest.report import Step, silent
from precisionchain.ingest.staging import DESCRIPTION, PartialRun, Run, Staging
from precisionchain.ingest.vcf_overruled import FILE as OVERRULED
from precisionchain.schemas.canonical import canonical_json

__all__ = ["MODES", "Exclusions", "Mode", "Thresholds", "apply_qc", "assess", "excluded_drafts"]

_REWRITTEN = {"samples.parquet", "sites.parquet", "counts.parquet", "extent.parquet"} | {
    "blocks",
    "blocks.parquet",
    OVERRULED,
}


def assess(
    run_folder: Path,
    *,
    thresholds: Thresholds | None = None,
    figures: PersonFigures | None = None,
) -> Exclusions:
    """Return what quality control excludes from a staged VCF run; the run is left as it is.

    Args:
        run_folder: the run's folder.
        thresholds: `Thresholds()` by default.
        figures: of the run's persons, where they are known already.
    """
    limits = thresholds or Thresholds()
    persons = run_persons(run_folder)
    founders = int(persons.founder.sum())
    if founders < limits.min_founders:
        counted = f"{founders} founder{'s' * (founders != 1)}"
        return no_exclusions(founders, f"{counted}, fewer than {limits.min_founders}")
    collector = Collector()
    kept = np.ones(len(persons), np.bool_)
    for found in (figures or person_figures(run_folder)).found(limits):
        collector.persons.append(found)
        kept[found.places] = False
    alleles = AlleleJudge(persons.kept(kept), build_of(run_folder), limits, collector)
    for staged in staged_calls(run_folder):
        alleles.add(staged)
    alleles.close()
    return collector.exclusions(run_folder, founders)


def apply_qc(
    staging: Staging,
    run: Run,
    mode: Mode,
    *,
    thresholds: Thresholds | None = None,
    step: Step = silent,
) -> Run:
    """Do quality control of a staged VCF run; return the run as it is afterwards.

    ``mark`` adds ``excluded.parquet`` to the run; ``remove`` also writes the run anew without what
    is excluded. Both put the settings into ``run.json`` and derive the source id from them: the
    same file under other settings is another source id. Either the whole form replaces the run or
    nothing does. Doing it again with the same settings changes nothing.

    Args:
        staging: where the run is; needs the site's lock unless the mode is ``none``.
        run: a VCF run as `stage_vcf` left it.
        mode: ``none``, ``mark`` or ``remove``.
        thresholds: `Thresholds()` by default.
        step: called with a line a step.

    Raises:
        UsageError: no such mode, or not a VCF run.
        SiteError: quality control with other settings was done to this run before.
        SealRefusedError: ``remove`` would leave no person or no allele.
    """
    limits = thresholds or Thresholds()
    if mode not in MODES:
        raise UsageError(f"--qc {mode} is not one of {', '.join(MODES)}")
    if run.kind != "vcf":
        raise UsageError(f"run {run.name} holds no genotypes, so there is nothing to control")
    settings = limits.settings(mode)
    before = run.description["settings"].get("qc")
    if before == settings or (before is None and mode == "none"):
        return run
    if before is not None:
        raise SiteError(
            "quality control with other settings was done to this run",
            where=run.name,
            hint="stage the file again",
        )
    step("quality control")
    figures = person_figures(run.path)
    if limits.sex_check:
        _say_compared(figures, step)
    exclusions = assess(run.path, thresholds=limits, figures=figures)
    with staging.revise(run) as partial:
        statistics = {"qc": _statistics(exclusions)}
        if mode == "remove" and len(exclusions.table):
            statistics |= _remove(run, exclusions, partial)
        else:
            _keep(run, partial, set())
        pq.write_table(exclusions.table, partial.path / FILE, compression="zstd")
        table = figures.table(run.path)
        pq.write_table(table, partial.path / PERSON_FIGURES, compression="zstd")
        partial.describe(_description(run, settings, statistics))
    step(_said(exclusions))
    return staging.read(run.name)


def qc_source_id(staged: str, settings: dict[str, Any]) -> str:
    r"""Return the source id of a run after quality control.

    Args:
        staged: the source id it was staged under, hex.
        settings: of quality control, as they stand in ``run.json``.

    Returns:
        SHA-256, hex, of ``"precisionchain qc 1\0"``, the staged id (32 bytes), and the settings as
        canonical JSON.
    """
    parts = (b"precisionchain qc 1\0", bytes.fromhex(staged), canonical_json(settings))
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _remove(run: Run, exclusions: Exclusions, partial: PartialRun) -> dict[str, Any]:
    # cyvcf2 and the writer are wanted here alone
    from precisionchain.ingest.qc_remove import write_without

    statistics = write_without(run, exclusions, partial.path)
    _keep(run, partial, _REWRITTEN)
    return statistics


def _keep(run: Run, partial: PartialRun, but: set[str]) -> None:
    for entry in sorted(run.path.iterdir()):
        if entry.name not in but | {DESCRIPTION}:
            partial.keep(run, entry.name)


def _statistics(exclusions: Exclusions) -> dict[str, Any]:
    return {
        "founders": exclusions.founders,
        "skipped": exclusions.skipped,
        "persons": len(exclusions.persons),
        "alleles": len(exclusions.alleles),
        "rules": exclusions.counts(),
    }


def _description(run: Run, settings: dict[str, Any], statistics: dict[str, Any]) -> dict[str, Any]:
    """Return what ``run.json`` says afterwards; the staged source id stays beside the new one."""
    said = dict(run.description)
    return said | {
        "source_id": qc_source_id(run.source_id, settings),
        "staged_source_id": run.source_id,
        "settings": said["settings"] | {"qc": settings},
        "statistics": said.get("statistics", {}) | statistics,
    }


def _say_compared(figures: PersonFigures, step: Step) -> None:
    """Say of how many persons no sex could be compared, if of any."""
    n, persons = figures.comparable_sexes(), len(figures.sex)
    if n < persons:
        step(
            f"warning: --sex-check compared {n} of {persons} persons: the others have no sex in "
            "the sample map, or too little of X here to show one"
        )


def _said(exclusions: Exclusions) -> str:
    if exclusions.skipped:
        return f"quality control skipped: {exclusions.skipped}"
    rules = ", ".join(f"{n} by {rule}" for rule, n in exclusions.counts().items() if n)
    return f"quality control excludes: {rules or 'nothing'}"
