"""Real folders, ingested once a session, each beside what other programs say of it."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pytest

import precisionchain as pc
from tests.conftest import PROJECT_ROOT
from tests.validation.genetic_networks import (
    BatchFile,
    GeneticNetwork,
    bed_of,
    cut,
    ingest_batches,
    link,
)
from tests.validation.omop_oracle import OmopSource

OMOP_FOLDERS = {
    "gibleed": "omop_gibleed/csv",
    "mimic": "omop_mimic_iv_demo/csv",
    "synthea27nj": "omop_synthea27nj/csv",
    "omoplite100": "omop_omoplite/100",
    "original": "precisionchain_original/files/data/clinical",
}


def run_cli(
    *arguments: str | Path, check: bool = True, timeout: float = 1800, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run ``precisionchain ARGUMENTS`` as a user does, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "precisionchain", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=options.pop("cwd", PROJECT_ROOT),
        env={**os.environ, **options.pop("env", {})},
        timeout=timeout,
        check=False,
        **options,
    )
    assert not check or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stderr}"
    return done


def objects(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """One JSON object a line."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass(frozen=True)
class IngestedFolder:
    """An OMOP folder, the site that ingested it, and what the ingestion said."""

    name: str
    source: Path
    site: Path
    said: Mapping[str, Any]
    specification: Path

    def staged(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask staging by plain DuckDB, as an analyst does."""
        with duckdb.connect(str(self.site / "staging.duckdb"), read_only=True) as database:
            return database.sql(sql).fetchall()

    @cached_property
    def rejected(self) -> dict[str, set[int]]:
        """Table -> numbers of the records that were rejected."""
        found: dict[str, set[int]] = {}
        for table, record in self.staged("select distinct table_name, record from rejected"):
            found.setdefault(table, set()).add(record)
        return found

    @cached_property
    def oracle(self) -> OmopSource:
        """The same folder, read by DuckDB without the rejected records."""
        return OmopSource(self.source, self.specification, self.rejected)


@pytest.fixture(scope="session")
def ingested_folder(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], IngestedFolder]:
    """Ingest a folder of ``OMOP_FOLDERS`` through the command line, once a session."""
    done: dict[str, IngestedFolder] = {}

    def ingest(name: str) -> IngestedFolder:
        if name not in done:
            source = shared_data / OMOP_FOLDERS[name]
            site = tmp_path_factory.mktemp(name) / "site_a"
            run_cli("init", site, "--site", "A", "--build", "GRCh37")
            said = run_cli("-C", site, "ingest", "omop", source, "--source", name, "--json")
            specification = shared_data / "omop_cdm_spec" / "OMOP_CDMv5.4_Field_Level.csv"
            done[name] = IngestedFolder(name, source, site, objects(said)[0], specification)
        return done[name]

    return ingest


@pytest.fixture(scope="session")
def sexes(shared_data: Path) -> dict[str, int]:
    """Sample -> sex (1 male, 2 female) of 1000 Genomes samples.

    From the project's panel; of samples it does not have (Hail's children of trios) from Hail.
    """
    with (shared_data / "kg_hail_1kg_284" / "1kg_annotations.txt").open(encoding="utf-8") as file:
        hail = csv.DictReader(file, delimiter="\t")
        found = {row["Sample"]: 2 if row["isFemale"] == "true" else 1 for row in hail}
    panel = shared_data / "kg_sample_metadata" / "integrated_call_samples_v3.20130502.ALL.panel"
    rows = [line.split() for line in panel.read_text("utf-8").splitlines()[1:]]
    return found | {row[0]: {"male": 1, "female": 2}[row[3]] for row in rows}


def new_site(folder: Path, build: str = "GRCh37") -> pc.Site:
    """Make an empty site ``A``."""
    return pc.Site.init(folder, site="A", build=build)


# ---------------------------------------------------------------------------- genotype networks

PGX = "kg_phase3_grch37_pgx/kg_phase3_2504_pgx59_GRCh37.vcf.gz"
HAIL = "kg_hail_1kg_284/hail_1kg_284_GRCh37.vcf.gz"
CHR_X = "kg_uwgac_phase3_subset/vcf/1KG_phase3_subset_chrX.vcf.gz"
CHR_X_UNFILTERED = "kg_uwgac_phase3_subset/vcf/unfiltered1KG_phase3_subset_chrX.vcf.gz"
FIRST_BATCH = 1_500

GENETIC_NETWORKS = (
    "pgx in two batches",
    "pgx cut, sites",
    "pgx cut, BED",
    "hail",
    "chrX, half-calls missing",
    "chrX, half-calls haploid",
    "chrX unfiltered, half-calls missing",
    "chrX unfiltered, half-calls haploid",
)


class Networks:
    """Makes each genetic network once a session."""

    def __init__(self, shared: Path, root: Path, sexes: Mapping[str, int]) -> None:
        self.shared, self.root, self.sexes = shared, root, sexes
        self._made: dict[str, GeneticNetwork] = {}
        self._failed: dict[str, Exception] = {}

    def __call__(self, name: str) -> GeneticNetwork:
        """Return a network of ``GENETIC_NETWORKS``; one that could not be made is not tried again.

        Raises:
            Exception: what its ingestion raised.
        """
        if name in self._failed:
            raise self._failed[name]
        try:
            return self._network(name)
        except Exception as error:
            self._failed[name] = error
            raise

    def _network(self, name: str) -> GeneticNetwork:
        if name not in self._made:
            folder = Path(tempfile.mkdtemp(dir=self.root))
            batches = self._batches(name)
            site = new_site(folder / "site_a")
            if name == "pgx in two batches":
                site.ingest_omop(self.shared / OMOP_FOLDERS["gibleed"], source="gibleed")
            ingest_batches(site, batches, self.sexes, folder)
            self._made[name] = GeneticNetwork(folder / "site_a", tuple(batches), self.sexes)
        return self._made[name]

    @cached_property
    def gibleed_persons(self) -> list[int]:
        lines = (self.shared / OMOP_FOLDERS["gibleed"] / "person.csv").read_text("utf-8")
        return [int(line.split(",")[0]) for line in lines.splitlines()[1:]]

    @cached_property
    def pgx_persons(self) -> dict[str, int]:
        """Every sample of the pharmacogene file, one of GiBleed's persons each."""
        return link(sample_names(self.shared / PGX), self.gibleed_persons)

    @cached_property
    def pgx_halves(self) -> tuple[list[str], list[str]]:
        """The samples of the two batches, interleaved in the file."""
        names = sample_names(self.shared / PGX)
        chosen = set(random.Random(3).sample(names, FIRST_BATCH))
        return [n for n in names if n in chosen], [n for n in names if n not in chosen]

    def pgx_files(self, *options: str) -> list[Path]:
        """The two batches as files, made by ``bcftools view OPTIONS``."""
        stem = "".join(options).replace("-", "") or "whole"
        files = [self.root / f"pgx_{stem}_{number}.vcf.gz" for number in (1, 2)]
        for file, names in zip(files, self.pgx_halves, strict=True):
            if not file.exists():
                cut(self.shared / PGX, file, names, *options)
        return files

    def _batches(self, name: str) -> list[BatchFile]:
        if name == "pgx in two batches":
            return [BatchFile(file, self.pgx_persons) for file in self.pgx_files()]
        if name == "pgx cut, sites":
            return [BatchFile(f, self.pgx_persons) for f in self.pgx_files("-c1", "-a")]
        if name == "pgx cut, BED":
            bed = bed_of(self.shared / PGX, self.root / "pgx.bed")
            return [BatchFile(f, self.pgx_persons, bed) for f in self.pgx_files("-c1", "-a")]
        path = self.shared / (
            HAIL if name == "hail" else CHR_X_UNFILTERED if "unfiltered" in name else CHR_X
        )
        persons = link(sample_names(path), range(-300, 2_000))
        return [BatchFile(path, persons, half_call="haploid" if "haploid" in name else "missing")]


@pytest.fixture(scope="session")
def genetic_network(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory, sexes: Mapping[str, int]
) -> Networks:
    return Networks(shared_data, tmp_path_factory.mktemp("genetic"), sexes)


def sample_names(vcf: Path) -> list[str]:
    command = ["bcftools", "query", "-l", str(vcf)]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
