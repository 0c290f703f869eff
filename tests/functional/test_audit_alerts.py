"""``audit alerts``: thresholds of the command, of the settings, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import precisionchain as pc
from precisionchain.errors import SiteError, UsageError


def command(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "precisionchain", "-q", "-C", str(site), *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose user has read the log three times."""
    folder = tmp_path_factory.mktemp("sites") / "site_a"
    made = [sys.executable, "-m", "precisionchain", "-q", "init", str(folder), "--site", "A"]
    subprocess.run(made, capture_output=True, check=True)
    with pc.connect(folder) as network:
        for _ in range(3):
            network.audit.entries()
    return folder


def alerts(answer: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.splitlines()]


def settings(site: Path, text: str) -> None:
    path = site / "precisionchain.toml"
    before = path.read_text(encoding="utf-8").partition("[alerts]")[0]
    path.write_text(before + text, encoding="utf-8")


def test_thresholds_of_the_command_and_of_the_settings(site: Path) -> None:
    given = ("--questions-per-hour", "2", "--hours", "22-6", "--utc-offset", "+01:00")
    asked = command(site, "audit", "alerts", *given, "--json")
    assert {(row["rule"], row["user"], row["site"]) for row in alerts(asked.stdout)} == {
        ("rate", "admin@A", "A")
    }
    settings(site, "[alerts]\nquestions_per_hour = 2\n")
    with pc.connect(site) as network:
        found = network.audit.alerts()
        assert found["n_questions"].sum() >= 4
        assert set(found["threshold"]) == {2.0}
        assert network.audit.alerts(questions_per_hour=999).height == 0
    settings(site, "")


def test_reading_alerts_is_logged_with_its_rules(site: Path) -> None:
    with pc.connect(site) as network:
        network.audit.alerts(share=0.25, utc_offset=-90)
        last = network.audit.entries().filter(operation="audit-alerts", kind="result").tail(1)
    asked = json.loads(last["question"][0])
    assert (asked["share"], asked["utc_offset"], asked["questions_per_hour"]) == (0.25, -90, 120)
    assert last["status"].to_list() == ["answered"]


@pytest.mark.parametrize(
    "given",
    [
        {"share": 1.5},
        {"share": 0},
        {"questions_per_hour": 0},
        {"refusals": 1.5},
        {"share_days": 0},
        {"closes": 24},
        {"utc_offset": 1_440},
        {"since": "yesterday"},
    ],
)
def test_thresholds_that_cannot_be_are_refused(site: Path, given: dict[str, Any]) -> None:
    with pc.connect(site) as network, pytest.raises(UsageError):
        network.audit.alerts(**given)


@pytest.mark.parametrize("given", [("--hours", "7"), ("--utc-offset", "1")])
def test_what_cannot_be_parsed_is_refused(site: Path, given: tuple[str, str]) -> None:
    refused = command(site, "audit", "alerts", *given)
    assert refused.returncode == 2
    assert refused.stdout == ""


@pytest.mark.parametrize("text", ["[alerts]\nshare = 7\n", '[alerts]\nmood = "bad"\n'])
def test_settings_that_cannot_be_are_named(site: Path, text: str) -> None:
    settings(site, text)
    with pc.connect(site) as network, pytest.raises(SiteError, match=r"precisionchain\.toml"):
        network.audit.alerts()
    settings(site, "")
