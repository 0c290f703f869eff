"""Checkpoints and proofs as they are typed: handed over, kept, refused, checked without a site."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import precisionchain as pc
from tests.lib.typed_commands import refused, rows, run

JOIN_B = ("init", "site_b", "--site", "B", "--ledger", "embedded:../site_a/ledger.sqlite")


@pytest.fixture(scope="module")
def two_sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two_sites")
    run(folder, "init", "site_a", "--site", "A", "--build", "GRCh37")
    token = run(folder, *JOIN_B).strip()
    run(folder, "-C", "site_a", "admit", token)
    return folder


def test_a_checkpoint_is_handed_over_kept_and_confirmed(two_sites: Path) -> None:
    line = run(two_sites, "-C", "site_a", "checkpoint")
    (two_sites / "a.txt").write_text(line)
    (said,) = rows(two_sites, "-C", "site_a", "checkpoint")
    assert said["checkpoint"] == line.strip()
    (confirmed,) = rows(two_sites, "-C", "site_b", "checkpoint", "--add", "a.txt")
    assert {**confirmed, "site": "A", "checkpoint": ""} == {**said, "checkpoint": ""}
    kept = rows(two_sites, "-C", "site_b", "checkpoint", "--list")
    assert [each["site"] for each in kept] == ["A"]
    checked = rows(two_sites, "-C", "site_b", "verify")
    (note,) = [each["note"] for each in checked if each["check"] == "checkpoints"]
    assert note.startswith("compared with 1 member's checkpoint, newest ")
    assert note.endswith(f", position {said['position']}")


def test_what_cannot_be_kept_is_one_line(two_sites: Path) -> None:
    line = run(two_sites, "-C", "site_a", "checkpoint").strip()
    for given, code in ((line[:-3], 8), (f"{line[:-12]}{line[-11:]}", 8), ("nowhere.txt", 4)):
        assert refused(two_sites, code, "-C", "site_b", "checkpoint", "--add", given)
    refused(two_sites, 2, "-C", "site_b", "checkpoint", "--add", line, "--publish")


def test_a_proof_of_an_item_is_checked_without_a_site(two_sites: Path, tmp_path: Path) -> None:
    run(two_sites, "-C", "site_a", "checkpoint", "--publish")
    line = run(two_sites, "-C", "site_a", "checkpoint").strip()
    run(two_sites, "-C", "site_a", "prove", "1", "--output", "proof.json", "--overwrite")
    (held,) = rows(two_sites, "check-proof", "proof.json")
    assert (held["holds"], held["position"], held["stream"]) == (True, 1, "NETWORK_1")
    assert held["checkpoint_site"] == "A"
    proof = json.loads((two_sites / "proof.json").read_text())
    assert pc.check_inclusion(proof, proof["checkpoint"]).position == 1
    run(two_sites, "check-proof", "proof.json", "--checkpoint", line)
    proof["position"] = 2
    (tmp_path / "changed.json").write_text(json.dumps(proof))
    refused(two_sites, 8, "check-proof", str(tmp_path / "changed.json"))
    refused(two_sites, 4, "check-proof", "site_a")
    refused(two_sites, 2, "-C", "site_a", "prove", "99999")
    refused(two_sites, 2, "-C", "site_a", "prove")


def test_growth_is_proved_to_who_kept_a_checkpoint(two_sites: Path) -> None:
    (two_sites / "kept.txt").write_text(run(two_sites, "-C", "site_a", "checkpoint"))
    run(two_sites, "-C", "site_b", "user", "add", "alice", "--role", "researcher")
    proof = run(two_sites, "-C", "site_b", "prove", "--since", "kept.txt")
    (two_sites / "growth.json").write_text(proof)
    (held,) = rows(two_sites, "check-proof", "growth.json", "--since", "kept.txt")
    assert held["holds"]
    assert held["checkpoint_position"] > held["since"]
    read = json.loads(proof)
    pc.check_consistency(read, read["earlier"], read["checkpoint"])
    with pytest.raises(pc.PrecisionChainError):
        pc.check_consistency(read, read["checkpoint"], read["earlier"])


def test_a_checkpoint_of_another_network_is_said_to_be_one(two_sites: Path, tmp_path: Path) -> None:
    """It says nothing against this ledger, so nobody is told to mistrust it."""
    run(tmp_path, "init", "site_c", "--site", "C")
    line = run(tmp_path, "-C", "site_c", "checkpoint").strip()
    for asked in (("prove", "1", "--checkpoint", line), ("prove", "--since", line)):
        told = refused(two_sites, 2, "-C", "site_a", *asked)
        assert "of another network" in told
        assert "trust" not in told


def test_a_file_of_nothing_but_brackets_is_no_proof(two_sites: Path, tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    refused(two_sites, 4, "check-proof", str(tmp_path / "deep.json"))
