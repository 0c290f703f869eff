"""Structural variants of real files against bcftools, bedtools and a slow reading of the input."""

from __future__ import annotations

import gzip
import random
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.errors import DuplicateVariantError, VcfFormatError
from tests.validation.structural_oracle import Key, Line, StructuralFile, bcftools

pytestmark = pytest.mark.validation

FOLDER = "sv_mixed"
MERGED, MELT = "gatk_1kgp_test.merged", "gatk_bwa_melt.cleaned.chr22_chrY"
CNVS, GNOMAD = "gatk_1kgp_test.cnvs", "gnomad.v4.0.sv.chr1"
NAMES = (MERGED, MELT, CNVS, GNOMAD)
REGIONS = 40


@dataclass(frozen=True)
class Loaded:
    """A file, and the site folder it was ingested into; person *i* is its sample *i - 1*."""

    site: Path
    source: StructuralFile

    @property
    def every(self) -> list[str]:
        return list(dict.fromkeys(line.key[0] for line in self.source.taken if line.key))


@pytest.fixture(scope="module")
def loaded(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Loaded]:
    @cache
    def load(name: str) -> Loaded:
        folder = tmp_path_factory.mktemp("structural")
        path = shared_data / FOLDER / f"{name}.vcf.gz"
        if name == CNVS:
            path = _each_once(path, folder / "once.vcf")
        elif name == GNOMAD:
            path = _with_calls(path, folder / "called.vcf")
        source = StructuralFile(path)
        ingest(folder / "site", source)
        return Loaded(folder / "site", source)

    return load


def ingest(folder: Path, source: StructuralFile) -> None:
    """Ingest a file into a new site."""
    rows = [f"{sample},{number}" for number, sample in enumerate(source.samples or ["none"], 1)]
    samples = folder.with_suffix(".csv")
    samples.write_text("\n".join(["sample_id,person_id", *rows]), encoding="utf-8")
    pc.Site.init(folder, site="A", build="GRCh38")
    pc.Site(folder).ingest_vcf(source.path, samples=samples, build="GRCh38")


def _each_once(path: Path, target: Path) -> Path:
    """Write a file without the records that say again what stands above: caller's repeats."""
    seen: set[tuple[str, ...]] = set()
    with gzip.open(path, "rt") as lines, target.open("w", encoding="utf-8") as out:
        for line in lines:
            cells = line.split("\t")
            key = () if line[0] == "#" else (*cells[:2], *cells[3:5], cells[7].split(";")[0])
            if not key or key not in seen:
                out.write(line)
            seen.add(key)
    return target


def _with_calls(path: Path, target: Path) -> Path:
    """Write a file of sites with calls of three samples, which follow from the record."""
    with gzip.open(path, "rt") as lines, target.open("w", encoding="utf-8") as out:
        for line in lines:
            if line.startswith("#CHROM"):
                out.write('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n')
                out.write(f"{line.rstrip()}\tFORMAT\ta\tb\tc\n")
            elif line.startswith("#"):
                out.write(line)
            else:
                chosen = random.Random(line.split("\t")[1] + line.split("\t")[4])
                calls = chosen.choices(("0/0", "0/1", "1/1", "./.", "0|1"), k=3)
                out.write("\t".join((line.rstrip("\n"), "GT", *calls)) + "\n")
    return target


@pytest.fixture(params=NAMES)
def one(request: pytest.FixtureRequest, loaded: Callable[[str], Loaded]) -> Loaded:
    return loaded(request.param)


def copies(call: str) -> int | None:
    """Copies of ALT; None where nothing is called (half-calls are missing)."""
    alleles = call.replace("|", "/").split("/")
    return None if "." in alleles else alleles.count("1")


def taken_once(source: StructuralFile) -> dict[Key, Line]:
    """The taken records by key; equal ones of a file collapse."""
    found: dict[Key, Line] = {}
    for line in source.taken:
        assert line.key is not None
        found.setdefault(line.key, line)
    return found


