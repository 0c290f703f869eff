"""The page of a run of genotypes says what a slow reading of the VCF says, and names nobody."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import precisionchain as pc
from precisionchain.ingest.page_vcf import WARNED
from tests.functional.test_report_omop import assert_self_contained
from tests.lib.page_reader import number, read_page
from tests.lib.vcf_builder import write_map, write_vcf

PERSONS = 44
SAMPLES = [f"SECRET{n}ZQ" for n in range(PERSONS)]
SEX = ["M" if n % 2 else "F" for n in range(PERSONS - 2)] + ["", ""]
FILE = "<b>chr&.vcf"
MISSING = (0, 0.1, 0.5, 1, 2, 5, 10, 20, 50, 100)
FREQUENCIES = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 40, 50)
TRANSITIONS = {"AG", "GA", "CT", "TC"}
COUNTERS = {"half_calls", "male_x_het", "male_y_het", "female_y", "made_haploid"}


def records(rng: random.Random) -> list[str]:
    """Random records on 1, X and Y; every tenth on 1 is a deletion without bases."""
    drawn = []
    shapes = [("A", "G"), ("C", "A"), ("C", "T,G"), ("CA", "C"), ("AC", "GT"), ("G", "A")]
    for chrom, start, n in (("1", 1_000_000, 260), ("X", 5_000_000, 20), ("Y", 10_000_000, 12)):
        for i in range(n):
            ref, alt = ("G", "<DEL>") if chrom == "1" and i % 10 == 9 else rng.choice(shapes)
            rate = rng.choice((0.0, 0.01, 0.3, 0.5, 0.9) if chrom == "1" else (0.0, 0.02))
            gaps = rng.choice((0.0, 0.0, 0.0, 0.0, 0.01, 0.15))
            calls = " ".join(_call(rng, alt.count(",") + 1, rate, gaps, n) for n in range(PERSONS))
            drawn.append(f"{chrom}:{start + 50 * i} {ref} {alt} {calls}")
    return drawn


def _call(rng: random.Random, alts: int, rate: float, gaps: float, person: int) -> str:
    gaps = 0.4 if person == 5 else gaps
    pair = [str(rng.randint(1, alts)) if rng.random() < rate else "0" for _ in range(2)]
    if rng.random() < gaps:
        pair[1] = "."
        pair[0] = rng.choice((".", pair[0]))
    return "/".join(pair)


@dataclass
class Slow:
    """What the file holds, found call by call."""

    refused: list[int] = field(default_factory=list)
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    frequencies: list[float] = field(default_factory=list)
    singletons: int = 0
    missing: list[tuple[str, list[bool]]] = field(default_factory=list)

    def read(self, path: Path) -> None:
        for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if text.startswith("#"):
                continue
            chrom, _, _, ref, alt, _, _, _, _, *calls = text.split("\t")
            if alt == "<DEL>":
                self.refused.append(line)
                continue
            found = [self.call(chrom, SEX[n], each) for n, each in enumerate(calls)]
            for k, one in enumerate(alt.split(","), 1):
                self.allele(chrom, ref, one, str(k), found)

    def call(self, chrom: str, sex: str, text: str) -> list[str] | None:
        alleles = text.split("/")
        self.met["half_calls"] += alleles.count(".") == 1
        if chrom == "Y" and sex == "F":
            self.met["female_y"] += "." not in alleles
            return None
        if "." in alleles:
            return None
        if chrom == "1" or sex != "M":
            return alleles
        if alleles[0] != alleles[1]:
            self.met[f"male_{chrom.lower()}_het"] += 1
            return None
        self.met["made_haploid"] += 1
        return alleles[:1]

    def allele(self, chrom: str, ref: str, alt: str, k: str, found: list[list[str] | None]) -> None:
        kind = "indel" if len(ref) != len(alt) else "snv" if len(ref) == 1 else "mnv"
        self.classes[chrom, kind] += 1
        self.classes["all", "transition"] += ref + alt in TRANSITIONS
        for call in found:
            copies = None if call is None else (call.count(k), len(call))
            names = {None: "missing", (1, 2): "het", (2, 2): "hom", (1, 1): "hemi"}
            self.calls[chrom, names.get(copies, "none")] += 1
        called = [allele for call in found if call for allele in call]
        if called:
            minor = min(called.count(k), len(called) - called.count(k))
            self.frequencies.append(minor / len(called))
            self.singletons += minor == 1
        self.missing.append((chrom, [call is None for call in found]))

    def share_missing(self, persons: Iterable[int]) -> list[float]:
        """By allele, of some persons; on Y of males."""
        shares = []
        for chrom, absent in self.missing:
            of = [n for n in persons if chrom != "Y" or SEX[n] == "M"]
            shares.append(sum(absent[n] for n in of) / len(of))
        return shares

    def share_of_person(self, n: int) -> float:
        seen = [absent[n] for chrom, absent in self.missing if chrom != "Y" or SEX[n] == "M"]
        return sum(seen) / len(seen)


class Built:
    """A site with a published VCF, its page, and the slow reading."""

    def __init__(self, folder: Path) -> None:
        self.vcf = write_vcf(folder / FILE, *records(random.Random(7391)), samples=SAMPLES)
        rows = (f"{s},{n + 1},{x}" for n, (s, x) in enumerate(zip(SAMPLES, SEX, strict=True)))
        samples = write_map(folder / "map.csv", *rows)
        self.site = pc.Site.init(folder / "site_b", site="B", build="GRCh37")
        self.site.ingest_vcf(self.vcf, samples=samples, build="GRCh37", source="array")
        self.html = self.site.report().read_text(encoding="utf-8")
        self.page = read_page(self.html)
        self.slow = Slow()
        self.slow.read(self.vcf)

    def bars(self, figure: str) -> dict[str, int]:
        """Counts by the upper edge of a bar."""
        return {row[1]: number(row[2]) for row in self.page.rows(f"in {figure}")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("report"))


def binned(shares: Iterable[float], edges: tuple[float, ...]) -> dict[str, int]:
    """Count shares by the first edge (in percent) they do not exceed, one by one."""
    counts = {f"{edge:g}": 0 for edge in edges}
    for share in shares:
        counts[f"{next(edge for edge in edges if share <= edge / 100):g}"] += 1
    return counts


def test_records_samples_and_build(built: Built) -> None:
    size = built.vcf.stat().st_size
    total = len(records(random.Random(7391)))
    assert built.page.rows("t-files") == [[FILE, f"{total:,}", f"{size:,}"]]
    sexes = [SEX.count(sex) for sex in ("F", "M", "")]
    assert [number(cell) for cell in built.page.rows("t-samples")[0]] == [PERSONS, *sexes, PERSONS]
    assert "GRCh37, proven by contig lengths" in built.page.texts["facts"]


def test_refused_records_have_their_lines(built: Built) -> None:
    lines = built.slow.refused
    assert len(lines) > 20
    assert [row[:2] for row in built.page.rows("t-refused")] == [["sv_end", f"{len(lines)}"]]
    card = built.page.texts["refused-1"]
    assert [int(at) for at in re.findall(r"^line (\d+)$", card, re.MULTILINE)] == lines[:20]
    assert f"First 20 of {len(lines)} records" in card
    found = re.fullmatch(r'precisionchain sql --json "(.*)"', built.page.commands[0])
    assert found is not None
    assert built.site.sql(found[1])["line"].to_list() == lines


def test_alleles_by_class_and_calls_by_chromosome(built: Built) -> None:
    slow = built.slow
    for row in built.page.rows("t-alleles"):
        alleles = [slow.classes[row[0], kind] for kind in ("snv", "mnv", "indel")]
        calls = [slow.calls[row[0], kind] for kind in ("het", "hom", "hemi", "missing")]
        assert [number(cell) for cell in row[1:]] == [sum(alleles), *alleles, 0, *calls]
    snvs = sum(n for (_, kind), n in slow.classes.items() if kind == "snv")
    ti = slow.classes["all", "transition"]
    assert built.page.texts["ti-tv"] == f"{ti / (snvs - ti):.2f}"


def test_what_staging_met_is_counted(built: Built) -> None:
    shown = {row[0]: number(row[1]) for row in built.page.rows("t-changed")}
    assert {name: shown[name] for name in COUNTERS} == {
        name: built.slow.met[name] for name in COUNTERS
    }
    assert min(built.slow.met[name] for name in COUNTERS) > 0


def test_warnings_are_counted_by_rule_and_explained(tmp_path: Path) -> None:
    """Of a file that is wrong beside its genotypes: AC is 1, in all of its records."""
    lines = (
        "##fileformat=VCFv4.2",
        '##INFO=<ID=AC,Number=1,Type=Integer,Description="reserved with Number A">',
        "##INFO=<ID=broken>",
        "##FORMAT=<ID=GT,Number=1,Type=String,Description=unquoted>",
        '##contig=<ID=9,length=141213431,about="<i>&">',
        "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT a b",
        "9 5 . A G . . AC=1 GT 0/1 0/0",
        "9 6 . A G . . AC=2 GT 0/1 0/0",
        "9 7 . A G . <b> AC=0 GT 0/1 0/0",
    )
    vcf = tmp_path / "wrong.vcf"
    text = [line if line.startswith("##") else line.replace(" ", "\t") for line in lines]
    vcf.write_text("\n".join((*text, "")), encoding="utf-8")
    site = pc.Site.init(tmp_path / "site", site="B", build="GRCh37")
    samples = write_map(tmp_path / "map.csv", "a,1,M", "b,2,F")
    site.stage_vcf(vcf, samples=samples, build="GRCh37", qc="none")
    page = read_page(site.report().read_text(encoding="utf-8"))
    shown = {row[0]: (number(row[1]), row[2]) for row in page.rows("t-warnings")}
    expected = {"malformed_definition": 2, "contradicted_counts": 2, "reserved_otherwise": 1,
                "undeclared_filter": 1}  # fmt: skip
    assert {rule: n for rule, (n, _) in shown.items()} == expected
    assert list(shown)[:2] == ["contradicted_counts", "malformed_definition"]
    assert all(
        meaning and meaning != rule.replace("_", " ") for rule, (_, meaning) in shown.items()
    )


def test_each_warning_there_can_be_is_explained() -> None:
    page = Path(__file__).resolve().parents[2] / "docs/reference/vcf-staging.md"
    table = page.read_text(encoding="utf-8").partition("## Warnings")[2].partition("\n## ")[0]
    rules = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert {name for cell in rules for name in re.findall(r"`(\w+)`", cell)} == set(WARNED)


def test_no_warning_is_said_too(built: Built) -> None:
    assert "t-warnings" not in built.page.tables
    assert "Nothing was found that is not as the specification asks" in built.page.text


def test_the_picture_of_frequencies(built: Built) -> None:
    assert built.bars("f-frequencies") == binned(built.slow.frequencies, FREQUENCIES)
    assert f"{built.slow.singletons} are singletons" in built.page.texts["f-frequencies"]


def test_the_pictures_of_missing_calls(built: Built) -> None:
    by_allele = built.slow.share_missing(range(PERSONS))
    by_person = [built.slow.share_of_person(n) for n in range(PERSONS)]
    assert built.bars("f-alleles-missing") == binned(by_allele, MISSING)
    assert built.bars("f-persons-missing") == binned(by_person, MISSING)


def test_a_bar_is_as_high_as_its_count_and_marked_beyond_the_threshold(built: Built) -> None:
    bars = [attrs for tag, attrs in built.page.tags if tag == "rect"]
    drawn = [(float(str(each["height"])), "beyond" in str(each["class"])) for each in bars]
    expected = []
    for figure in ("f-frequencies", "f-alleles-missing", "f-persons-missing"):
        counts = built.bars(figure)
        largest = max(counts.values())
        for edge, count in counts.items():
            if count:
                marked = figure != "f-frequencies" and float(edge) > 5
                expected.append((max(1.5, 142 * count / largest), marked))
    assert [marked for _, marked in drawn] == [marked for _, marked in expected]
    assert [height for height, _ in drawn] == pytest.approx([h for h, _ in expected], abs=0.06)


def test_exclusions_by_missing_calls(built: Built) -> None:
    shown = {row[0]: number(row[1]) for row in built.page.rows("t-qc")}
    kept = [n for n in range(PERSONS) if built.slow.share_of_person(n) <= 0.05]
    assert shown["sample_missing"] == PERSONS - len(kept) > 0
    beyond = [share for share in built.slow.share_missing(kept) if share > 0.05]
    assert shown["variant_missing"] == len(beyond) > 0
    assert set(shown) == {"sample_missing", "variant_missing", "hwe", "ld"}


def test_bytes_by_view_are_those_of_the_ledger_s_file(built: Built) -> None:
    with sqlite3.connect(built.site.folder.root / "ledger.sqlite") as database:
        sizes = database.execute(
            "select streams.name, length(stored) from items join streams using (stream)"
        ).fetchall()
    database.close()

    def stored(*prefixes: str) -> list[str]:
        found = [size for name, size in sizes if name.startswith(prefixes)]
        return [f"{len(found):,}", f"{sum(found):,}"]

    rows = {row[0]: row[1:3] for row in built.page.rows("t-bytes")}
    views = {"Variant view": "VAR_", "Variant-Person view": "VARP_", "MAF counter": "CNT_"}
    assert {view: rows[view] for view in views if view in rows} == {
        view: stored(prefix) for view, prefix in views.items() if stored(prefix)[0] != "0"
    }
    assert rows["mapping"] == stored("MAP_")
    assert rows["exclusions"] == stored("EXCLUDED")
    assert rows["manifest and leaf pages"] == stored("BATCH")
    every = ("VAR", "CNT_", "MAP_", "EXCLUDED", "BATCH", "ASSAY")
    assert built.page.tables["t-bytes"][-1][1:3] == stored(*every)


def test_nobody_is_named_and_nothing_is_asked_for(built: Built) -> None:
    assert "SECRET" not in built.html
    assert FILE not in built.html
    assert FILE in built.page.text
    assert_self_contained(built.html, built.page)


def test_removed_and_unassessed_runs_say_so(tmp_path: Path) -> None:
    site = pc.Site.init(tmp_path / "site", site="B", build="GRCh37")
    vcf = write_vcf(tmp_path / "small.vcf", "9:5 A G 0/1 ./.", "9:9 C . 0/0 0/0")
    samples = write_map(tmp_path / "map.csv", "a,1,M", "b,2,F")
    site.stage_vcf(vcf, samples=samples, build="GRCh37", qc="remove", assay="wgs")
    page = read_page(site.report().read_text(encoding="utf-8"))
    assert "Skipped: 2 founders, fewer than 30" in page.text
    assert "not published yet" in page.texts["facts"]
    assert [number(cell) for cell in page.rows("t-alleles")[0][1:]] == [2, 1, 0, 0, 1, 1, 0, 0, 1]
    assert "1 intervals, 141,213,431 bases" in page.texts["assay"]
    site.stage_vcf(vcf, samples=samples, build="GRCh37", qc="none", source="plain")
    page = read_page(site.report().read_text(encoding="utf-8"))
    assert "None was done" in page.text
    assert "threshold of quality control" not in page.text
