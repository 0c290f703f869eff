"""The table of bad inputs: for each its error class, exit code and message, and a ledger left as
it was.

Most are run through the command line's own entry point inside this process; a few in a process of
their own, to see that a user sees the same.
"""

from __future__ import annotations

import fcntl
import gzip
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from precisionchain import errors
from precisionchain.cli.app import app, main
from precisionchain.errors import PrecisionChainError
from tests.functional.conftest import (
    CONDITION,
    CONTIGS_38,
    MAP,
    MARKED,
    PERSON,
    RECORDS,
    SmallSite,
    Write,
    omop_folder,
    vcf_text,
)

Arguments = Callable[[Write, Path], list[str | Path]]


@dataclass(frozen=True, slots=True)
class Bad:
    """One row of the table.

    Args:
        error: the class of ``errors.py``.
        says: words the message must hold: the file, its line, the thing that is meant.
        arguments: of the command, after ``-C SITE``; writes the files it needs.
    """

    error: type[PrecisionChainError]
    says: tuple[str, ...]
    arguments: Arguments


def _vcf(
    content: str | bytes, *, name: str = "bad.vcf", mapped: str = MAP, options: tuple[str, ...] = ()
) -> Arguments:
    """Ingest a VCF file; its samples are of persons the site does not have yet."""

    def arguments(write: Write, _folder: Path) -> list[str | Path]:
        build = () if "--build" in options else ("--build", "GRCh37")
        command = ["ingest", "vcf", write(name, content), "--samples", write("map.csv", mapped)]
        return [*command, *build, *options]

    return arguments


def _omop(**tables: str) -> Arguments:
    def arguments(_write: Write, folder: Path) -> list[str | Path]:
        return ["ingest", "omop", omop_folder(folder / "omop", **tables), "--source", "other"]

    return arguments


def _omop_file(name: str, content: bytes) -> Arguments:
    """Ingest a folder with one more file in it, of these bytes."""

    def arguments(_write: Write, folder: Path) -> list[str | Path]:
        (omop_folder(folder / "omop") / name).write_bytes(content)
        return ["ingest", "omop", folder / "omop", "--source", "other"]

    return arguments


def _of(*arguments: str) -> Arguments:
    return lambda _write, _folder: list(arguments)


NEW_MAP = "sample_id,person_id,sex\nS1,11,M\nS2,12,F\nS3,13,M\n"
MARKED_MAP = f"sample_id,person_id,sex\nS1,{MARKED},M\nS2,12,F\nS3,13,M\n"
ONE = "9 100 A G 0/1 1/1 0/0"
SITES_ONLY = vcf_text("9 100 A G", samples=()).replace("\tFORMAT\n", "\n").replace("\tGT\n", "\n")
GOOD_GZIP = gzip.compress(vcf_text(*(f"9 {100 + i} A G 0/1 1/1 0/0" for i in range(2000))).encode())
GZIPPED_CSV = gzip.compress(CONDITION.encode() * 500)