def test_every_allele_with_its_counts(one: Loaded) -> None:
    with pc.connect(one.site) as net:
        answers = pl.concat([net.structural(chrom) for chrom in one.every])
    found = {
        (row["chrom"], row["pos"], row["ref"], row["alt"]): row
        for row in answers.unique(["chrom", "pos", "ref", "alt"]).iter_rows(named=True)
    }
    due = taken_once(one.source)
    assert found.keys() == due.keys()
    for key, line in due.items():
        states = [copies(call) for call in line.calls]
        ploidies = [len(call.replace("|", "/").split("/")) for call in line.calls]
        called = [n for n, state in zip(ploidies, states, strict=True) if state is not None]
        row = found[key]
        assert (row["svtype"], row["end"]) == (line.svtype, line.end), key
        assert (row["ac"], row["an"]) == (sum(filter(None, states)), sum(called)), key
        assert row["n_missing"] == states.count(None), key


def test_what_every_person_carries(one: Loaded) -> None:
    due = taken_once(one.source)
    chosen = random.Random(len(due)).sample(
        range(len(one.source.samples)), min(25, len(one.source.samples))
    )
    with pc.connect(one.site) as net:
        for column in chosen:
            rows = net.person_variants(f"A:{column + 1}")
            names = ("chrom", "pos", "ref", "alt", "genotype")
            found = {row[:4]: row[4] for row in rows.select(names).iter_rows()}
            assert found == {
                key: str(state)
                for key, line in due.items()
                if (state := copies(line.calls[column]))
            }


def test_refused_records_are_named_by_line_and_rule(one: Loaded) -> None:
    refused = pc.Site(one.site).sql("select line, rule from refused order by line")
    due = [line for line in one.source.lines if line.key is None]
    rules = {"CPX": "symbolic_allele", "BND": "breakend_allele"}
    assert refused.rows() == [(line.line, rules[line.svtype]) for line in due]


def regions(source: StructuralFile, seed: str) -> Iterator[tuple[str, int, int]]:
    """Yield regions that begin or end near or at the ends of variants."""
    chosen = random.Random(seed)
    for line in chosen.sample(source.taken, min(REGIONS, len(source.taken))):
        assert line.key is not None
        chrom, pos, _, _ = line.key
        ends = sorted(
            (chosen.choice((pos, line.end)), pos + chosen.choice((0, 1, -1, 500, 90_000)))
        )
        shift = chosen.choice((0, 0, 1, -1, 300))
        yield chrom, max(1, ends[0] + shift), max(1, ends[1] + shift)


def keys(answer: pl.DataFrame) -> set[Key]:
    return set(answer.select("chrom", "pos", "ref", "alt").iter_rows())


def test_overlaps_are_those_of_bcftools(one: Loaded, tmp_path: Path) -> None:
    """``--regions-overlap 0`` goes by POS, ``1`` by POS to END; neither knows of mates.

    Insertions are at POS alone, also where a caller gives them an END beyond it.
    """
    indexed = tmp_path / "f.vcf.gz"
    bcftools("view", "-Oz", "-o", indexed, one.source.path)
    bcftools("index", indexed)
    by_line: dict[tuple[str, int, str, str], set[Key]] = defaultdict(set)
    for key, line in taken_once(one.source).items():
        by_line[key[0], key[1], line.written, line.said_end].add(key)
    with pc.connect(one.site) as net:
        for chrom, start, end in regions(one.source, "bcftools"):
            for mode, overlap in (("0", "start"), ("1", "any")):
                region = f"chr{chrom}:{start}-{end}"
                shown = bcftools("view", "-H", "-r", region, "--regions-overlap", mode, indexed)
                answer = net.structural(region, overlap=overlap)
                mated = (
                    pl.col("mate").is_not_null()
                    & ~((pl.col("chrom") == chrom) & pl.col("pos").is_between(start, end))
                ).fill_null(value=False)
                due = set().union(*(by_line[place] for place in written(shown)))
                due -= {key for key in due if "<INS" in key[3] and not start <= key[1] <= end}
                assert keys(answer.filter(~mated)) == due, region


def written(shown: str) -> Iterator[tuple[str, int, str, str]]:
    for line in shown.splitlines():
        chrom, pos, _, _, alt, _, _, info = line.split("\t")[:8]
        said = dict(part.partition("=")[::2] for part in info.split(";"))
        yield chrom.removeprefix("chr"), int(pos), alt, said["END"]


