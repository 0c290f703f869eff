"""A small site with a clinical and a genetic batch, and the files it was made of."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import precisionchain as pc

MARKED = "ZQ7391"
"""Stands in every cell that no message may repeat."""

CONTIGS_37 = ("##contig=<ID=9,length=141213431>", "##contig=<ID=X,length=155270560>")
CONTIGS_38 = ("##contig=<ID=9,length=138394717>", "##contig=<ID=X,length=156040895>")
SAMPLES = ("S1", "S2", "S3")


def vcf_text(
    *records: str,
    samples: tuple[str, ...] = SAMPLES,
    contigs: tuple[str, ...] = CONTIGS_37,
) -> str:
    """A VCF: records are ``CHROM POS REF ALT GT GT GT``, split at blanks."""
    lines = [
        "##fileformat=VCFv4.2",
        *contigs,
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"))
        + "".join(f"\t{sample}" for sample in samples),
    ]
    for record in records:
        chrom, pos, ref, alt, *calls = record.split()
        lines.append("\t".join((chrom, pos, MARKED, ref, alt, ".", "PASS", ".", "GT", *calls)))
    return "".join(f"{line}\n" for line in lines)


RECORDS = ("9 100 A G 0/1 1/1 0/0", "9 200 C T,G 1/2 0/0 ./.", "X 5000000 G A 1 0/1 0")
MAP = "sample_id,person_id,sex\nS1,1,M\nS2,2,F\nS3,3,M\n"

PERSON = (
    "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id,"
    "person_source_value\n"
    f"1,8507,1950,0,0,{MARKED}\n2,8532,1960,0,0,{MARKED}\n3,8507,1970,0,0,{MARKED}\n"
)
CONDITION = (
    "condition_occurrence_id,person_id,condition_concept_id,condition_start_date,"
    "condition_type_concept_id,condition_source_value\n"
    f"1,1,201826,2015-03-02,32020,{MARKED}\n2,2,201826,2016-01-01,32020,{MARKED}\n"
)


def omop_folder(folder: Path, **tables: str) -> Path:
    """Write a folder of OMOP tables; ``person`` and ``condition_occurrence`` unless given."""
    folder.mkdir(parents=True)
    for name, text in ({"person": PERSON, "condition_occurrence": CONDITION} | tables).items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


@dataclass(frozen=True, slots=True)
class Ledger:
    """What must not change when a command fails: items outside the access log, and all items."""

    path: Path

    def state(self) -> tuple[int, int]:
        """Count items outside the access log, and entries in it, by plain SQLite.

        A log key, which a user's first question brings, is no entry.
        """
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as database:
            rows = database.execute(
                "select streams.name like 'ACCESS%', count(*) from items"
                " join streams using (stream)"
                " where instr(stored, cast('log-key' as blob)) = 0 group by 1"
            ).fetchall()
        database.close()
        counts = dict(rows)
        return counts.get(0, 0), counts.get(1, 0)


@dataclass(frozen=True, slots=True)
class SmallSite:
    """A site folder with both kinds of batches."""

    path: Path

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.path / "ledger.sqlite")


@pytest.fixture(scope="session")
def original_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site that tests copy; made once."""
    root = tmp_path_factory.mktemp("original")
    site = pc.Site.init(root / "site_a", site="A", build="GRCh37")
    site.ingest_omop(omop_folder(root / "omop"), source="ehr")
    (root / "first.vcf").write_text(vcf_text(*RECORDS), encoding="utf-8")
    (root / "map.csv").write_text(MAP, encoding="utf-8")
    site.ingest_vcf([root / "first.vcf"], samples=root / "map.csv", build="GRCh37", source="array")
    return root / "site_a"


@pytest.fixture(scope="module")
def shared_site(original_site: Path, tmp_path_factory: pytest.TempPathFactory) -> SmallSite:
    """A copy for tests of a module that leave it as it was."""
    return _copy(original_site, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def own_site(original_site: Path, tmp_path: Path) -> SmallSite:
    """A copy for one test, to be damaged."""
    return _copy(original_site, tmp_path)


def _copy(original: Path, parent: Path) -> SmallSite:
    return SmallSite(Path(shutil.copytree(original, parent / "site_a")))


Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file by name below the test's own folder, and return its path."""

    def put(name: str, content: str | bytes) -> Path:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put