INGESTION: dict[str, Bad] = {
    # ------------------------------------------------------------------------ genotype files
    "not a VCF": Bad(
        errors.VcfFormatError, ("bad.vcf",), _vcf(f"name,{MARKED}\n{MARKED},1\n", mapped=NEW_MAP)
    ),
    "an empty file": Bad(errors.InputError, ("bad.vcf",), _vcf("", mapped=NEW_MAP)),
    "a VCF that is not there": Bad(
        errors.UnreadableFileError,
        ("absent.vcf",),
        lambda write, folder: [
            *("ingest", "vcf", folder / "absent.vcf", "--samples", write("m.csv", NEW_MAP)),
            *("--build", "GRCh37"),
        ],
    ),
    "a truncated gzip VCF": Bad(
        errors.UnreadableFileError,
        ("bad.vcf.gz",),
        _vcf(GOOD_GZIP[: len(GOOD_GZIP) // 2], name="bad.vcf.gz", mapped=NEW_MAP),
    ),
    "a VCF whose last line is cut": Bad(
        errors.VcfFormatError, ("bad.vcf:8",), _vcf(vcf_text(*RECORDS)[:-8], mapped=NEW_MAP)
    ),
    "a header without #CHROM": Bad(
        errors.VcfFormatError,
        ("bad.vcf",),
        _vcf("\n".join(vcf_text(ONE).splitlines()[:4]) + "\n", mapped=NEW_MAP),
    ),
    "sites without samples": Bad(
        errors.VcfFormatError, ("bad.vcf", "sample"), _vcf(SITES_ONLY, mapped=NEW_MAP)
    ),
    "records out of order": Bad(
        errors.VcfFormatError,
        ("bad.vcf", "7"),
        _vcf(vcf_text("9 500 A G 0/1 1/1 0/0", ONE), mapped=NEW_MAP),
    ),
    "one allele twice with other genotypes": Bad(
        errors.DuplicateVariantError,
        ("bad.vcf:6", "bad.vcf:7", "9:100:A:G"),
        _vcf(vcf_text(ONE, "9 100 A G 0/0 1/1 0/0"), mapped=NEW_MAP),
    ),
    "one allele twice after trimming": Bad(
        errors.DuplicateVariantError,
        ("bad.vcf:6", "bad.vcf:7", "9:100:A:G"),
        _vcf(vcf_text(ONE, "9 100 AT GT 0/0 1/1 0/0"), mapped=NEW_MAP),
    ),
    "nothing but records of ploidy 3": Bad(
        errors.VcfFormatError,
        ("bad.vcf", "ploidy"),
        _vcf(vcf_text("9 100 A G 0/1/1 1/1 0/0"), mapped=NEW_MAP),
    ),
    "a sample column twice": Bad(
        errors.SampleMapError,
        ("bad.vcf", "S1"),
        _vcf(vcf_text(ONE, samples=("S1", "S1", "S3")), mapped=NEW_MAP),
    ),
    # --------------------------------------------------------------------------------- build
    "another build's contigs": Bad(
        errors.BuildMismatchError,
        ("bad.vcf", "GRCh38"),
        _vcf(vcf_text(ONE, contigs=CONTIGS_38), mapped=NEW_MAP),
    ),
    "a build that nothing proves": Bad(
        errors.BuildMismatchError,
        ("bad.vcf", "--build-unverified"),
        _vcf(vcf_text(ONE, contigs=()), mapped=NEW_MAP),
    ),
    "a build that is not the network's": Bad(
        errors.PrecisionChainError,
        ("GRCh37", "GRCh38"),
        _vcf(vcf_text(ONE, contigs=CONTIGS_38), mapped=NEW_MAP, options=("--build", "GRCh38")),
    ),
    "a build that does not exist": Bad(
        errors.UsageError,
        ("GRCh39",),
        _vcf(vcf_text(ONE), mapped=NEW_MAP, options=("--build", "GRCh39")),
    ),
    # ---------------------------------------------------------------------------- sample map
    "a sample that is not in the map": Bad(
        errors.SampleMapError,
        ("S3",),
        _vcf(vcf_text(ONE), mapped="sample_id,person_id\nS1,11\nS2,12\n"),
    ),
    "a sample twice in the map": Bad(
        errors.SampleMapError,
        ("map.csv", "S1"),
        _vcf(vcf_text(ONE), mapped=f"{NEW_MAP}S1,14,M\n"),
    ),
    "two samples of one person": Bad(
        errors.SampleMapError,
        ("S1", "S2"),
        _vcf(vcf_text(ONE), mapped="sample_id,person_id\nS1,11\nS2,11\nS3,13\n"),
    ),
    "a map without its header": Bad(
        errors.SampleMapError, ("map.csv:1", "sample_id"), _vcf(vcf_text(ONE), mapped="S1,11\n")
    ),
    "a person id that is no number": Bad(
        errors.SampleMapError, ("map.csv:2",), _vcf(vcf_text(ONE), mapped=MARKED_MAP)
    ),
    "a sex that is none": Bad(
        errors.SampleMapError,
        ("map.csv:2", "sex"),
        _vcf(vcf_text(ONE), mapped=NEW_MAP.replace("11,M", f"11,{MARKED}")),
    ),
    "an empty map": Bad(errors.SampleMapError, ("map.csv",), _vcf(vcf_text(ONE), mapped="")),
    "a map that is not text": Bad(
        errors.UnreadableFileError,
        ("latin.csv",),
        lambda write, _: [
            *("ingest", "vcf", write("ok.vcf", vcf_text(ONE)), "--build", "GRCh37"),
            *("--samples", write("latin.csv", b"sample_id,person_id\nJos\xe9,11\n")),
        ],
    ),
    # --------------------------------------------------------------------------------- assay
    "a malformed BED": Bad(
        errors.BedFormatError,
        ("a.bed:2",),
        lambda write, _: [
            *("ingest", "vcf", write("ok.vcf", vcf_text(ONE)), "--build", "GRCh37"),
            *("--samples", write("map.csv", NEW_MAP)),
            *("--assay", write("a.bed", f"9\t50\t300\n9\t{MARKED}\t10\n")),
        ],
    ),
    "a BED that ends before it begins": Bad(
        errors.BedFormatError,
        ("a.bed:1",),
        lambda write, _: [
            *("ingest", "vcf", write("ok.vcf", vcf_text(ONE)), "--build", "GRCh37"),
            *("--samples", write("map.csv", NEW_MAP), "--assay", write("a.bed", "9\t300\t50\n")),
        ],
    ),
    "an assay that is no file": Bad(
        errors.UsageError,
        ("exome",),
        _vcf(vcf_text(ONE), mapped=NEW_MAP, options=("--assay", "exome")),
    ),
    "half-calls where they are an error": Bad(
        errors.VcfFormatError,
        ("bad.vcf:6",),
        _vcf(vcf_text("9 100 A G 0/. 1/1 0/0"), mapped=NEW_MAP, options=("--half-call", "error")),
    ),
    "persons whose genotypes are sealed": Bad(
        errors.OverlapError, ("3",), _vcf(vcf_text("9 100 A C 0/1 1/1 0/0"))
    ),
    # ---------------------------------------------------------------------------------- OMOP
    "a folder that is not there": Bad(
        errors.UnreadableFileError, ("absent",), _of("ingest", "omop", "absent")
    ),
    "a folder without OMOP tables": Bad(
        errors.OmopFormatError,
        ("files",),
        lambda write, _: ["ingest", "omop", write("notes.csv", f"text\n{MARKED}\n").parent],
    ),
    "a header without its key": Bad(
        errors.OmopFormatError,
        ("person.csv", "line 1", "person_id"),
        _omop(person=PERSON.replace("person_id,", "subject,", 1)),
    ),
    "a header without its concept": Bad(
        errors.OmopFormatError,
        ("condition_occurrence.csv", "line 1", "condition_concept_id"),
        _omop(condition_occurrence=CONDITION.replace("condition_concept_id", "code")),
    ),
    "a file without a header": Bad(
        errors.OmopFormatError,
        ("person.csv", "line 1"),
        _omop(person=f"1,8507,1950,0,0,{MARKED}\n"),
    ),
    "a column twice": Bad(
        errors.OmopFormatError,
        ("person.csv", "line 1", "year_of_birth"),
        _omop(person=PERSON.replace("race_concept_id", "year_of_birth", 1)),
    ),
    "an empty table file": Bad(
        errors.InputError, ("measurement.csv",), _omop_file("measurement.csv", b"")
    ),
    "a truncated gzip CSV": Bad(
        errors.UnreadableFileError,
        ("observation_period.csv.gz",),
        _omop_file("observation_period.csv.gz", GZIPPED_CSV[: len(GZIPPED_CSV) // 2]),
    ),
    "two files of one table": Bad(
        errors.OmopFormatError,
        ("person",),
        _omop_file("PERSON.csv.gz", gzip.compress(PERSON.encode())),
    ),
    "a header that is not UTF-8": Bad(
        errors.UnreadableFileError,
        ("death.csv", "line 1"),
        _omop_file("death.csv", b"person_id,death_date,ca\xfase\n"),
    ),
    "semicolons": Bad(
        errors.OmopFormatError,
        ("person.csv", "line 1"),
        _omop(person=PERSON.replace(",", ";")),
    ),
}

QUESTIONS: dict[str, Bad] = {
    "an unknown concept": Bad(
        errors.UnknownConceptError, ("999999",), _of("query", "domain", "999999")
    ),
    "an unknown table": Bad(
        errors.UsageError, ("visits",), _of("query", "domain", "201826", "--table", "visits")
    ),
    "an unknown person": Bad(errors.UnknownPersonError, (), _of("query", "person", "A:77")),
    "a person of an unknown site": Bad(
        errors.UnknownPersonError, ("Z",), _of("query", "person", "Z:1")
    ),
    "a person that is no id": Bad(
        errors.UsageError, ("SITE:person_id",), _of("query", "person", "A:one")
    ),
    "variants of an unknown person": Bad(
        errors.UnknownPersonError, (), _of("query", "person-variants", "A:77")
    ),
    "a region without a colon": Bad(
        errors.RegionError, ("9-100",), _of("query", "person-variants", "A:1", "9-100")
    ),
    "a region that ends before it begins": Bad(
        errors.RegionError, ("9:200-100",), _of("query", "person-variants", "A:1", "9:200-100")
    ),
    "a variant without an allele": Bad(
        errors.RegionError, ("9:100:A",), _of("query", "variant", "9:100:A")
    ),
    "a variant that is no bases": Bad(
        errors.RegionError, ("9:100:A:G+T",), _of("query", "variant", "9:100:A:G+T")
    ),
    "the allele *": Bad(errors.RegionError, ("9:100:A:*",), _of("query", "variant", "9:100:A:*")),
    "a genotype that is none": Bad(
        errors.UsageError, ("missing",), _of("query", "variant", "9:100:A:G", "--genotype", "3")
    ),
    "a frequency range that is none": Bad(
        errors.UsageError, ("LO-HI",), _of("query", "maf", "rare")
    ),
    "a frequency range upside down": Bad(
        errors.UsageError, ("LO",), _of("query", "maf", "0.4-0.1")
    ),
    "a frequency above one half": Bad(errors.UsageError, ("0.5",), _of("query", "maf", "0.1-0.9")),
    "a malformed region of frequencies": Bad(
        errors.RegionError, ("9:x",), _of("query", "maf", "0-0.5", "--region", "9:x")
    ),
    "a write in sql": Bad(errors.UsageError, (), _of("sql", "delete from person")),
    "a write through a copy in sql": Bad(
        errors.UsageError, (), _of("sql", "copy person to 'stolen.csv'")
    ),
    "a file outside staging in sql": Bad(
        errors.UsageError, (), _of("sql", "select * from read_csv('/etc/passwd')")
    ),
    "a cast in sql of cells that are none": Bad(
        errors.UsageError, (), _of("sql", "select cast(person_source_value as integer) from person")
    ),
}


def _fail(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> PrecisionChainError:
    """Run a command that must fail; return its error after looking at what it said."""
    with pytest.raises(PrecisionChainError) as failed:
        app([str(argument) for argument in arguments], standalone_mode=False)
    said = capsys.readouterr()
    assert said.out == ""
    assert MARKED not in said.err
    assert MARKED not in str(failed.value)
    assert "\n" not in str(failed.value)
    assert str(failed.value).strip()
    return failed.value


def _check(failure: PrecisionChainError, bad: Bad) -> None:
    assert isinstance(failure, bad.error), f"{type(failure).__name__}: {failure}"
    assert failure.exit_code == bad.error.exit_code or bad.error is PrecisionChainError
    for words in bad.says:
        assert words in str(failure)


@pytest.mark.parametrize("name", INGESTION)
def test_bad_files_are_refused_and_leave_the_ledger_as_it_was(
    name: str,
    shared_site: SmallSite,
    write: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = INGESTION[name]
    before = shared_site.ledger.state()
    runs = sorted(path.name for path in (shared_site.path / "staging" / "runs").iterdir())
    failure = _fail(capsys, "-C", shared_site.path, *bad.arguments(write, tmp_path))
    _check(failure, bad)
    assert shared_site.ledger.state() == before
    after = sorted(path.name for path in (shared_site.path / "staging" / "runs").iterdir())
    if not isinstance(failure, errors.OverlapError):
        assert after == runs, "something was left in staging"


@pytest.mark.parametrize("name", QUESTIONS)
def test_bad_questions_get_an_entry_and_no_answer(
    name: str,
    shared_site: SmallSite,
    write: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = QUESTIONS[name]
    data, entries = shared_site.ledger.state()
    failure = _fail(capsys, "-C", shared_site.path, *bad.arguments(write, tmp_path))
    _check(failure, bad)
    data_after, entries_after = shared_site.ledger.state()
    assert data_after == data
    assert entries_after in (entries, entries + 2), (
        "a request comes with its outcome, or not at all"
    )


# ------------------------------------------------------------------------ what is no failure


def test_ragged_and_misencoded_rows_are_rejects(own_site: SmallSite, tmp_path: Path) -> None:
    folder = omop_folder(tmp_path / "dirty")
    (folder / "condition_occurrence.csv").write_bytes(
        CONDITION.encode()
        + f"3,1,201826\n4,1,201826,2015-01-01,32020,{MARKED},{MARKED},7\n".encode()
        + b"5,1,201826,2015-01-01,32020,caf\xe9\n"
        + b"6,2,201826,2015-01-01,32020,fine\n"
    )
    command = ["-C", str(own_site.path), "ingest", "omop", str(folder), "--source", "dirty"]
    app(command, standalone_mode=False)

    with duckdb.connect(str(own_site.path / "staging.duckdb"), read_only=True) as database:
        rejected = database.sql(
            "select record, line, rule from rejected where table_name = 'condition_occurrence'"
            " and _source = 'dirty' order by record"
        ).fetchall()
        counted = database.sql(
            "select n_records, n_accepted, n_rejected from tables"
            " where table_name = 'condition_occurrence' and _source = 'dirty'"
        ).fetchall()
    assert [row[:2] for row in rejected] == [(3, 4), (4, 5), (5, 6)]
    assert counted == [(6, 3, 3)]


def test_a_record_of_ploidy_three_is_refused_by_its_line(own_site: SmallSite, write: Write) -> None:
    path = write("three.vcf", vcf_text(ONE, "9 200 C T 0/1/1 0/0 0/0", "9 300 C T 0/1 0/0 0/0"))
    mapped = write("map.csv", NEW_MAP)
    command = ["-C", own_site.path, "ingest", "vcf", path, "--samples", mapped, "--build", "GRCh37"]
    app([str(part) for part in command], standalone_mode=False)

    with duckdb.connect(str(own_site.path / "staging.duckdb"), read_only=True) as database:
        refused = database.sql("select line, chrom, pos, rule from refused").fetchall()
    assert refused == [(7, "9", 200, "ploidy")]


def test_an_export_that_lost_its_persons_is_not_sealed(
    own_site: SmallSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = own_site.ledger.state()
    less = omop_folder(tmp_path / "less", person=PERSON.splitlines()[0] + "\n")
    failure = _fail(capsys, "-C", own_site.path, "ingest", "omop", less, "--source", "ehr")
    assert isinstance(failure, errors.SealRefusedError)
    assert "ehr" in str(failure)
    assert own_site.ledger.state() == before


# ------------------------------------------------------------------------------- site folders


def test_a_folder_that_is_no_site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["sync"], ["query", "maf", "0-0.5"], ["audit", "entries"], ["verify"]):
        failure = _fail(capsys, "-C", tmp_path, *command)
        assert isinstance(failure, errors.NotASiteError)
        assert str(tmp_path) in str(failure)
    assert list(tmp_path.iterdir()) == []


def test_a_second_init(own_site: SmallSite, capsys: pytest.CaptureFixture[str]) -> None:
    before = own_site.ledger.path.read_bytes()
    failure = _fail(capsys, "init", own_site.path, "--site", "B")
    assert isinstance(failure, errors.SiteExistsError)
    assert own_site.ledger.path.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--site", "A:B"], "A:B"),
        (["--site", ""], "name"),
        (["--site", "A", "--build", "hg17"], "hg17"),
        (["--site", "A", "--ledger", "carrier-pigeon:x"], "embedded:PATH"),
        (["--site", "A", "--ancestors", "absent.csv"], "absent.csv"),
    ],
)
def test_an_init_that_cannot_be(
    options: list[str], word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = _fail(capsys, "init", tmp_path / "new", *options)
    assert word in str(failure)
    assert list(tmp_path.iterdir()) == [], "half a site was left"


def test_a_locked_site(
    own_site: SmallSite, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    before = own_site.ledger.state()
    with (own_site.path / "site.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        arguments = _vcf(vcf_text(ONE), mapped=NEW_MAP)(write, own_site.path)
        failure = _fail(capsys, "-C", own_site.path, *arguments)
        assert isinstance(failure, errors.SiteLockedError)
        assert own_site.ledger.state() == before
        # Questions need no lock.
        app(
            ["-C", str(own_site.path), "query", "domain", "201826", "--json"], standalone_mode=False
        )
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_keys_that_others_can_read(own_site: SmallSite, capsys: pytest.CaptureFixture[str]) -> None:
    before = own_site.ledger.state()
    key = own_site.path / "keys" / "site.key"
    key.chmod(0o644)
    failure = _fail(capsys, "-C", own_site.path, "query", "domain", "201826")
    assert isinstance(failure, errors.KeyPermissionError)
    assert "site.key" in str(failure)
    key.chmod(0o600)
    key.parent.chmod(0o755)
    failure = _fail(capsys, "-C", own_site.path, "query", "domain", "201826")
    assert isinstance(failure, errors.KeyPermissionError)
    assert own_site.ledger.state() == before


def test_settings_that_cannot_be_read(
    own_site: SmallSite, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_site.path / "precisionchain.toml").write_text("format = 9\n", encoding="utf-8")
    failure = _fail(capsys, "-C", own_site.path, "sync")
    assert isinstance(failure, errors.SiteError)
    assert "precisionchain.toml" in str(failure)


def _cut(ledger: Path) -> None:
    for suffix in ("-wal", "-shm"):
        ledger.with_name(ledger.name + suffix).unlink(missing_ok=True)
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[: len(whole) // 2])


def _overwrite(ledger: Path) -> None:
    ledger.write_bytes(b"this is no database\n" * 200)


def _empty(ledger: Path) -> None:
    ledger.write_bytes(b"")


def _remove(ledger: Path) -> None:
    ledger.unlink()


@pytest.mark.parametrize("damage", [_cut, _overwrite, _empty, _remove])
def test_a_ledger_file_that_is_damaged(
    damage: Callable[[Path], None], own_site: SmallSite, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(own_site.ledger.path)
    left = own_site.ledger.path.read_bytes() if own_site.ledger.path.exists() else None
    for command in (["query", "domain", "201826"], ["sync"], ["audit", "entries"]):
        failure = _fail(capsys, "-C", own_site.path, *command)
        assert isinstance(failure, errors.LedgerError | errors.IntegrityError), repr(failure)
        assert "ledger.sqlite" in str(failure)
    now = own_site.ledger.path.read_bytes() if own_site.ledger.path.exists() else None
    assert now == left, "a damaged ledger was written to"


# ------------------------------------------------------------------------- as a user sees it


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("query", "domain", "999999"), 2),
        (("query", "domain", "diabetes"), 2),
        (("ingest", "vcf", "x.vcf", "--samples", "m", "--build", "37", "--half-call", "guess"), 2),
        (("query", "variant", "9:100:A"), 2),
        (("ingest", "omop", "absent"), 4),
    ],
)
def test_a_user_sees_one_line_and_the_exit_code(
    arguments: tuple[str, ...], code: int, shared_site: SmallSite
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "precisionchain", "-C", str(shared_site.path), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    if "Usage:" not in done.stderr:  # an argument that cannot be parsed gets a box instead
        assert [line for line in lines if line.startswith("error: ")] == lines[-1:]


def test_main_ends_with_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["precisionchain", "-C", str(tmp_path), "sync"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == errors.NotASiteError.exit_code
    assert capsys.readouterr().err.startswith("error: ")
