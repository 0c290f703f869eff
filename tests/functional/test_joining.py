"""Joining a network as it is typed: the token, admission, what is refused, removal."""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.ledger.signing import Signer
from tests.lib.omop_builder import write_omop
from tests.lib.typed_commands import refused, rows, run

OMOP = """
    condition_occurrence
    person | concept | start
    42     | 201826  | 2015-03-02
    """


@pytest.fixture
def founded(tmp_path: Path) -> Path:
    run(tmp_path, "init", "site_a", "--site", "A", "--build", "GRCh37")
    return tmp_path


JOIN_B = ("init", "site_b", "--site", "B", "--ledger", "embedded:../site_a/ledger.sqlite")


def test_before_admission_a_site_stages_and_nothing_else(founded: Path) -> None:
    token = run(founded, *JOIN_B).strip()
    write_omop(founded / "omop_B", OMOP)
    run(founded, "-C", "site_b", "stage", "omop", "omop_B")
    for command in (
        ("query", "domain", "201826"),
        ("audit", "entries"),
        ("ingest", "omop", "omop_B"),
        ("sql", "select 1"),
        ("sync",),
        ("user", "add", "alice", "--role", "researcher"),
        ("admit", token),
    ):
        line = refused(founded, 3, "-C", "site_b", *command)
        assert line.startswith("error: this site is not admitted to its network yet (give")
    (known, *_) = rows(founded, "-C", "site_b", "members")
    assert (known["kind"], known["site"], known["status"]) == ("site", "A", "current")
    assert run(founded, "-C", "site_b", "join-token").strip() == token

    (founded / "b.token").write_text(token + "\n", encoding="ascii")
    (shown,) = rows(founded, "-C", "site_a", "admit", "b.token", "--dry-run")
    assert shown["would admit"] == "B"
    assert len(rows(founded, "-C", "site_a", "members")) == 2
    (admitted,) = rows(founded, "-C", "site_a", "admit", "b.token")
    (shown,) = rows(founded, "-C", "site_b", "join-token")
    assert admitted == {
        "admitted": "B",
        "code": "a1",
        "admin": False,
        "fingerprint": shown["fingerprint"],
    }
    run(founded, "-C", "site_b", "ingest", "omop", "omop_B")
    assert len(rows(founded, "-C", "site_b", "query", "person", "42")) > 1
    assert "is no administrator" in refused(founded, 6, "-C", "site_b", "admit", token)
    assert "is a member already" in refused(founded, 2, "-C", "site_a", "admit", token)


def test_what_contradicts_the_ledger_is_refused_and_leaves_nothing(founded: Path) -> None:
    (founded / "other.csv").write_text("domain,concept_id\nCONDITION,201826\n", encoding="ascii")
    for code, more, said in (
        (3, ("--build", "GRCh38"), "build is GRCh37 on the ledger, not GRCh38"),
        (3, ("--ancestors", str(founded / "other.csv")), "ancestors are not those on the ledger"),
        (2, ("--site", "a"), "the name a is, or was, another site's"),
    ):
        assert said in refused(founded, code, *JOIN_B, *more)
        assert not (founded / "site_b").exists()
    run(founded, *JOIN_B, "--build", "hg19")


def test_a_mistyped_ledger_founds_nothing_in_another_site_s_folder(founded: Path) -> None:
    mistyped = (*JOIN_B[:-1], "embedded:../site_a/ledgr.sqlite")
    assert "none is founded there" in refused(founded, 3, *mistyped)
    assert not (founded / "site_b").exists()
    assert not (founded / "site_a" / "ledgr.sqlite").exists()


def test_a_user_acts_by_the_short_name_too_and_only_with_a_key_here(founded: Path) -> None:
    run(founded, "-C", "site_a", "user", "add", "ada", "--role", "auditor", "--role", "admin")
    for name in ("ada", "ada@A"):
        entries = rows(founded, "-C", "site_a", "--user", name, "audit", "entries")
        assert entries[-1]["user"] == "ada@A"
    assert "takes the role researcher" in refused(
        founded, 6, "-C", "site_a", "--user", "ada", "query", "maf", "0-0.5"
    )
    assert "takes the role institution" in refused(
        founded, 6, "-C", "site_a", "--user", "ada", "ingest", "omop", "nowhere"
    )
    refused(founded, 6, "-C", "site_a", "--user", "bob", "audit", "entries")
    refused(founded, 2, "-C", "site_a", "--user", "../ada", "audit", "entries")
    run(founded, "-C", "site_a", "--user", "ada", "user", "revoke", "admin")
    assert "or no longer" in refused(founded, 6, "-C", "site_a", "audit", "entries")


def test_a_user_may_keep_the_key_elsewhere(founded: Path) -> None:
    keys = Signer(b"e" * 32)
    public, own = keys.public_key.hex(), keys.encryption_key.hex()
    other = Signer(b"f" * 32).public_key.hex()
    add = ("-C", "site_a", "user", "add", "eve", "--role", "researcher", "--public-key")
    (made,) = rows(founded, *add, public + own)
    assert made["added"] == "eve@A"
    assert not (founded / "site_a" / "keys" / "eve@A.key").exists()
    assert rows(founded, "-C", "site_a", "members")[-1]["public_key"] == public
    eva = (*add[:4], "eva", *add[5:])
    assert "128 hex digits" in refused(founded, 2, *eva, (public + own).upper())
    assert "128 hex digits" in refused(founded, 2, *eva, public)
    for none in ("00" * 32, "ff" * 32, f"01{'00' * 31}"):
        assert "is no Ed25519 public key" in refused(founded, 2, *eva, none + own)
    assert "no key to encrypt to" in refused(founded, 2, *eva, other + 64 * "0")
    assert "in use by somebody else" in refused(founded, 2, *eva, public + own)


def test_a_removed_site_is_told_so_and_its_data_stay(founded: Path) -> None:
    token = run(founded, *JOIN_B).strip()
    admit = ("-C", "site_a", "admit", "-", "--expires", "2099-12-31")
    run(founded, *admit, stdin=token)
    write_omop(founded / "omop_B", OMOP)
    run(founded, "-C", "site_b", "ingest", "omop", "omop_B")
    run(founded, "-C", "site_a", "revoke", "B")
    for command in (("query", "domain", "201826"), ("publish",), ("sync",)):
        line = refused(founded, 6, "-C", "site_b", *command)
        assert "site B was removed from this network" in line
    assert len(rows(founded, "-C", "site_a", "query", "person", "B:42")) > 1
    assert "the last administrator" in refused(founded, 6, "-C", "site_a", "revoke", "A")
    site_b = rows(founded, "-C", "site_a", "members")[1]
    assert (site_b["status"], site_b["expires"]) == ("removed", "2099-12-31")
