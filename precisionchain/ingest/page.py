"""The ingestion and quality report of a staged run: which run, what is said of it, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from precisionchain import __version__
from precisionchain.errors import SiteError
from precisionchain.ingest.accepted_rows import AcceptedRows
from precisionchain.ingest.page_html import page_html, write_page
from precisionchain.ingest.page_omop import omop_page
from precisionchain.ingest.page_publication import publication_of
from precisionchain.ingest.page_shapes import Origin, Publication
from precisionchain.ingest.page_vcf import vcf_page
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Entitled
from precisionchain.schemas.parameters import NetworkParameters

_NAMED_RUNS = 20


@dataclass(frozen=True, slots=True)
class OwnBatches:
    """Where a site's batches are: it need not be admitted yet, nor its user allowed to publish.

    Attributes:
        ledger: the network's.
        network: its 32-byte id.
        parameters: what it agreed on.
        publisher: the site's public key.
        entitled: whether a seal is a member's.
    """

    ledger: Ledger
    network: bytes
    parameters: NetworkParameters
    publisher: bytes
    entitled: Entitled


def run_named(staging: Staging, name: str | None) -> Run:
    """Return the run of that name, or the newest.

    Raises:
        SiteError: nothing is staged, or nothing of that name.
    """
    runs = staging.runs()
    if not runs:
        raise SiteError("nothing is staged", hint="precisionchain stage omop or stage vcf")
    if name is None:
        return runs[-1]
    found = [run for run in runs if run.name == name]
    if found:
        return found[0]
    newest = ", ".join(run.name for run in reversed(runs[-_NAMED_RUNS:]))
    older = len(runs) - _NAMED_RUNS
    raise SiteError(
        f"no run {name} is staged",
        where=str(staging.directory),
        hint=f"runs, newest first: {newest}" + (f" and {older} older ones" if older > 0 else ""),
    )


def write_report(
    staging: Staging,
    run: Run,
    published: OwnBatches,
    *,
    site: str,
    reports: Path,
    output: Path | None = None,
) -> Path:
    """Write the page of a run; return its path.

    Reads the run's files and this site's own batches, and gives out counts alone: nothing that
    the gate would log.

    Args:
        staging: the site's staging area.
        run: one of its runs.
        published: where its batches are.
        site: its name.
        reports: the site's folder of pages, for its owner alone; made when absent.
        output: where to; by default ``<run>.html`` in ``reports``.

    Raises:
        IntegrityError: a sealed item of the run's batch is not on the ledger.
        SiteError: the file cannot be written.
    """
    target = output
    if target is None:
        reports.mkdir(mode=0o700, exist_ok=True)
        target = reports / f"{run.name}.html"
    newest = next(
        each for each in staging.newest() if (each.kind, each.source) == (run.kind, run.source)
    )
    origin = Origin(
        site=site,
        run=run.name,
        kind=run.kind,
        source=run.source,
        source_id=run.source_id,
        replaced_by=None if newest.name == run.name else newest.name,
    )
    publication = publication_of(
        run,
        published.ledger,
        publisher=published.publisher,
        network=published.network,
        entitled=published.entitled,
    )
    text = page_html(
        omop_page(run, origin) if run.kind == "omop" else vcf_page(run, origin),
        origin,
        publication,
        staying=_staying(run, publication, published.parameters),
        unpublished=_unpublished(run, published.parameters),
        version=__version__,
    )
    write_page(text, target, private=output is None)
    return target


def _staying(
    run: Run, publication: Publication | None, parameters: NetworkParameters
) -> dict[str, tuple[str, ...]]:
    """Return what the manifest says was refused, or what would be; unknown columns are apart."""
    if run.kind != "omop" or not run.validated:
        return {}
    if publication is not None:
        return dict(publication.refused_columns)
    return AcceptedRows(run.path, parameters).refused_columns()


def _unpublished(run: Run, parameters: NetworkParameters) -> tuple[str, ...]:
    if run.kind != "omop" or not run.validated:
        return ()
    return AcceptedRows(run.path, parameters).unpublished_tables()
