"""Thousands of states of drawn networks, and of sites that publish at once, against the files.

The same networks as in ``tests/generative``, more of them and larger; and two sites as processes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

import pytest

import precisionchain as pc
from precisionchain.opened import OpenSite
from tests.conftest import PROJECT_ROOT
from tests.lib.history_runs import two_sites
from tests.lib.mixed_histories import Found, controlled, interleaved, life, one_load
from tests.lib.mixed_loads import UNLISTED, Drawing
from tests.lib.mixed_networks import STATES, Answers, failed_checks, six_counts, text
from tests.lib.mixed_oracle import Load, NetworkOracle
from tests.lib.vcf_builder import write_map

NETWORKS = 40


def total(found: list[Found]) -> Found:
    """Add up what was asked, and show it."""
    whole = Found(
        sum(one.states for one in found),
        sum(one.alleles for one in found),
        sum((one.done for one in found), Found().done),
        [f"network {n}: {text}" for n, one in enumerate(found) for text in one.differences],
    )
    sys.stderr.write(
        f"\n{len(found)} networks, {whole.states} states, {whole.alleles} alleles, "
        f"{dict(whole.done)}: {len(whole.differences)} differences\n"
    )
    return whole


def test_states_and_counts_after_many_lives(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for seed in range(NETWORKS):
        with tempfile.TemporaryDirectory() as folder:
            found.append(life(Path(folder), Random(seed), steps=12))
    with capsys.disabled():
        assert not total(found).differences


def test_many_splits_are_one_load(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for seed in range(NETWORKS):
        with tempfile.TemporaryDirectory() as folder:
            found.append(one_load(Path(folder), Random(seed), persons=12))
    with capsys.disabled():
        whole = total(found)
    assert not whole.differences
    assert whole.done["parts"] > 2 * NETWORKS


def test_many_sites_that_work_by_turns(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for seed in range(NETWORKS):
        with tempfile.TemporaryDirectory() as folder:
            found.append(interleaved(Path(folder), Random(seed)))
    with capsys.disabled():
        assert not total(found).differences


def test_what_quality_control_took_out_is_nobodys_genotype(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = []
    for seed in range(NETWORKS // 3):
        with tempfile.TemporaryDirectory() as folder:
            found.append(controlled(Path(folder), Random(seed)))
    with capsys.disabled():
        whole = total(found)
    assert not whole.differences
    assert whole.done["removed alleles"] > NETWORKS // 3


@pytest.mark.parametrize("seed", range(4))
def test_two_sites_that_ingest_at_the_same_time(tmp_path: Path, seed: int) -> None:
    sites = two_sites(tmp_path)
    (tmp_path / "inputs").mkdir()
    drawing = Drawing(tmp_path / "inputs", Random(seed))
    oracle = NetworkOracle(sites)
    lives = {name: [load for _ in range(3) if (load := drawing.load(name)).taken] for name in "AB"}
    running = [
        _ingesting(tmp_path, sites[name].folder.root, loads, again=name == "B")
        for name, loads in lives.items()
    ]
    for process in running:
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
    for name, loads in lives.items():
        for load in loads:
            oracle.sites[name].load(load)
    listed = oracle.alleles()
    for site in sites.values():
        answers = _answers(site.folder.root, sorted(listed | set(UNLISTED)))
        assert not list(answers.differences(oracle, listed))
        assert not failed_checks(site)


def _ingesting(
    folder: Path, site: Path, loads: list[Load], *, again: bool
) -> subprocess.Popen[bytes]:
    """Let a process ingest loads one after the other, by choice each twice."""
    commands = []
    for number, load in enumerate(loads):
        rows = [
            f"{sample},{person},{load.sexes[sample]}" for sample, person in load.persons.items()
        ]
        mapped = write_map(folder / f"map_{load.site}_{number}.csv", *rows)
        command = [sys.executable, "-m", "precisionchain", "-C", site, "ingest", "vcf", *load.files]
        command += ["--samples", mapped, "--build", "GRCh37", "--assay", load.assay, "--qc", "none"]
        command += ["--half-call", load.half_call, "--filter", load.filter_policy, "--replace"]
        command += ["--source", f"load {number}"]
        commands += [command, command] if again else [command]
    script = "import subprocess, sys\nfor command in {}: subprocess.run(command, check=True)\n"
    texts = [[str(part) for part in command] for command in commands]
    return subprocess.Popen(
        [sys.executable, "-c", script.format(texts)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _answers(site: Path, keys: list[tuple[str, int, str, str]]) -> Answers:
    with pc.connect(site) as network:
        frequencies = network.maf(0, 0.5)
        states = {key: network.variant(text(key), genotype=STATES) for key in keys}
        by_sex = network.frequencies(map(text, keys), by="sex")
    opened = OpenSite(site)
    try:
        return Answers(frequencies, states, six_counts(opened.snapshot()), by_sex)
    finally:
        opened.close()
