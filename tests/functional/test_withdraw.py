"""``withdraw`` and ``readmit`` as commands: what they take, what they print, and never whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import precisionchain as pc
from tests.lib.omop_builder import write_omop
from tests.lib.typed_commands import run, typed
from tests.lib.vcf_builder import write_map, write_vcf

IDS = ("471100", "471200", "471300")
TABLES = """
    condition_occurrence
    id | person | concept | start
    1  | 471100 | 10      | 2015-01-01
    2  | 471200 | 10      | 2015-01-02
    """


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a site that has sealed both kinds of batches."""
    folder = tmp_path_factory.mktemp("withdraw")
    pc.Site.init(folder / "site_a", site="A", build="GRCh37")
    samples = ("x", "y", "z")
    write_vcf(folder / "one.vcf", "9:100 A G 0/1 1/1 0/0", samples=samples)
    write_vcf(folder / "two.vcf", "9:100 A G 1/1 1/1 0/1", samples=samples)
    write_map(folder / "map.csv", *(f"{s},{i}," for s, i in zip(samples, IDS, strict=True)))
    (folder / "omop").mkdir()
    write_omop(folder / "omop", TABLES)
    run(folder, "-C", "site_a", "ingest", "omop", "omop", "--source", "ehr")
    vcf = ("ingest", "vcf", "one.vcf", "--samples", "map.csv", "--build", "GRCh37")
    run(folder, "-C", "site_a", *vcf, "--source", "panel")
    return folder


def asked(folder: Path, *arguments: str) -> dict[str, object]:
    out = run(folder, "-C", "site_a", *arguments, "--json")
    found: dict[str, object] = json.loads(out)
    return found


def counts(folder: Path) -> tuple[int, int]:
    rows = run(folder, "-C", "site_a", "query", "maf", "0-0.5", "--json").splitlines()
    (row,) = [json.loads(line) for line in rows]
    return row["ac"], row["an"]


def test_a_life_of_withdrawals(folder: Path) -> None:
    """One after the other: persons, the same again, back, a batch, a source, calls made again."""
    assert counts(folder) == (3, 6)
    (folder / "who.txt").write_text(f"person_id\n\nA:{IDS[1]}\n", encoding="utf-8")
    code, out, err = typed(folder, "-C", "site_a", "withdraw", "--from", "who.txt")
    assert code == 0, err
    assert out.startswith("withdrew 1 person, corrected the counts of 1 batch; sealed batch ")
    assert not [i for i in IDS if i in out + err]
    assert counts(folder) == (1, 4)
    domain = run(folder, "-C", "site_a", "query", "domain", "10", "--json")
    assert [json.loads(line)["person_id"] for line in domain.splitlines()] == [int(IDS[0])]
    out = run(folder, "-C", "site_a", "withdraw", "--person", IDS[1])
    assert out == "nothing was published: 1 person withdrawn already\n"
    back = asked(folder, "readmit", "--person", IDS[1], "--person", IDS[0])
    assert (back["action"], back["done"], back["unchanged"], back["counts"]) == (
        "readmit",
        1,
        1,
        1,
    )
    assert counts(folder) == (3, 6)
    again = ("two.vcf", "--samples", "map.csv", "--build", "GRCh37", "--source", "panel")
    code, _, err = typed(folder, "-C", "site_a", "ingest", "vcf", *again)
    assert (code, "--replace" in err) == (5, True)
    done = asked(folder, "ingest", "vcf", *again, "--replace")
    assert counts(folder) == (5, 6)
    gone = asked(folder, "withdraw", "--batch", str(done["batch"])[:12])
    assert (gone["what"], gone["done"], gone["counts"]) == ("batch", 1, 0)
    assert run(folder, "-C", "site_a", "query", "maf", "0-0.5", "--json") == ""
    assert asked(folder, "withdraw", "--source", "panel")["done"] == 1
    assert asked(folder, "withdraw", "--source", "panel")["unchanged"] == 2
    asked(folder, "ingest", "vcf", *again)
    assert counts(folder) == (5, 6)
    run(folder, "-C", "site_a", "verify")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("withdraw",), 2, "--person"),
        (("readmit",), 2, "--person"),
        (("withdraw", "--person", "1", "--source", "ehr"), 2, "--batch"),
        (("withdraw", "--person", "Zimmermann"), 2, "not a person"),
        (("withdraw", "--person", "B:7"), 2, "site B"),
        (("withdraw", "--source", "none"), 2, "nothing under the name"),
        (("withdraw", "--from", "absent.txt"), 4, "absent.txt"),
        (("withdraw", "--from", "names.txt"), 4, "names.txt:2"),
        (("withdraw", "--from", "empty.txt"), 4, "names no person"),
        (("--user", "ada@A", "withdraw", "--person", "1"), 6, "institution"),
    ],
)
def test_what_cannot_be_is_refused_and_nobody_is_named(
    folder: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    (folder / "names.txt").write_text("42\nZimmermann\n", encoding="utf-8")
    (folder / "empty.txt").write_text("person_id\n", encoding="utf-8")
    if "--user" in arguments and not (folder / "site_a" / "keys" / "ada@A.pem").exists():
        run(folder, "-C", "site_a", "user", "add", "ada", "--role", "auditor")
    ended, out, err = typed(folder, "-C", "site_a", *arguments)
    assert (ended, out) == (code, "")
    assert told in err
    assert "Zimmermann" not in err


def test_persons_of_whom_nothing_was_published_are_counted_apart(tmp_path: Path) -> None:
    pc.Site.init(tmp_path / "site_a", site="A", build="GRCh37")
    write_vcf(tmp_path / "one.vcf", "9:100 A G 0/1", samples=("x",))
    write_map(tmp_path / "map.csv", f"x,{IDS[0]},")
    (tmp_path / "omop").mkdir()
    write_omop(tmp_path / "omop", TABLES)
    run(tmp_path, "-C", "site_a", "ingest", "omop", "omop", "--source", "ehr")
    vcf = ("ingest", "vcf", "one.vcf", "--samples", "map.csv", "--build", "GRCh37")
    run(tmp_path, "-C", "site_a", *vcf)
    named = [word for person in (*IDS[:2], "99", "98") for word in ("--person", person)]
    out = run(tmp_path, "-C", "site_a", "withdraw", *named)
    assert out.startswith("withdrew 4 persons (nothing was published of 2 of them), corrected")
