"""Renewing, new keys and stolen ones, as they are typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from precisionchain.errors import SiteError
from tests.lib.omop_builder import write_omop
from tests.lib.typed_commands import refused, rows, run, typed

OMOP = """
    condition_occurrence
    person | concept | start
    42     | 201826  | 2015-03-02
    """
MORE = """
    condition_occurrence
    person | concept | start
    42     | 201826  | 2015-03-02
    43     | 201826  | 2016-03-02
    """
A, B = ("-C", "site_a"), ("-C", "site_b")
JOIN_B = ("init", "site_b", "--site", "B", "--ledger", "embedded:../site_a/ledger.sqlite")


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    run(tmp_path, "init", "site_a", "--site", "A", "--build", "GRCh37")
    run(tmp_path, *A, "admit", run(tmp_path, *JOIN_B).strip(), "--expires", "2099-12-31")
    return tmp_path


def site(folder: Path, name: str) -> dict[str, Any]:
    found = [row for row in rows(folder, *A, "members") if row.get("site") == name]
    return next(row for row in found if row["kind"] == "site")


def persons(folder: Path, door: tuple[str, str] = A) -> set[str]:
    return {
        f"{row['site']}:{row['person_id']}"
        for row in rows(folder, *door, "query", "domain", "201826")
    }


def ingest(folder: Path, text: str, name: str) -> None:
    write_omop(folder / name, text)
    run(folder, *B, "ingest", "omop", name, "--source", "ehr")


def test_a_standing_is_renewed_raised_and_lowered(joined: Path) -> None:
    (made,) = rows(joined, *A, "grant", "B", "--admin", "--for-good")
    assert (made["granted"], made["admin"], made.get("expires")) == ("B", True, None)
    (made,) = rows(joined, *B, "grant", "A", "--no-admin")  # B goes on alone
    assert made["admin"] is False
    assert "no administrator" in refused(joined, 6, *A, "grant", "A", "--admin")
    for harmful in (("--no-admin",), ("--expires", "2099-12-31")):
        assert "no administrator that lasts" in refused(joined, 6, *B, "grant", "B", *harmful)
    assert "the contrary" in refused(joined, 2, *B, "grant", "A", "--admin", "--no-admin")
    assert "no member of this network" in refused(joined, 2, *B, "grant", "Z", "--admin")


def test_a_removed_site_and_its_users_are_taken_in_again(joined: Path) -> None:
    run(joined, *A, "revoke", "B")
    refused(joined, 6, *B, "query", "maf", "0-0.5")
    run(joined, *A, "grant", "B")
    assert site(joined, "B")["status"] == "current"
    rows(joined, *B, "query", "maf", "0-0.5")


def test_a_user_is_granted_other_roles(joined: Path) -> None:
    run(joined, *B, "user", "add", "alice", "--role", "auditor")
    refused(joined, 6, *B, "--user", "alice", "query", "maf", "0-0.5")
    (made,) = rows(joined, *B, "user", "grant", "alice", "--role", "researcher")
    assert (made["granted"], made["roles"]) == ("alice@B", ["researcher"])
    rows(joined, *B, "--user", "alice", "query", "maf", "0-0.5")
    refused(joined, 6, *B, "--user", "alice", "audit", "entries")
    run(joined, *B, "user", "revoke", "alice")
    refused(joined, 6, *B, "--user", "alice", "query", "maf", "0-0.5")
    run(joined, *B, "user", "grant", "alice", "--expires", "2099-01-01")
    rows(joined, *B, "--user", "alice", "query", "maf", "0-0.5")
    assert "no role" in refused(joined, 2, *B, "user", "grant", "alice", "--role", "root")


def test_a_site_goes_on_under_a_new_key(joined: Path) -> None:
    ingest(joined, OMOP, "january")
    before = site(joined, "B")
    (made,) = rows(joined, *B, "rotate-key")
    after = site(joined, "B")
    assert made["rotated"] == "B"
    assert after["keys"] == [before["public_key"], after["public_key"]]
    assert after["public_key"] != before["public_key"]
    names = {path.name for path in (joined / "site_b" / "keys").iterdir()}
    assert names == {"site.key", f"site.key.{str(before['public_key'])[:16]}", "admin@B.key"}
    ingest(joined, MORE, "february")
    assert persons(joined) == {"B:42", "B:43"}
    run(joined, *A, "verify")


def test_a_user_goes_on_under_a_new_key(joined: Path) -> None:
    run(joined, *B, "user", "add", "alice", "--role", "researcher")
    run(joined, *B, "user", "rotate-key", "alice")
    rows(joined, *B, "--user", "alice", "query", "maf", "0-0.5")
    run(joined, *B, "user", "rotate-key", "admin")  # the acting user's own
    rows(joined, *B, "query", "maf", "0-0.5")
    assert "no user of site B" in refused(joined, 2, *B, "user", "rotate-key", "zoe")


def test_what_a_stolen_key_signed_counts_no_more_and_is_published_again(joined: Path) -> None:
    ingest(joined, OMOP, "january")
    stolen = str(site(joined, "B")["public_key"])
    since = 1 + max(int(str(row["since_position"])) for row in rows(joined, *A, "members"))
    run(joined, *B, "rotate-key")
    assert persons(joined) == {"B:42"}
    (made,) = rows(joined, *B, "compromised", stolen, "--since", str(since))
    assert made == {"compromised": stolen, "of": "B", "since": since}
    assert "201826" in refused(joined, 2, *A, "query", "domain", "201826")
    assert "signed with a key declared compromised" in run(joined, *A, "verify", "--json")
    ingest(joined, MORE, "again")
    assert persons(joined) == {"B:42", "B:43"}
    later = ("compromised", stolen, "--since", str(since + 1))
    assert "readers would not count" in refused(joined, 6, *B, *later)
    assert "nobody in this network" in refused(
        joined, 2, *B, "compromised", "ab" * 32, "--since", "3"
    )
    assert "no public key" in refused(joined, 2, *B, "compromised", "AB", "--since", "3")


def test_a_site_whose_key_is_in_other_hands_gets_a_new_one_from_an_administrator(
    joined: Path,
) -> None:
    ingest(joined, OMOP, "january")
    token = run(joined, *B, "rotate-key", "--token").strip()
    assert "replaces its key itself" in refused(joined, 6, *A, "rekey", token)
    run(joined, *A, "revoke", "B")
    stale = token
    token = run(joined, *B, "rotate-key", "--token").strip()
    assert "readers would not count" in refused(joined, 6, *A, "rekey", stale)
    assert "damaged" in refused(joined, 2, *A, "rekey", token[:-1])
    (made,) = rows(joined, *A, "rekey", token)
    assert made["rekeyed"] == "B"
    assert "was replaced" in refused(joined, 6, *B, "query", "maf", "0-0.5")
    run(joined, *B, "rotate-key")
    ingest(joined, MORE, "february")
    assert persons(joined, B) == {"B:42", "B:43"}


def test_members_says_that_there_is_one_administrator_only(joined: Path) -> None:
    alone = "one administrator without an expiry date"
    assert alone in typed(joined, *A, "members")[2]
    run(joined, *A, "grant", "B", "--admin", "--for-good")
    assert alone not in typed(joined, *A, "members")[2]


def test_what_was_asked_with_a_stolen_key_stays_on_the_log_and_is_marked(joined: Path) -> None:
    run(joined, *B, "user", "add", "alice", "--role", "researcher")
    run(joined, *A, "user", "add", "ada", "--role", "auditor")
    rows(joined, *B, "--user", "alice", "query", "maf", "0-0.5")
    users = [row for row in rows(joined, *A, "members") if row.get("user") == "alice@B"]
    since = str(int(users[0]["since_position"]) + 1)
    rows(joined, *B, "compromised", users[0]["public_key"], "--since", since)
    assert "alice@B" in run(joined, *A, "--user", "ada", "audit", "entries", "--json")
    out = run(joined, *A, "verify", "--json")
    assert out.count("asked with a key declared compromised") >= 2  # request and result
    refused(joined, 6, *B, "--user", "alice", "query", "maf", "0-0.5")
    (alice,) = [row for row in rows(joined, *A, "members") if row.get("user") == "alice@B"]
    assert alice["status"] == "compromised"
    run(joined, *B, "user", "rotate-key", "alice")
    rows(joined, *B, "--user", "alice", "query", "maf", "0-0.5")


@pytest.mark.parametrize("step", ["renewal.rotate", "key_change.use_new_key"])
def test_a_rotation_that_broke_off_goes_on_when_repeated(joined: Path, step: str) -> None:
    ingest(joined, OMOP, "january")
    for command in (("rotate-key",), ("user", "rotate-key", "admin")):
        with mock.patch(f"precisionchain.ledger.{step}", side_effect=SiteError("killed")):
            assert "killed" in refused(joined, 3, *B, *command)
        run(joined, *B, *command)
    (user,) = [row for row in rows(joined, *A, "members") if row.get("user") == "admin@B"]
    assert len(user["keys"]) == len(site(joined, "B")["keys"]) == 2
    ingest(joined, MORE, "february")
    assert persons(joined) == {"B:42", "B:43"}


def test_no_key_is_replaced_while_a_publication_waits(joined: Path) -> None:
    write_omop(joined / "january", OMOP)
    with mock.patch("precisionchain.ingest.publish.send_batch", side_effect=SiteError("killed")):
        refused(joined, 3, *B, "ingest", "omop", "january", "--source", "ehr")
    assert "a publication is not finished" in refused(joined, 3, *B, "rotate-key")
    run(joined, *B, "publish")
    run(joined, *B, "rotate-key")
    assert persons(joined) == {"B:42"}


def test_a_last_day_and_none_are_not_given_together(joined: Path) -> None:
    before = site(joined, "B")
    both = ("--expires", "2098-12-31", "--for-good")
    assert "contrary" in refused(joined, 2, *A, "grant", "B", *both)
    assert "contrary" in refused(joined, 2, *B, "user", "grant", "admin", *both)
    assert site(joined, "B") == before


def test_a_folder_with_the_key_of_another_site_writes_nothing(joined: Path) -> None:
    """It would withdraw that site's persons, and sign checkpoints in its name."""
    write_omop(joined / "omop", OMOP)
    run(joined, *B, "ingest", "omop", "omop")
    own, other = (joined / s / "keys" / "site.key" for s in ("site_a", "site_b"))
    kept = own.read_bytes()
    own.write_bytes(other.read_bytes())
    before = rows(joined, *B, "checkpoint")[0]["position"]
    for asked in (
        ("withdraw", "--person", "42"),
        ("checkpoint",),
        ("rotate-key",),
        ("query", "person", "B:42"),
    ):
        told = refused(joined, 3, *A, *asked)
        assert "of site B" in told
        assert "of site A" in told
    assert rows(joined, *B, "checkpoint")[0]["position"] == before
    own.write_bytes(kept)
    run(joined, *A, "query", "person", "B:42")
