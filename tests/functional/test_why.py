"""Why a call is not there: for each way in which it may not be, what was written and what is said.

The network of a module: site A publishes arrays, an exome and genomes, controls, replaces and
withdraws; the tables say, by variant and person, what each batch of the site must answer, as it
follows from what the files below hold.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import precisionchain as pc
from precisionchain.cli.app import app
from precisionchain.errors import AccessRefusedError, RegionError, UnknownPersonError, UsageError
from tests.lib.vcf_builder import header, record, write_map, write_text

PERSONS = 40
MAN, WOMAN, HALF, LOST, CALLED = 4, 5, 3, 2, 1
REMOVED, WITHDRAWN = 139, 36
REMOVED_AND_WITHDRAWN = 138


def vcf(path: Path, first: int, *records: tuple[str, dict[int, str], str]) -> tuple[Path, Path]:
    """Write a file of forty persons from ``first`` on: places, some calls, and the others'."""
    ids = range(first, first + PERSONS)
    specs = [f"{place} {' '.join(some.get(n, rest) for n in ids)}" for place, some, rest in records]
    contigs = dict.fromkeys(spec.partition(":")[0] for spec in specs)
    text = header(contigs, samples=[f"s{n}" for n in ids]) + "".join(map(record, specs))
    rows = [f"s{n},{n},{'F' if n % 2 else 'M'}" for n in ids]
    return write_text(path, text), write_map(path.with_suffix(".csv"), *rows)


def published(site: pc.Site, files: tuple[Path, Path], source: str, **options: Any) -> str:
    path, samples = files
    given = {"qc": "none"} | options
    done = site.ingest_vcf(path, samples=samples, build="GRCh37", source=source, **given)
    return done.batch


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    site = pc.Site.init(folder / "a", site="A", build="GRCh37")
    array = vcf(
        folder / "array.vcf",
        1,
        ("1:1000 A C", {CALLED: "0/1", LOST: "./.", HALF: "0/."}, "0/0"),
        ("1:3000 A C", {7: "0/0/1"}, "0/0"),
        ("1:4000 A C", {}, "0/1"),  # all heterozygous: out of equilibrium
        ("X:5000000 A C", {MAN: "0/1"}, "0"),
        *((f"X:{pos} A C", {}, "0") for pos in range(5000100, 5002100, 100)),
    )
    published(site, array, "array", qc="mark")
    bed = folder / "exome.bed"
    bed.write_text("1\t9999\t20000\nY\t9999999\t10001000\n", encoding="utf-8")
    exome = vcf(folder / "exome.vcf", 1, ("1:10100 A C", {CALLED: "1/1"}, "0/0"))
    published(site, exome, "exome", assay=str(bed))
    controlled = vcf(
        folder / "controlled.vcf",
        100,
        *(
            (f"2:{pos} A C", {100: "0/1", REMOVED: "./.", REMOVED_AND_WITHDRAWN: "./."}, "0/0")
            for pos in range(100, 900, 100)
        ),
        ("2:1000 A C", {}, "0/1"),
        ("2:2000 A C", {101: "0/1", 102: "0/1", REMOVED: "1/1"}, "0/0"),
    )
    published(site, controlled, "controlled", qc="remove")
    old = vcf(folder / "old.vcf", 200, ("3:100 A C", {200: "0/1"}, "0/0"))
    published(site, old, "old")
    again = vcf(folder / "again.vcf", 200, ("3:100 A C", {200: "1/1"}, "0/0"))
    published(site, again, "again", replace=True)
    gone = vcf(folder / "gone.vcf", 300, ("4:100 A C", {300: "0/1"}, "0/0"))
    published(site, gone, "gone")
    site.withdraw_source("gone")
    site.withdraw_persons([WITHDRAWN, REMOVED_AND_WITHDRAWN])
    site.add_user("reader", ["researcher"])
    site.add_user("auditor", ["auditor"])
    return folder / "a"


def by_source(frame: pl.DataFrame) -> dict[str, dict[str, Any]]:
    return {row["source"]: row for row in frame.to_dicts()}


