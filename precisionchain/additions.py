"""The part of the door for work that adds to genotypes that are sealed already: their metadata."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.doors import WorkDoor
from precisionchain.errors import SiteError
from precisionchain.ingest.report import Ingested, Progress, Silent, reported

if TYPE_CHECKING:
    import polars as pl


class AdditionsDoor(WorkDoor):
    """What `Site` does about metadata that come after their genotypes."""

    def ingest_sequencing(
        self,
        metadata: str | Path,
        *,
        source: str,
        samples: str | Path | None = None,
        columns: Sequence[str] | None = None,
        allow_missing_samples: bool = False,
        progress: Progress | None = None,
    ) -> Ingested:
        """Publish sequencing metadata of sealed genotypes as a batch of its own, and sync.

        Of a person and a column the newest batch that has both counts, also an unknown cell.

        Args:
            metadata: the file (``docs/reference/sequencing.md``).
            source: of the genotypes.
            samples: their sample map; default: that of the newest staged run of the source.
            columns: the columns that leave; default: all but those that tell who somebody is.
            allow_missing_samples: leave aside samples that are not in the sample map.
            progress: where it is said what is done.

        Raises:
            InputError: a file that cannot be taken.
            SiteError: no sample map was given, and no run of the source is staged.
            UsageError: this site has sealed no genotypes under that name.
            SealRefusedError: no column leaves, or everybody is withdrawn.
        """
        from precisionchain.ingest.sequencing import said_of
        from precisionchain.ingest.sequencing_batch import Added, publish_sequencing
        from precisionchain.ingest.sequencing_file import read_sequencing_file

        said = progress or Silent()
        found = read_sequencing_file(Path(metadata), columns or None)
        known = self._samples_of(source, samples)
        if not allow_missing_samples:
            found.require_known(known["sample_id"].to_list())
        added = Added(found, known, source)
        with self._publishing("publish", said) as (opened, publisher, outbox):
            for line in said_of(found):
                said.step(line)
            done = publish_sequencing(
                publisher, outbox, added, step=said.step, advance=said.advance
            )
            opened.sync_if_behind(said.step)
            opened.witness().publish()
        return reported(done, {"samples": found.rows.height, "columns": len(found.columns)})

    def ingest_sites(self, sites: str | Path, *, progress: Progress | None = None) -> Ingested:
        """Publish one of the network's lists of sites, which its parameters name by digest.

        A founder does so when the network is made; anybody may who has the file.

        Args:
            sites: the file (``docs/reference/site-lists.md``).
            progress: where it is said what is done.

        Raises:
            InputError: the file cannot be taken.
            ParameterMismatchError: the network has no such list.
        """
        from precisionchain.ingest.site_list_batch import publish_site_list
        from precisionchain.ingest.site_list_file import read_site_list

        said = progress or Silent()
        with self._publishing("publish", said) as (opened, publisher, outbox):
            listed = read_site_list(Path(sites), opened.parameters.build)
            done = publish_site_list(
                publisher, outbox, listed, step=said.step, advance=said.advance
            )
            opened.sync_if_behind(said.step)
        return reported(done, {"sites": len(listed.sites)})

    def metadata_leaving(
        self, metadata: str | Path, *, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return the columns of a file of sequencing metadata, and whether each leaves the site.

        Columns: column, type (null where it stays), leaves.
        """
        import polars as pl

        from precisionchain.ingest.sequencing_file import read_sequencing_file

        found = read_sequencing_file(Path(metadata), columns or None)
        rows: list[tuple[str, str | None, bool]] = [
            *((name, kind, True) for name, kind in found.columns.items()),
            *((name, None, False) for name in found.left_out),
        ]
        schema = {"column": pl.Utf8, "type": pl.Utf8, "leaves": pl.Boolean}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _samples_of(self, source: str, samples: str | Path | None) -> pl.DataFrame:
        """Return sample_id and person_id of a source's samples."""
        import polars as pl

        from precisionchain.ingest.vcf_samples import read_sample_map

        if samples is not None:
            mapped = read_sample_map(Path(samples)).values()
            rows = [(sample.sample_id, sample.person_id) for sample in mapped]
            schema = {"sample_id": pl.Utf8, "person_id": pl.Int64}
            return pl.DataFrame(rows, schema=schema, orient="row")
        run = self.staging.latest("vcf", source)
        if run is None:
            raise SiteError(
                "no genotypes of that name are staged, so nobody knows whose samples these are",
                where=f"source {source}",
                hint="give their sample map with --samples",
            )
        return pl.read_parquet(run.path / "samples.parquet", columns=["sample_id", "person_id"])