def test_spans_and_mates_are_those_of_a_slow_reading(one: Loaded) -> None:
    due = taken_once(one.source)
    with pc.connect(one.site) as net:
        for chrom, start, end in regions(one.source, "slow"):
            region = f"{chrom}:{start}-{end}"
            here = {key: line for key, line in due.items() if key[0] == chrom}
            assert keys(net.structural(region)) == {
                key for key, line in due.items() if line.reaches(chrom, start, end)
            }
            assert keys(net.structural(region, overlap="within")) == {
                key for key, line in here.items() if start <= key[1] and line.end <= end
            }
            assert keys(net.structural(region, overlap="covers", svtype=["DEL", "DUP"])) == {
                key
                for key, line in here.items()
                if key[1] <= start and line.end >= end and line.svtype in ("DEL", "DUP")
            }


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_reciprocal_overlaps_are_those_of_bedtools(
    one: Loaded, share: float, tmp_path: Path
) -> None:
    due = taken_once(one.source)
    numbered = list(due)
    spans, asked = tmp_path / "spans.bed", tmp_path / "asked.bed"
    spans.write_text(
        "".join(f"{k[0]}\t{k[1] - 1}\t{due[k].end}\t{n}\n" for n, k in enumerate(numbered))
    )
    places = list(regions(one.source, f"bedtools {share}"))
    asked.write_text("".join(f"{c}\t{s - 1}\t{e}\t{n}\n" for n, (c, s, e) in enumerate(places)))
    done = subprocess.run(
        ["bedtools", "intersect", "-a", asked, "-b", spans, "-f", str(share), "-r", "-wa", "-wb"],
        capture_output=True,
        text=True,
        check=True,
    )
    shared: dict[int, set[Key]] = {n: set() for n in range(len(places))}
    for line in done.stdout.splitlines():
        cells = line.split("\t")
        shared[int(cells[3])].add(numbered[int(cells[7])])
    assert any(shared.values())
    with pc.connect(one.site) as net:
        for n, (chrom, start, end) in enumerate(places):
            answer = net.structural(f"{chrom}:{start}-{end}", reciprocal=share)
            assert keys(answer) == shared[n], places[n]


def test_carriers_of_what_reaches_a_region(one: Loaded) -> None:
    due = taken_once(one.source)
    with pc.connect(one.site) as net:
        for chrom, start, end in list(regions(one.source, "carriers"))[:12]:
            region = f"{chrom}:{start}-{end}"
            lines = [line for line in due.values() if line.reaches(chrom, start, end)]
            of = [[copies(line.calls[n]) for line in lines] for n in range(len(one.source.samples))]
            cohort = net.cohort(pc.carries_structural(region))
            carry = {n for n, states in enumerate(of, 1) if any(states)}
            none = {n for n, states in enumerate(of, 1) if lines and all(s == 0 for s in states)}
            assert set(cohort.persons["person_id"]) == carry, region
            assert set(cohort.unknown["person_id"]) == set(range(1, len(of) + 1)) - carry - none


def test_an_exported_vcf_gives_the_same_alleles_again(one: Loaded, tmp_path: Path) -> None:
    with pc.connect(one.site) as net:
        net.export_genotypes(output=tmp_path / "out.vcf.gz")
        before = {chrom: net.structural(chrom) for chrom in one.every}
    exported = StructuralFile(tmp_path / "out.vcf.gz")
    assert len(exported.samples) == len(one.source.samples)
    assert {line.key: line.calls for line in exported.lines}.keys() == taken_once(one.source).keys()
    again = tmp_path / "again"
    ingest(again, exported)
    with pc.connect(again) as net:
        for chrom, rows in before.items():
            assert net.structural(chrom).equals(rows)


def test_all_is_verified(one: Loaded) -> None:
    assert [check.name for check in pc.Site(one.site).verify() if not check.ok] == []


def test_files_that_cannot_be_taken_say_why(shared_data: Path, tmp_path: Path) -> None:
    """A caller's raw file has an interval of several persons in a record each; another no calls."""
    with pytest.raises(DuplicateVariantError, match="20:23590335:N:<DEL;END=23592335>") as twice:
        ingest(tmp_path / "a", StructuralFile(shared_data / FOLDER / f"{CNVS}.vcf.gz"))
    assert ":3384" in str(twice.value)
    assert ":3385" in str(twice.value)
    with pytest.raises(VcfFormatError, match="no sample columns"):
        ingest(tmp_path / "b", StructuralFile(shared_data / FOLDER / f"{GNOMAD}.vcf.gz"))
