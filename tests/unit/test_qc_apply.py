"""What quality control does to a run: nothing, a table beside it, or a run without the excluded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import pytest

from precisionchain.errors import CodecError, SealRefusedError, SiteError, UsageError
from precisionchain.ingest import vcf_blocks
from precisionchain.ingest.qc import Mode, Thresholds, apply_qc, assess, excluded_drafts
from precisionchain.ingest.qc_calls import staged_calls
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.ingest.vcf_writer import RunWriter
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.counts import allele_counts
from precisionchain.schemas.exclusions import EXCLUDED, read_excluded
from precisionchain.schemas.items import Codec, Payload
from tests.lib.qc_files import simulate
from tests.lib.vcf_builder import write_map, write_vcf

SIX = tuple(f"s{number}" for number in range(1, 7))
LIMITS = Thresholds(sample_missing=0.07, variant_missing=0.1, hwe_p=1e-3)


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "staging")


def stage(staging: Staging, folder: Path, **options: Any) -> Run:
    files = simulate(folder, 5, persons=70, alleles=40)
    return stage_vcf(
        staging, [files.vcf], VcfSettings(samples=files.samples, build="GRCh37", **options)
    )


def contents(run: Run) -> dict[str, str]:
    """Return the digest of every file of a run."""
    return {
        str(path.relative_to(run.path)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(run.path.rglob("*"))
        if path.is_file()
    }


def test_none_leaves_the_run_as_it_is(staging: Staging, tmp_path: Path) -> None:
    run = stage(staging, tmp_path / "in")
    before = contents(run)
    after = apply_qc(staging, run, "none", thresholds=LIMITS)
    assert after == run
    assert contents(after) == before
    assert list(excluded_drafts(after.path)) == []


def test_mark_adds_the_table_and_the_settings_and_nothing_else(
    staging: Staging, tmp_path: Path
) -> None:
    run = stage(staging, tmp_path / "in")
    before, exclusions = contents(run), assess(run.path, thresholds=LIMITS)
    after = apply_qc(staging, run, "mark", thresholds=LIMITS)
    found = contents(after)
    assert {name: d for name, d in found.items() if before.get(name) != d}.keys() == {
        "excluded.parquet",
        "person_figures.parquet",
        "run.json",
    }
    assert before.keys() < found.keys()
    assert pq.read_table(after.path / "excluded.parquet").equals(exclusions.table)
    said = after.description
    assert said["settings"]["qc"] == LIMITS.settings("mark")
    assert said["statistics"]["qc"]["rules"] == exclusions.counts()
    assert said["statistics"]["qc"]["skipped"] is None
    assert said["staged_source_id"] == run.source_id


def test_the_source_id_follows_from_the_staged_one_and_the_settings(
    staging: Staging, tmp_path: Path
) -> None:
    run = stage(staging, tmp_path / "in")
    after = apply_qc(staging, run, "mark", thresholds=LIMITS)
    settings = canonical_json(LIMITS.settings("mark"))
    text = b"precisionchain qc 1\0" + bytes.fromhex(run.source_id) + settings
    assert after.source_id == hashlib.sha256(text).hexdigest()


def test_every_setting_gives_another_source_id(tmp_path: Path) -> None:
    ids = set()
    choices: list[tuple[Mode, Thresholds]] = [
        ("none", LIMITS),
        ("mark", LIMITS),
        ("remove", LIMITS),
        ("mark", Thresholds()),
    ]
    for number, (mode, limits) in enumerate(choices):
        staging = Staging(tmp_path / str(number) / "staging")
        run = stage(staging, tmp_path / str(number) / "in")
        ids.add(apply_qc(staging, run, mode, thresholds=limits).source_id)
    assert len(ids) == len(choices)


def test_remove_leaves_what_is_not_excluded_with_counts_of_its_own(
    staging: Staging, tmp_path: Path
) -> None:
    run = stage(staging, tmp_path / "in")
    exclusions = assess(run.path, thresholds=LIMITS)
    old = whole(run)
    after = apply_qc(staging, run, "remove", thresholds=LIMITS)
    new = whole(after)
    persons = np.delete(np.arange(70), exclusions.persons)
    alleles = np.delete(np.arange(len(old["sites"])), exclusions.alleles)
    assert 0 < len(persons) < 70
    assert 0 < len(alleles) < len(old["sites"])
    assert new["sites"] == [old["sites"][i] for i in alleles]
    assert new["persons"] == [old["persons"][i] for i in persons]
    for name in ("dosage", "haploid", "phase"):
        assert np.array_equal(new[name], old[name][np.ix_(alleles, persons)]), name
    assert after.description["statistics"]["alleles"] == len(alleles)
    assert after.description["statistics"]["persons"] == len(persons)
    assert pq.read_table(after.path / "excluded.parquet").equals(exclusions.table)
    assert pq.read_table(after.path / "samples.parquet")["index"].to_pylist() == list(
        range(len(persons))
    )


def whole(run: Run) -> dict[str, Any]:
    """Return a run's sites, persons and calls; assert that its tables agree with its blocks."""
    parts = list(staged_calls(run.path))
    keys = ("chrom", "pos", "ref", "alt")
    sites = pq.read_table(run.path / "sites.parquet", columns=list(keys)).to_pylist()
    in_blocks = [
        {"chrom": part.chrom, **row}
        for part in parts
        for row in part.sites.select(keys[1:]).to_pylist()
    ]
    assert in_blocks == sites
    counted = pq.read_table(run.path / "counts.parquet")
    counts = [allele_counts(part.calls()).columns() for part in parts]
    for name in counts[0]:
        expected = np.concatenate([part[name] for part in counts])
        assert counted[name].to_pylist() == expected.tolist()
    calls = [part.calls() for part in parts]
    shapes = [call.dosage.shape for call in calls]
    return {
        "sites": sites,
        "persons": pq.read_table(run.path / "samples.parquet")["person_id"].to_pylist(),
        "dosage": np.concatenate([call.dosage for call in calls]),
        "haploid": np.concatenate(
            [
                np.zeros(s, np.bool_) if c.haploid is None else c.haploid
                for c, s in zip(calls, shapes, strict=True)
            ]
        ),
        "phase": np.concatenate(
            [
                np.zeros(s, np.uint8) if c.phase is None else c.phase
                for c, s in zip(calls, shapes, strict=True)
            ]
        ),
    }


