"""Staging files as one batch: the run's tables, what is refused, and what shapes the source id."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from precisionchain import errors
from precisionchain.ingest.report import Advance, Step, silent
from precisionchain.ingest.stage_vcf import Normalising, stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_samples import Sample, SampleSet
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.ingest.vcf_structural_sites import STRUCTURAL_SITES
from precisionchain.ingest.vcf_writer import person_set
from precisionchain.schemas.genotypes import unpack_variant_block
from tests.lib.vcf_builder import (
    header,
    record,
    vcf_text,
    write_map,
    write_text,
    write_vcf,
)

MAP = ("a,11,M", "b,-12,F")


def stage(
    folder: Path,
    *files: Path,
    rows: tuple[str, ...] = MAP,
    normalisation: tuple[str, ...] = ("split", "trim"),
    step: Step = silent,
    advance: Advance | None = None,
    **options: Any,
) -> Run:
    samples = write_map(folder / "map.csv", *rows)
    settings = VcfSettings(samples=samples, **({"build": "GRCh37"} | options))
    return stage_vcf(
        Staging(folder / "staging"),
        files,
        settings,
        Normalising(normalisation),
        step=step,
        advance=advance,
    )


def table(run: Run, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(run.path / f"{name}.parquet").to_pylist()
    return rows


def test_the_tables_of_a_run(tmp_path: Path) -> None:
    text = header(("chr9", "chrX")) + "".join(
        (
            record("chr9:100 CTT CT,C 0|1 2|1", ident="rs1;rs2"),
            record("chr9:16400 A G ./. 1/1", filters="q10"),
            record("chrX:5000000 T C 1/1 0/1", filters="."),
        )
    )
    run = stage(tmp_path, write_text(tmp_path / "set.vcf.gz", text))
    assert table(run, "samples") == [
        {"index": 0, "sample_id": "a", "person_id": 11, "sex": 1, "father": None, "mother": None},
        {"index": 1, "sample_id": "b", "person_id": -12, "sex": 2, "father": None, "mother": None},
    ]
    none = dict.fromkeys(STRUCTURAL_SITES.names)
    common = none | {
        "id": "rs1;rs2",
        "record": 0,
        "n_alts": 2,
        "record_pos": 100,
        "record_end": 102,
    }
    first = {"chrom": "9", "pos": 100, "filter": "PASS", "block": 0} | common
    assert table(run, "sites") == [
        first | {"ref": "CT", "alt": "C", "alt_index": 1, "row": 0},
        first | {"ref": "CTT", "alt": "C", "alt_index": 2, "row": 1},
        {
            "chrom": "9", "pos": 16400, "ref": "A", "alt": "G", "id": None, "record": 1,
            "alt_index": 1, "n_alts": 1, "record_pos": 16400, "record_end": 16400,
            "filter": "q10", "block": 0, "row": 2, **none,
        },
        {
            "chrom": "X", "pos": 5000000, "ref": "T", "alt": "C", "id": None, "record": 2,
            "alt_index": 1, "n_alts": 1, "record_pos": 5000000, "record_end": 5000000,
            "filter": None, "block": 1, "row": 0, **none,
        },
    ]  # fmt: skip
    counts = [tuple(row.values()) for row in table(run, "counts")]
    assert counts == [
        ("9", 100, "CT", "C", 2, 4, 2, 0, 0, 0),
        ("9", 100, "CTT", "C", 1, 4, 1, 0, 0, 0),
        ("9", 16400, "A", "G", 2, 2, 0, 1, 0, 1),
        ("X", 5000000, "T", "C", 2, 3, 1, 0, 1, 0),
    ]
    blocks = table(run, "blocks")
    assert [tuple(block.values())[:9] for block in blocks] == [
        (0, "9", 100, 16400, 0, 1, 3, 2, 0),
        (1, "X", 5000000, 5000000, 305, 305, 1, 2, 0),
    ]
    body = unpack_variant_block((run.path / "blocks" / "000001.arrow").read_bytes())
    assert (body.chrom, body.person_offset) == ("X", 0)
    samples = SampleSet((Sample("a", 11, 1), Sample("b", -12, 2)))
    assert body.person_set == person_set(samples)
    calls = body.calls()
    assert calls.haploid is not None
    assert (calls.dosage.tolist(), calls.haploid.tolist()) == ([[1, 1]], [[True, False]])
    assert table(run, "extent") == []
    assert table(run, "refused") == []


def test_what_run_json_says(tmp_path: Path) -> None:
    run = stage(
        tmp_path, write_vcf(tmp_path / "set.vcf.gz", "9:5 A G,<DEL> 0/1 0/0", "9:9 A G 0 1")
    )
    said = json.loads((run.path / "run.json").read_text("utf-8"))
    assert said == run.description
    assert (run.kind, said["build"]) == ("vcf", "GRCh37")
    assert run.source == f"vcf-{run.source_id[:12]}"  # no file name leaves the site
    assert said["build_proof"] == "contig-lengths"
    assert said["assay"] == {"kind": "sites", "classes": ["snv", "indel"]}
    assert said["inputs"][0]["records"] == 2
    statistics = said["statistics"]
    assert (statistics["records"], statistics["refused"], statistics["alleles"]) == (2, 1, 1)
    assert statistics["refused_by_rule"] == {"sv_end": 1}
    assert str(tmp_path) not in json.dumps(said)


LINES = {
    "symbolic_allele": record("9:6 A <CPX> 0/1 0/0"),
    "breakend_allele": record("9:6 A A]<ctg>:7] 0/1 0/0"),
    "sv_end": record("9:6 A <DEL> 0/1 0/0", info="SVTYPE=DEL"),
    "sv_length": record("9:6 A <INS> 0/1 0/0", info="SVLEN=5,6"),
    "gvcf_block": record("9:6 A <NON_REF> 0/0 0/0", info="END=90"),
    "ploidy": record("9:6 A G 0/1/1 0/0"),
    "allele_number": record("9:6 A G 0/2 0/0"),
    "no_genotypes": record("9:6 A G 5 6").replace("\tGT\t", "\tDP\t"),
    "alt_bases": record("9:6 A R 0/1 0/0"),
    "alt_equals_ref": record("9:6 A A 0/1 0/0"),
    "filter": record("9:6 A G 0/1 0/0", filters="q10"),
}


@pytest.mark.parametrize("rule", LINES)
@pytest.mark.parametrize("form", ["vcf", "vcf.gz"])
def test_a_refused_record_is_listed_with_its_line(tmp_path: Path, rule: str, form: str) -> None:
    text = header() + record("9:5 A G 0/1 0/0") + LINES[rule] + record("9:90 A G 0/1 0/0")
    path = write_text(tmp_path / f"f.{form}", text)
    run = stage(tmp_path, path, filter_policy="pass", assay="wgs")
    assert table(run, "refused") == [
        {
            "file": path.name,
            "line": header().count("\n") + 2,
            "chrom": "9",
            "pos": 6,
            "rule": rule,
            "severity": "error",
        }
    ]
    assert [site["pos"] for site in table(run, "sites")] == [5, 90]
    # What was refused is not assayed; a gVCF block is taken out to its END.
    end = 90 if rule == "gvcf_block" else 6
    assert [tuple(row.values()) for row in table(run, "extent")] == [
        ("9", 1, 5),
        ("9", end + 1, 141213431),
    ]


def test_ploidy_is_refused_in_bcf_by_its_number(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "f.bcf", "9:5 A G 0/1 0/0", "9:6 A G 0/0/1 0/0")
    assert [row["line"] for row in table(stage(tmp_path, path), "refused")] == [2]


def test_filters_are_kept_by_default(tmp_path: Path) -> None:
    path = write_text(tmp_path / "f.vcf", header() + LINES["filter"])
    assert [site["filter"] for site in table(stage(tmp_path, path), "sites")] == ["q10"]


def test_a_bed_says_what_was_assayed(tmp_path: Path) -> None:
    bed = tmp_path / "exome.bed"
    bed.write_text("chr9\t0\t100\nchr9\t50\t200\nchrX\t10\t20\n", encoding="utf-8")
    said: list[str] = []
    path = write_vcf(tmp_path / "f.vcf", "9:5 A G 0/1 0/0")
    run = stage(tmp_path, path, assay=bed, step=said.append)
    assert [line for line in said if "no record on X, where the BED" in line]  # 0/0 on X as well
    assert [tuple(row.values()) for row in table(run, "extent")] == [("9", 1, 200), ("X", 11, 20)]
    assert run.description["assay"]["kind"] == "bed"


def test_all_forms_of_one_file_give_the_same_blocks(tmp_path: Path) -> None:
    specs = ("9:5 A G,T 0|1 2/2", "9:20 AT A . ./.", "X:60002 C G 1 0/1")
    bodies = []
    for form in ("vcf", "vcf.gz", "bcf"):
        run = stage(tmp_path / form, write_vcf(_folder(tmp_path / form) / f"f.{form}", *specs))
        bodies.append([p.read_bytes() for p in sorted((run.path / "blocks").iterdir())])
    assert bodies[0] == bodies[1] == bodies[2]


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_groups_of_persons_have_blocks_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("precisionchain.ingest.vcf_blocks.MAX_PERSONS", 2)
    names = tuple("abcde")
    specs = ("9:5 A G 0/0 0/1 1/1 ./. 0/1", "X:5 A G 1/1 0/0 0/0 0/1 0/0")
    path = write_vcf(tmp_path / "f.vcf", *specs, samples=names)
    run = stage(tmp_path, path, rows=tuple(f"{name},{i},F" for i, name in enumerate(names)))
    blocks = table(run, "blocks")
    assert [(b["chrom"], b["person_offset"], b["n_persons"]) for b in blocks] == [
        (chrom, offset, n) for chrom in ("9", "X") for offset, n in ((0, 1), (1, 2), (3, 2))
    ]
    assert [site["block"] for site in table(run, "sites")] == [0, 3]
    for first, expected in ((0, [0, 1, 2, 3, 1]), (3, [2, 0, 0, 1, 0])):
        parts = [unpack_variant_block(body_of(run, first + i)) for i in range(3)]
        assert [d for part in parts for d in part.calls().dosage[0].tolist()] == expected
        assert len({part.person_set for part in parts}) == 1
    assert [count["an"] for count in table(run, "counts")] == [8, 10]


def body_of(run: Run, block: int) -> bytes:
    body = (run.path / "blocks" / f"{block:06d}.arrow").read_bytes()
    assert sha256(body).digest() == table(run, "blocks")[block]["sha256"]
    return body


def test_a_block_too_large_for_an_item_is_written_as_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("precisionchain.ingest.vcf_writer.MAX_BODY_BYTES", 1)
    specs = [f"9:{pos} A G 0/1 0/0" for pos in (5, 6, 7, 16_385, 40_000)]
    run = stage(tmp_path, write_vcf(tmp_path / "f.vcf", *specs))
    assert [block["n_alleles"] for block in table(run, "blocks")] == [1] * 5
    assert [(site["pos"], site["block"], site["row"]) for site in table(run, "sites")] == [
        (5, 0, 0), (6, 1, 0), (7, 2, 0), (16_385, 3, 0), (40_000, 4, 0),
    ]  # fmt: skip


# ------------------------------------------------------------------------------- source ids


def test_the_same_content_has_the_same_source_id(tmp_path: Path) -> None:
    text = vcf_text("9:5 A G 0/1 0/0")
    one = stage(tmp_path, write_text(tmp_path / "f.vcf", text))
    packed = stage(tmp_path, write_text(tmp_path / "g.vcf.gz", text))
    assert one.source_id == packed.source_id
    assert (one.name, packed.name) == ("000001-vcf", "000002-vcf")


def test_whatever_shapes_the_output_is_in_the_source_id(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "f.vcf", "9:5 A G 0/1 0/0")
    bed = tmp_path / "b.bed"
    bed.write_text("9\t0\t9\n", encoding="utf-8")
    options: list[dict[str, Any]] = [
        {},
        {"rows": ("a,11,M", "b,12,F")},
        {"rows": ("a,11,M", "b,-12,M")},
        {"half_call": "haploid"},
        {"filter_policy": "pass"},
        {"assay": "wgs"},
        {"assay": bed},
        {"normalisation": ("split",)},
    ]
    ids = [stage(tmp_path, path, **option).source_id for option in options]
    assert len(set(ids)) == len(options)
    assert stage(tmp_path, path, source="other").source_id == ids[0]


# ------------------------------------------------------------------------------- bad inputs

GOOD = vcf_text("9:5 A G 0/1 0/0")
BAD_INPUTS: dict[str, tuple[bytes, dict[str, Any], type[errors.PrecisionChainError], str]] = {
    "not a VCF": (b"person_id,birth\n1,2\n", {}, errors.VcfFormatError, "fileformat"),
    "truncated gzip": (gzip.compress(GOOD.encode())[:-9], {}, errors.UnreadableFileError, "trunc"),
    "a record of another shape": (
        (GOOD + record("9:6 A G 0/1")).encode(), {}, errors.VcfFormatError, "columns",
    ),
    "a call that is none": (
        (GOOD + record("9:6 A G 0/x 0/0")).encode(), {}, errors.VcfFormatError,
        "sample 1, in column 10, has a GT that is none",
    ),
    "a sample with too many fields": (
        (GOOD + record("9:6 A G 0/0 0/0:1")).encode(), {}, errors.VcfFormatError,
        "sample 2, in column 11, has a GT that is none, or more fields",
    ),
    "GT as a number of another kind": (
        (GOOD + record("9:6 A G 0/-1 0/0")).encode(), {}, errors.VcfFormatError, "is not VCF",
    ),
    "the other build": (GOOD.encode(), {"build": "GRCh38"}, errors.BuildMismatchError, "GRCh37"),
    "no build proven": (
        vcf_text("9:5 A G 0/1 0/0", build=None).encode(), {}, errors.BuildMismatchError, "proves",
    ),
    "beyond the chromosome": (
        vcf_text("9:141213432 A G 0/1 0/0").encode(), {}, errors.BuildMismatchError, "beyond",
    ),
    "an unknown build": (GOOD.encode(), {"build": "hg42"}, errors.RegionError, "hg42"),
    "an unknown policy": (GOOD.encode(), {"half_call": "x"}, errors.UsageError, "--half-call"),
    "an unknown filter": (GOOD.encode(), {"filter_policy": "x"}, errors.UsageError, "--filter"),
    "left-align": (
        GOOD.encode(), {"normalisation": ("split", "left-align")}, errors.UsageError, "left-align",
    ),
    "no such assay": (GOOD.encode(), {"assay": "exome"}, errors.UsageError, "exome"),
    "a sample not in the map": (GOOD.encode(), {"rows": ("a,1,M",)}, errors.SampleMapError, "b"),
    "a half-call": (
        vcf_text("9:5 A G 0/. 0/0").encode(), {"half_call": "error"}, errors.VcfFormatError, "half",
    ),
    "nothing but symbolic alleles": (
        vcf_text("9:5 A <DEL> 0/1 0/0").encode(), {}, errors.VcfFormatError, "1 by sv_end",
    ),
    "no record": (header().encode(), {}, errors.VcfFormatError, "a header and no record"),
    "contradictory duplicates": (
        vcf_text("9:5 A G 0/1 0/0", "9:5 A G 0/0 0/0").encode(),
        {}, errors.DuplicateVariantError, "twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_bad_inputs_leave_no_run(
    tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    content, options, error, message = BAD_INPUTS[case]
    path = tmp_path / "f.vcf.gz"
    path.write_bytes(content)
    with pytest.raises(error, match=message) as caught:
        stage(tmp_path, path, **options)
    assert type(caught.value) is error
    staging = Staging(tmp_path / "staging")
    assert staging.runs() == []
    assert not list((tmp_path / "staging").rglob(".*.partial"))
    # htslib's own words could hold pieces of the file.
    assert capfd.readouterr().err == ""


def test_an_unparsable_record_is_named_by_its_line(tmp_path: Path) -> None:
    path = write_text(tmp_path / "f.vcf", GOOD + record("9:6 A G 0/x 0/0"))
    with pytest.raises(errors.VcfFormatError) as caught:
        stage(tmp_path, path)
    assert caught.value.where == f"{path}:{GOOD.count(chr(10)) + 1}"


def test_an_unparsable_record_on_an_undeclared_contig_does_not_crash(tmp_path: Path) -> None:
    """cyvcf2 0.35 takes such a record for a good one and reads memory that is not there."""
    lines = "chrUn:5 A G 0/1 0/0", "chrUn:6 A G 0/x 0/0"
    text = header(("9",)) + "".join(record(line) for line in lines)
    with pytest.raises(errors.VcfFormatError, match="is not VCF"):
        stage(tmp_path, write_text(tmp_path / "f.vcf", text))


@pytest.mark.parametrize("at", ["AC", "TTT"])
def test_alleles_that_are_not_utf_8_are_named_by_its_line(tmp_path: Path, at: str) -> None:
    text = header() + record("9:5 AC TTT 0/1 0/0", ident="rs1", filters="q10")
    path = tmp_path / "f.vcf"
    head, _, line = text.encode().rpartition(b"\n9")
    path.write_bytes(head + b"\n9" + line.replace(at.encode(), b"\xff"))
    with pytest.raises(errors.VcfFormatError, match="not UTF-8") as caught:
        stage(tmp_path, path)
    assert caught.value.where == f"{path}:{header().count(chr(10)) + 1}"


def test_unproven_builds_can_be_taken_on_trust(tmp_path: Path) -> None:
    path = write_text(tmp_path / "f.vcf", vcf_text("9:5 A G 0/1 0/0", build=None))
    run = stage(tmp_path, path, build_unverified=True)
    assert run.description["build_proof"] == "unverified"


def test_a_file_named_twice_is_a_mistake(tmp_path: Path) -> None:
    path = write_text(tmp_path / "f.vcf", GOOD)
    with pytest.raises(errors.UsageError, match="named twice"):
        stage(tmp_path, path, tmp_path / "." / "f.vcf")


def test_progress_is_told(tmp_path: Path) -> None:
    steps: list[str] = []
    reached: list[tuple[int, int]] = []
    path = write_vcf(tmp_path / "f.vcf", "9:5 A G 0/1 0/0", "X:70000000 A G 0/1 0/0")
    stage(tmp_path, path, step=steps.append, advance=lambda *at: reached.append(at))
    assert steps == [
        "reading f.vcf",
        "staging genotypes of contig 9",
        "staging genotypes of contig X",
    ]
    size = path.stat().st_size
    assert reached == [(size, size), (size, size)]


WITHOUT_CALLS = {
    "DS": "plink2 --vcf FILE dosage=DS",
    "GP,DS": "bcftools .tag2tag FILE -- -r --GP-to-GT",
    "PL": "let the program that made it call genotypes",
}


@pytest.mark.parametrize("keys", WITHOUT_CALLS)
def test_a_file_of_dosages_alone_is_refused_by_what_it_holds(tmp_path: Path, keys: str) -> None:
    names = keys.split(",")
    text = header()
    for name in names:
        line = f'##FORMAT=<ID={name},Number=.,Type=Float,Description="x">'
        text = text.replace("#CHROM", f"{line}\n#CHROM")
    values = ":".join("0.5" for _ in names)
    text += record(f"9:6 A G {values} {values}").replace("\tGT\t", f"\t{':'.join(names)}\t")
    said = f"refused: 1 by no_genotypes.: no GT, but {', '.join(names)}.*{WITHOUT_CALLS[keys]}"
    with pytest.raises(errors.VcfFormatError, match=said):
        stage(tmp_path, write_text(tmp_path / "a.vcf", text))


def test_counts_in_info_that_contradict_the_genotypes_are_a_warning(tmp_path: Path) -> None:
    lines = (
        record("9:5 A G 0/1 1/1", info="AC=3;AN=4"),
        record("9:6 A G 0/1 1/1", info="AC=2;AN=4"),  # one copy too few
        record("9:7 A G 0|1 ./.", info="AN=4;DP=3"),  # one person too many
        record("9:8 A G,T 1/2 2/2", info="DP=1;AC=1,3;AN=4"),
        record("9:9 A G,T 1/2 2/2", info="AC=1,2;AN=4;DP=1"),
        record("9:10 A G 0/1 1/1", info="XAC=9;AC=.;AN=."),
        record("9:11 A G 0/. 1/1", info="AC=2;AN=3"),  # a half-call, which is missing here
    )
    run = stage(tmp_path, write_text(tmp_path / "a.vcf", header() + "".join(lines)))
    assert run.description["statistics"]["warnings"]["contradicted_counts"] == 3
    assert [row["ac"] for row in table(run, "counts")][:2] == [3, 3]