# variant, person: of the sources that are not `not_in_batch` or `batch_withdrawn`, the state and
# the reason; then what else a row must hold.
Expected = dict[str, tuple[str | None, str]]
CASES: dict[str, tuple[str, int, Expected, dict[str, Any]]] = {
    "called": (
        "1:1000:A:C",
        CALLED,
        {"array": ("1", "called"), "exome": ("not_assayed", "outside_extent")},
        {"answers": True, "file": "array.vcf", "line": 9},
    ),
    "missing in the file": (
        "1:1000:A:C",
        LOST,
        {"array": ("missing", "missing"), "exome": ("not_assayed", "outside_extent")},
        {
            "file": "array.vcf",
            "line": 9,
            "staged_rule": None,
            "meaning": "missing in the file or a half-call (--half-call missing):"
            " staging does not keep which",
        },
    ),
    "half-call": (
        "1:1000:A:C",
        HALF,
        {"array": ("missing", "missing"), "exome": ("not_assayed", "outside_extent")},
        {"line": 9, "staged_rule": None},
    ),
    "another allele of the position": (
        "1:1000:A:G",
        CALLED,
        {"array": ("0", "other_allele"), "exome": ("not_assayed", "outside_extent")},
        {"line": 9},
    ),
    "a man's heterozygous X": (
        "X:5000000:A:C",
        MAN,
        {"array": ("missing", "missing"), "exome": ("not_assayed", "outside_extent")},
        {
            "staged_rule": "male_x_het",
            "line": 12,
            "meaning": "heterozygous in the file, where a man has one copy of X",
        },
    ),
    "a record that was refused": (
        "1:3000:A:C",
        CALLED,
        {"array": ("not_assayed", "not_listed"), "exome": ("not_assayed", "outside_extent")},
        {
            "staged_rule": "ploidy",
            "file": "array.vcf",
            "line": 10,
            "meaning": "the record was refused by rule ploidy",
        },
    ),
    "no record of a list of positions": (
        "1:1500:A:C",
        CALLED,
        {"array": ("not_assayed", "not_listed"), "exome": ("not_assayed", "outside_extent")},
        {"file": None, "line": None, "answers": False},
    ),
    "inferred": (
        "1:10500:A:C",
        CALLED,
        {"array": ("not_assayed", "not_listed"), "exome": ("0", "inferred")},
        {},
    ),
    "a class that was not assayed": (
        "1:10500:A:<DEL;END=10600>",
        CALLED,
        {"array": ("not_assayed", "not_listed"), "exome": ("not_assayed", "class_not_assayed")},
        {},
    ),
    "no copy of Y": (
        "Y:10000500:A:C",
        WOMAN,
        {"array": ("not_assayed", "not_listed"), "exome": ("not_assayed", "no_copy_expected")},
        {},
    ),
    "marked by equilibrium": (
        "1:4000:A:C",
        CALLED,
        {"array": ("1", "called"), "exome": ("not_assayed", "outside_extent")},
        {"excluded": "marked", "rule": "hwe", "threshold": 1e-6, "n": PERSONS},
    ),
    "removed by equilibrium": (
        "2:1000:A:C",
        101,
        {"controlled": ("excluded", "excluded_variant")},
        {"excluded": "removed", "rule": "hwe", "n": PERSONS - 2},
    ),
    "a person who was removed": (
        "2:2000:A:C",
        REMOVED,
        {"controlled": ("excluded", "excluded_person")},
        {"excluded": "removed", "rule": "sample_missing", "value": 0.8, "threshold": 0.05, "n": 10},
    ),
    "taken over by a later batch": (
        "3:100:A:C",
        200,
        {"old": (None, "superseded"), "again": ("2", "called")},
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_said_of_each_batch(case: str, root: Path) -> None:
    variant, person, expected, besides = CASES[case]
    with pc.connect(root) as network:
        found = by_source(network.why(variant, person))
    said = {
        source: (row["state"], row["reason"])
        for source, row in found.items()
        if row["reason"] not in ("not_in_batch", "batch_withdrawn")
    }
    assert said == expected
    assert found["gone"]["reason"] == "batch_withdrawn"
    first = found[next(iter(expected))]
    assert {name: first[name] for name in besides} == besides
    if "again" in expected:
        assert found["old"]["by"] == found["again"]["batch"]


def test_the_state_that_answers_is_the_one_a_query_gives(root: Path) -> None:
    with pc.connect(root) as network:
        for variant, person, *_ in CASES.values():
            rows = network.why(variant, person).filter(pl.col("answers"))
            every = network.variant(variant, genotype=["0", "1", "2", "missing"])
            given = every.filter(pl.col("person_id") == person)
            assert rows["state"].to_list() == given["genotype"].to_list()
            assert rows["batch"].to_list() == given["batch"].to_list()


def test_who_may_not_read_staging_is_told_no_line_and_no_rule_of_it(root: Path) -> None:
    with pc.connect(root, user="reader") as network:
        row = by_source(network.why("X:5000000:A:C", MAN))["array"]
    assert (row["state"], row["file"], row["line"], row["staged_rule"]) == ("missing", *[None] * 3)
    assert row["meaning"] == "missing at a record; which rule made it so is not published"
    with (
        pc.connect(root, user="auditor") as network,
        pytest.raises(AccessRefusedError, match="researcher"),
    ):
        network.why("1:1000:A:C", CALLED)


def test_of_a_withdrawn_person_only_that_and_only_at_the_own_site(root: Path) -> None:
    with pc.connect(root) as network:
        (row,) = network.why("1:1000:A:C", WITHDRAWN).to_dicts()
        assert (row["reason"], row["state"], row["batch"]) == ("person_withdrawn", None, None)
        (row,) = network.why("2:100:A:C", REMOVED_AND_WITHDRAWN).to_dicts()
        assert (row["reason"], row["rule"]) == ("person_withdrawn", None)
        assert network.exclusions(person=f"A:{REMOVED_AND_WITHDRAWN}").is_empty()
        with pytest.raises(UnknownPersonError):
            network.why("1:1000:A:C", 9999)
        with pytest.raises(RegionError):
            network.why("1:1000", CALLED)


def test_every_question_is_in_the_log_with_whom_it_shows(root: Path) -> None:
    with pc.connect(root) as network:
        network.why("1:1000:A:C", CALLED)
        network.exclusions(person=REMOVED)
        asked = network.audit.entries()
        seen = network.audit.who_saw(f"A:{REMOVED}")
    operations = asked["operation"].to_list()
    assert {"why", "exclusions"} <= set(operations)
    assert "exclusions" in seen["operation"].to_list()


def test_exclusions_by_site_batch_variant_person_and_rule(root: Path) -> None:
    with pc.connect(root) as network:
        everything = network.exclusions()
        persons = everything.filter(pl.col("kind") == "person")
        assert persons["person_id"].to_list() == [REMOVED]
        (person,) = network.exclusions(person=f"A:{REMOVED}").to_dicts()
        (variant,) = network.exclusions(variant="chr1:4000:A:C").to_dicts()
        assert (person["rule"], person["mode"], person["value"]) == (
            "sample_missing",
            "remove",
            0.8,
        )
        assert (variant["rule"], variant["mode"], variant["site"]) == ("hwe", "mark", "A")
        assert variant["value"] < 1e-6
        of_batch = network.exclusions(batch=variant["batch"][:8])
        assert set(of_batch["batch"]) == {variant["batch"]}
        assert network.exclusions(rule="hwe").height == everything.filter(rule="hwe").height == 2
        assert network.exclusions(site="B").is_empty()
        for wrong in ({"rule": "hew"}, {"batch": "12"}, {"person": "nobody"}):
            with pytest.raises(UsageError):
                network.exclusions(**wrong)


def test_the_commands_print_the_same(root: Path) -> None:
    rows = printed(root, "why", "1:1000:A:C", "--person", f"A:{CALLED}")
    with pc.connect(root) as network:
        wanted = network.why("1:1000:A:C", CALLED).to_dicts()
        excluded = network.exclusions(rule="hwe")
    assert rows == [{k: v for k, v in row.items() if v is not None} for row in wanted]
    rows = printed(root, "query", "exclusions", "--rule", "hwe")
    assert [row["value"] for row in rows] == excluded["value"].to_list()


def printed(root: Path, *command: str) -> list[dict[str, Any]]:
    ended = CliRunner().invoke(app, ["-C", str(root), *command, "--json"])
    assert ended.exit_code == 0, ended.output
    return [json.loads(line) for line in ended.stdout.splitlines()]