def test_persons_in_several_blocks_are_judged_as_one_batch(
    staging: Staging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = assess(stage(staging, tmp_path / "in").path, thresholds=LIMITS)
    monkeypatch.setattr(vcf_blocks, "MAX_PERSONS", 30)
    apart = Staging(tmp_path / "apart" / "staging")
    run = stage(apart, tmp_path / "in")
    offsets = pq.read_table(run.path / "blocks.parquet")["person_offset"].to_pylist()
    assert len(set(offsets)) == 3
    assert assess(run.path, thresholds=LIMITS).table.equals(together.table)
    after = apply_qc(apart, run, "remove", thresholds=LIMITS)
    assert len(whole(after)["persons"]) == 70 - len(together.persons)


def test_where_an_allele_was_removed_nothing_is_assayed(staging: Staging, tmp_path: Path) -> None:
    bed = tmp_path / "all.bed"
    bed.write_text("1\t0\t3000000\nX\t0\t2600000\n", encoding="utf-8")
    run = stage(staging, tmp_path / "in", assay=bed)
    after = apply_qc(staging, run, "remove", thresholds=LIMITS)
    gone = pq.read_table(after.path / "excluded.parquet").to_pylist()
    extent = pq.read_table(after.path / "extent.parquet").to_pylist()
    for chrom, last in (("1", 3_000_000), ("X", 2_600_000)):
        assayed = np.zeros(last + 1, np.bool_)
        for part in extent:
            if part["chrom"] == chrom:
                assayed[part["start"] : part["end"] + 1] = True
        holes = {r["pos"] for r in gone if r["chrom"] == chrom and r["pos"] <= last}
        assert holes
        assert set(np.flatnonzero(~assayed[1:]) + 1) == holes


def test_again_with_the_same_settings_changes_nothing_with_others_is_refused(
    staging: Staging, tmp_path: Path
) -> None:
    run = stage(staging, tmp_path / "in")
    once = apply_qc(staging, run, "mark", thresholds=LIMITS)
    before = contents(once)
    assert contents(apply_qc(staging, once, "mark", thresholds=LIMITS)) == before
    for mode, limits in (("mark", Thresholds()), ("remove", LIMITS), ("none", LIMITS)):
        with pytest.raises(SiteError, match="other settings"):
            apply_qc(staging, once, mode, thresholds=limits)  # type: ignore[arg-type]
    assert contents(staging.read(once.name)) == before


def test_a_run_that_was_skipped_says_so_and_publishes_an_empty_table(
    staging: Staging, tmp_path: Path
) -> None:
    run = stage(staging, tmp_path / "in")
    limits = Thresholds(min_founders=1_000)
    lines: list[str] = []
    after = apply_qc(staging, run, "remove", thresholds=limits, step=lines.append)
    skipped = after.description["statistics"]["qc"]["skipped"]
    assert skipped.endswith("fewer than 1000")
    assert lines[-1] == f"quality control skipped: {skipped}"
    (draft,) = excluded_drafts(after.path)
    rows, said = read_excluded(draft.payload)
    assert rows.equals(EXCLUDED.empty_table())
    assert said == limits.settings("remove")
    assert whole(after)["sites"] == whole(run)["sites"]


def test_a_run_of_which_nothing_would_be_left_stays_as_it_is(
    staging: Staging, tmp_path: Path
) -> None:
    run = stage(staging, tmp_path / "in")
    before = contents(run)
    nobody = Thresholds(sample_missing=0.0)
    with pytest.raises(SealRefusedError, match="all 70 persons"):
        apply_qc(staging, run, "remove", thresholds=nobody)
    assert contents(staging.read(run.name)) == before


def test_a_run_whose_every_allele_goes_stays_as_it_is(staging: Staging, tmp_path: Path) -> None:
    calls = " ".join(["0/0"] * 6)
    vcf = write_vcf(tmp_path / "in.vcf", f"9:5 A G {calls}", f"9:9 A G {calls}", samples=SIX)
    samples = write_map(tmp_path / "map.csv", *(f"{name},{name[1]},F" for name in SIX))
    run = stage_vcf(staging, [vcf], VcfSettings(samples=samples, build="GRCh37"))
    before = contents(run)
    with pytest.raises(SealRefusedError, match="every allele"):
        apply_qc(staging, run, "remove", thresholds=Thresholds(min_founders=0))
    assert contents(staging.read(run.name)) == before
    assert [path.name for path in run.path.parent.iterdir()] == [run.name]


def test_exclusions_travel_as_items_of_their_stream(staging: Staging, tmp_path: Path) -> None:
    run = apply_qc(staging, stage(staging, tmp_path / "in"), "mark", thresholds=LIMITS)
    (draft,) = excluded_drafts(run.path)
    assert (draft.family, draft.keys, draft.payload.kind) == ("EXCLUDED", (), "excluded")
    rows, said = read_excluded(draft.payload)
    assert rows.equals(pq.read_table(run.path / "excluded.parquet"))
    assert said == json.loads((run.path / "run.json").read_text())["settings"]["qc"]
    names = pq.read_table(run.path / "samples.parquet")["sample_id"].to_pylist()
    assert not any(str(name).encode() in draft.payload.body for name in names)


def test_other_payloads_are_not_taken_for_exclusions() -> None:
    with pytest.raises(CodecError):
        read_excluded(Payload("counts", Codec.ARROW, b""))
    with pytest.raises(CodecError):
        read_excluded(Payload("excluded", Codec.ARROW, b"no Arrow"))


def test_unknown_modes_and_clinical_runs_are_refused(staging: Staging, tmp_path: Path) -> None:
    run = stage(staging, tmp_path / "in")
    with pytest.raises(UsageError, match="none, mark, remove"):
        apply_qc(staging, run, "drop")  # type: ignore[arg-type]
    clinical = Run(run.name, run.path, run.description | {"kind": "omop"})
    with pytest.raises(UsageError, match="no genotypes"):
        apply_qc(staging, clinical, "mark")


def test_remove_keeps_the_bytes_of_blocks_that_lose_nothing(
    staging: Staging, tmp_path: Path
) -> None:
    """One allele of contig 2 is out of equilibrium; what contigs 1 and 3 hold is not encoded."""
    names = tuple(f"s{n}" for n in range(40))
    calls = {
        "fine": " ".join(("0/0", "0/1", "1/1", "0/1")[n % 4] for n in range(40)),
        "odd": " ".join(["0/1"] * 40),
        "rare": " ".join(["0/1"] + ["0/0"] * 39),
    }
    kinds = {"1": ("fine", "rare"), "2": ("fine", "odd", "rare"), "3": ("rare", "fine")}
    specs = [
        f"{contig}:{1000 + at} A C {calls[kind]}"
        for contig, of_contig in kinds.items()
        for at, kind in enumerate(of_contig)
    ]
    vcf = write_vcf(tmp_path / "in.vcf", *specs, samples=names)
    samples = write_map(tmp_path / "map.csv", *(f"{name},{n},F" for n, name in enumerate(names)))
    run = stage_vcf(staging, [vcf], VcfSettings(samples=samples, build="GRCh37"))
    before = bodies(run)
    limits = Thresholds(ld_r2=None)
    with mock.patch.object(RunWriter, "add", autospec=True, side_effect=RunWriter.add) as added:
        after = apply_qc(staging, run, "remove", thresholds=limits)
    assert [call.args[1].chrom for call in added.call_args_list] == ["2"]
    left = bodies(after)
    assert {chrom for chrom in left if left[chrom] == before[chrom]} == {"1", "3"}
    counts = pq.read_table(after.path / "counts.parquet").select(["chrom", "pos", "n_het"])
    assert counts.to_pydict() == {
        "chrom": ["1", "1", "2", "2", "3", "3"],
        "pos": [1000, 1001, 1000, 1002, 1000, 1001],
        "n_het": [20, 1, 20, 1, 1, 20],
    }


def bodies(run: Run) -> dict[str, bytes]:
    blocks = pq.read_table(run.path / "blocks.parquet")
    numbers = zip(blocks["chrom"].to_pylist(), blocks["block"].to_pylist(), strict=True)
    return {str(c): (run.path / "blocks" / f"{n:06d}.arrow").read_bytes() for c, n in numbers}
