"""The synthetic hospital: its files, read by other programs, say what its truth says."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from cyvcf2 import VCF
from polars.testing import assert_frame_equal

import precisionchain.synthetic
from precisionchain.errors import UsageError
from precisionchain.schemas.variant import trim
from precisionchain.synthetic.clinical import LOG_ODDS_PER_COPY
from precisionchain.synthetic.concepts import CONCEPTS, ancestor_table
from precisionchain.synthetic.dirt import FAULTS, KEYS
from precisionchain.synthetic.generate import generate
from precisionchain.synthetic.truth import EVENT_CONCEPT, Truth

SMALL = {"persons": 80, "bases_9": 200_000, "bases_22": 50_000}


@dataclass(frozen=True)
class Hospital:
    folder: Path
    truth: Truth


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    folder = tmp_path_factory.mktemp("hospital")
    return Hospital(folder, generate(folder, seed=11, half_calls=0.002, **SMALL))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# ------------------------------------------------------------------ a slow reader of OMOP CSV


def is_whole(text: str) -> bool:
    return re.fullmatch(r"-?\d+", text, re.ASCII) is not None


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text, re.ASCII) is not None


def parsed_date(text: str) -> date | None:
    text = text.removesuffix(" 00:00:00")
    for pattern in ("%Y-%m-%d", "%Y%m%d"):
        try:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007
        except ValueError:
            continue
    return None


def parsed_moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None


def cell_rule(column: str, text: str) -> str | None:
    """The rule a cell breaks, from its column's name alone."""
    if text == "":
        return None
    if column.endswith("_datetime"):
        return None if parsed_moment(text) else "type:Datetime"
    if column.endswith("_date"):
        return None if parsed_date(text) else "type:Date"
    if column in ("value_as_number", "range_low", "range_high"):
        return None if is_number(text) else "type:Float"
    if column.endswith("_id") or column in ("year_of_birth", "month_of_birth", "day_of_birth"):
        return None if is_whole(text) else "type:Integer64"
    return None


REQUIRED = {
    "person": ["person_id"],
    "observation_period": [
        "observation_period_id",
        "person_id",
        "observation_period_start_date",
    ],
    "condition_occurrence": [
        "condition_occurrence_id",
        "person_id",
        "condition_concept_id",
        "condition_start_date",
    ],
    "measurement": ["measurement_id", "person_id", "measurement_concept_id", "measurement_date"],
}
Reason = tuple[str, str, int, int, str | None]  # table, rule, record, line, column


def judge(folder: Path) -> tuple[set[Reason], dict[str, list[dict[str, str]]]]:
    """Every reason to reject a record, and the rows that are left, by Python's csv module."""
    rejected: set[Reason] = set()
    accepted: dict[str, list[dict[str, str]]] = {}
    persons: set[str] = set()
    for table, key in KEYS.items():
        seen: set[str] = set()
        accepted[table] = []
        with (folder / "omop" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader)
            line = reader.line_num + 1
            for record, cells in enumerate(reader, start=1):
                reasons: set[tuple[str, str | None]] = set()
                row = dict(zip(header, cells, strict=False))
                if len(cells) != len(header):
                    reasons.add(("ragged", None))
                else:
                    reasons |= {(r, c) for c, text in row.items() if (r := cell_rule(c, text))}
                    reasons |= {("required", c) for c in REQUIRED[table] if row[c] == ""}
                    if row[key] in seen and row[key]:
                        reasons.add(("duplicate_key", key))
                    seen.add(row[key])
                    if table != "person" and row["person_id"] and row["person_id"] not in persons:
                        reasons.add(("unknown_person", "person_id"))
                rejected |= {(table, rule, record, line, column) for rule, column in reasons}
                if not reasons:
                    accepted[table].append(row)
                    persons |= {row["person_id"]} if table == "person" else set()
                line = reader.line_num + 1
    return rejected, accepted


def plain(column: str, text: str) -> object:
    """A cell as a Python value."""
    if text == "":
        return None
    if column.endswith("_datetime"):
        return parsed_moment(text)
    if column.endswith("_date"):
        return parsed_date(text)
    return float(text) if column == "value_as_number" else int(text)


# --------------------------------------------------------------------------------- clinical


def test_the_rejected_list_is_what_a_slow_validator_finds(hospital: Hospital) -> None:
    found, _ = judge(hospital.folder)
    assert set(hospital.truth.rejected.iter_rows()) == found
    assert len(hospital.truth.rejected) == len(found)
    assert {rule for _, rule, *_ in found} == {
        "duplicate_key",
        "ragged",
        "required",
        "type:Date",
        "type:Datetime",
        "type:Float",
        "type:Integer64",
        "unknown_person",
    }


def test_a_rejected_person_takes_events_along(hospital: Hospital) -> None:
    with (hospital.folder / "omop" / "person.csv").open(encoding="utf-8") as file:
        broken = {
            row["person_id"] for row in csv.DictReader(file) if row["year_of_birth"] == "19xx"
        }
    with (hospital.folder / "omop" / "measurement.csv").open(encoding="utf-8") as file:
        followers = [row for row in csv.DictReader(file) if row["person_id"] in broken]
    assert broken
    assert followers


@pytest.mark.parametrize("table", KEYS)
def test_accepted_rows_are_those_of_the_file(hospital: Hospital, table: str) -> None:
    _, accepted = judge(hospital.folder)
    truth: pl.DataFrame = getattr(hospital.truth, table)
    read = [{c: plain(c, row[c]) for c in truth.columns} for row in accepted[table]]
    assert truth.to_dicts() == read


def test_files_hold_what_csv_readers_stumble_over(hospital: Hospital) -> None:
    text = (hospital.folder / "omop" / "condition_occurrence.csv").read_text(encoding="utf-8")
    assert '"Diabetes, ""type 2"""' in text
    assert '"Coronary\narteriosclerosis"' in text
    _, accepted = judge(hospital.folder)
    shapes = {
        re.sub(r"\d", "9", row["condition_start_date"]) for row in accepted["condition_occurrence"]
    }
    assert {"9999-99-99", "99999999", "9999-99-99 99:99:99"} <= shapes


def test_source_values_are_in_the_files_and_not_in_what_may_leave(hospital: Hospital) -> None:
    assert "MRN-00000042" in (hospital.folder / "omop" / "person.csv").read_text(encoding="utf-8")
    columns = [c for table in KEYS for c in getattr(hospital.truth, table).columns]
    assert not [c for c in columns if c.endswith("source_value")]


def test_events_fall_within_their_observation_period(hospital: Hospital) -> None:
    truth = hospital.truth
    for table, column in (
        ("condition_occurrence", "condition_start_date"),
        ("measurement", "measurement_date"),
    ):
        joined = getattr(truth, table).join(truth.observation_period, on="person_id")
        start, end = "observation_period_start_date", "observation_period_end_date"
        assert len(joined) == truth.settings["accepted"][table]
        assert joined.select((pl.col(column) >= pl.col(start)) & (pl.col(column) <= pl.col(end)))[
            column
        ].all()


def test_concept_ancestors_are_all_ways_up() -> None:
    parents = {c.concept_id: c.parents for c in CONCEPTS}

    def ways(concept: int) -> list[tuple[int, int]]:
        """(ancestor, levels) of every way up from a concept."""
        return [(concept, 0)] + [
            (ancestor, levels + 1) for p in parents[concept] for ancestor, levels in ways(p)
        ]

    expected = set()
    for concept in parents:
        levels = defaultdict(list)
        for ancestor, level in ways(concept):
            levels[ancestor].append(level)
        expected |= {(a, concept, min(found), max(found)) for a, found in levels.items()}
    table = ancestor_table()
    assert set(table.iter_rows()) == expected
    assert len(table) == len(expected)
    assert (table["min_levels_of_separation"] < table["max_levels_of_separation"]).any()
    assert table["max_levels_of_separation"].max() == 6
    assert sum(len(p) > 1 for p in parents.values()) >= 5


def test_persons_by_concept_follow_from_the_files(hospital: Hospital) -> None:
    _, accepted = judge(hospital.folder)
    ancestors = defaultdict(set)
    with (hospital.folder / "vocabulary" / "concept_ancestor.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            ancestors[row["descendant_concept_id"]].add(int(row["ancestor_concept_id"]))
    expected = {
        (ancestor, int(row["person_id"]))
        for table, column in EVENT_CONCEPT.items()
        for row in accepted[table]
        for ancestor in ancestors[row[column]]
    }
    assert set(hospital.truth.concept_persons.iter_rows()) == expected
    assert hospital.truth.persons_of(201826) == sorted(p for c, p in expected if c == 201826)


def test_a_question_can_be_answered_from_two_tables(hospital: Hospital) -> None:
    below = hospital.truth.domain(2_000_000_007)
    assert set(below) == {"condition_occurrence", "measurement"}
    assert hospital.truth.domain(2_000_000_007, descendants=False) == {}


# ---------------------------------------------------------------------------------- genetic


def slow_calls(path: Path) -> dict[tuple[str, int, str, str], list[tuple[int, str | None]]]:
    """(dosage, phase) of each sample at each ALT of the unsplit file, one call at a time."""
    calls = {}
    for record in VCF(str(path)):
        for number, alt in enumerate(record.ALT, start=1):
            pos, ref, trimmed = trim(record.POS, record.REF, alt)
            found: list[tuple[int, str | None]] = []
            for first, second, phased in record.genotypes:
                assert phased
                if -1 in (first, second):
                    found.append((3, None))
                else:
                    one, two = int(first == number), int(second == number)
                    found.append((one + two, f"{one}|{two}"))
            calls[record.CHROM, pos, ref, trimmed] = found
    return calls


def test_genotypes_are_those_of_the_unsplit_file(hospital: Hospital) -> None:
    expected = slow_calls(hospital.folder / "genotypes.vcf.gz")
    with (hospital.folder / "samples.csv").open(encoding="utf-8") as file:
        persons = {row["sample_id"]: int(row["person_id"]) for row in csv.DictReader(file)}
    order = [persons[s] for s in VCF(str(hospital.folder / "genotypes.vcf.gz")).samples]
    truth = hospital.truth.genotypes
    found = {
        (chrom, pos, ref, alt, person): (dosage, phase)
        for chrom, pos, ref, alt, person, dosage, phase in truth.iter_rows()
    }
    assert len(found) == len(truth)
    assert found == {
        (*allele, person): call
        for allele, calls in expected.items()
        for person, call in zip(order, calls, strict=True)
    }


def test_counts_follow_from_the_calls(hospital: Hospital) -> None:
    expected = {}
    for allele, calls in slow_calls(hospital.folder / "genotypes.vcf.gz").items():
        n = Counter(dosage for dosage, _ in calls)
        ac, an = n[1] + 2 * n[2], 2 * (n[0] + n[1] + n[2])
        expected[allele] = (ac, an, n[1], n[2], n[3], ac / an, min(ac, an - ac) / an)
    found = {tuple(row[:4]): tuple(row[4:]) for row in hospital.truth.alleles.iter_rows()}
    assert found == expected


def test_the_file_holds_every_kind_of_record_and_call(hospital: Hospital) -> None:
    n: Counter[str] = Counter()
    for record in VCF(str(hospital.folder / "genotypes.vcf.gz")):
        n["multi"] += len(record.ALT) > 1
        n["insertion"] += any(len(alt) > len(record.REF) for alt in record.ALT)
        n["deletion"] += any(len(alt) < len(record.REF) for alt in record.ALT)
        n["snv in a deletion's record"] += any(len(a) == len(record.REF) > 1 for a in record.ALT)
        for first, second, _ in record.genotypes:
            n["missing"] += first == second == -1
            n["half"] += (first == -1) != (second == -1)
    kinds = ("multi", "insertion", "deletion", "snv in a deletion's record", "missing", "half")
    assert all(n[kind] > 0 for kind in kinds), n


def test_bcftools_indexes_the_file_and_reads_the_planted_allele(
    hospital: Hospital, oracle_program: Callable[[str], str], tmp_path: Path
) -> None:
    copy = tmp_path / "genotypes.vcf.gz"
    copy.write_bytes((hospital.folder / "genotypes.vcf.gz").read_bytes())
    bcftools = oracle_program("bcftools")
    subprocess.run([bcftools, "index", copy], check=True)
    printed = subprocess.run(
        [bcftools, "query", "-r", "9:22098574", "-f", r"[%ID %REF %ALT %SAMPLE %GT\n]", copy],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    samples = dict(hospital.truth.samples.select("sample_id", "person_id").iter_rows())
    carriers = set()
    for line in printed.splitlines():
        identity, ref, alt, sample, call = line.split()
        assert (identity, ref, alt) == ("rs4977574", "A", "G")
        if "1" in call and "." not in call:
            carriers.add(samples[sample])
    truth = hospital.truth.carriers("9:22098574:A:G")["person_id"]
    assert set(truth) == carriers
    assert 0.2 < len(carriers) / len(samples) < 0.95


def test_header_names_the_contigs_of_grch37(hospital: Hospital) -> None:
    vcf = VCF(str(hospital.folder / "genotypes.vcf.gz"))
    assert dict(zip(vcf.seqnames, vcf.seqlens, strict=True)) == {"9": 141213431, "22": 51304566}
    assert "##fileformat=VCFv4.2" in vcf.raw_header


def test_questions_about_genotypes_are_plain_filters(hospital: Hospital) -> None:
    truth = hospital.truth
    variants = truth.person_variants(42, "9:22000000-22130000")
    assert len(variants) > 0
    assert set(variants["person_id"]) == {42}
    assert set(variants["dosage"]) <= {1, 2}
    assert variants["pos"].is_between(22_000_000, 22_130_000).all()
    common = truth.maf(0.05, 0.5, "22:1-51304566")
    assert len(common) > 0
    assert set(common["chrom"]) == {"22"}
    assert len(truth.maf(0.0, 0.5)) == len(truth.alleles)


# --------------------------------------------------------------------------------- as a whole


def test_the_same_seed_gives_the_same_bytes(hospital: Hospital, tmp_path: Path) -> None:
    generate(tmp_path / "again", seed=11, half_calls=0.002, **SMALL)
    generate(tmp_path / "other", seed=12, half_calls=0.002, **SMALL)
    again, other = contents(tmp_path / "again"), contents(tmp_path / "other")
    assert again == contents(hospital.folder)
    assert again.keys() == other.keys()
    same = {name for name in again if again[name] == other[name]}
    vocabulary = {name for name in again if name.startswith("vocabulary")}
    assert same == vocabulary | {"truth/ancestors.parquet"}


def test_the_truth_is_read_as_it_was_written(hospital: Hospital) -> None:
    read = Truth.read(hospital.folder / "truth")
    assert read.settings == hospital.truth.settings
    for table in ("rejected", "genotypes", "alleles", "samples", "person", "measurement"):
        assert_frame_equal(getattr(read, table), getattr(hospital.truth, table))


def test_clean_tables_on_request(tmp_path: Path) -> None:
    truth = generate(tmp_path, seed=3, dirty=0, missing=0, half_calls=0, **SMALL)
    rejected, _ = judge(tmp_path)
    assert rejected == set()
    assert truth.rejected.is_empty()
    assert 3 not in truth.genotypes["dosage"]


def test_each_fault_occurs_as_often_as_asked(hospital: Hospital) -> None:
    reasons = sum(len(fault.reasons) for faults in FAULTS.values() for fault in faults)
    assert len(hospital.truth.rejected) == 2 * reasons


def test_carriers_of_the_planted_allele_fall_ill_more_often(tmp_path: Path) -> None:
    truth = generate(tmp_path, seed=5, persons=1500, bases_9=20_000, bases_22=20_000)
    planted = truth.settings["planted"]
    assert planted["log_odds_per_copy"] == LOG_ODDS_PER_COPY > 0
    ill = truth.domain(planted["concept_id"])["condition_occurrence"]["person_id"].unique()
    share = {
        copies: truth.carriers(planted["variant"], [copies])["person_id"]
        .is_in(ill.implode())
        .mean()
        for copies in (0, 1, 2)
    }
    assert share[0] < share[1] < share[2], share  # type: ignore[operator]


@pytest.mark.parametrize(
    ("asked", "message"), [({"persons": 5}, "5 persons"), ({"bases_22": 2}, "2 bases")]
)
def test_a_hospital_too_small_is_refused(
    tmp_path: Path, asked: dict[str, int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        generate(tmp_path, **(SMALL | asked))


def test_without_msprime_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msprime", None)
    with pytest.raises(UsageError, match=r"precisionchain\[demo\]"):
        generate(tmp_path, **SMALL)


def test_one_module_imports_msprime() -> None:
    folder = Path(precisionchain.synthetic.__file__).parent.parent
    importing = [
        p
        for p in folder.rglob("*.py")
        if re.search(r"^\s*(import|from) msprime", p.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert [p.name for p in importing] == ["genome.py"]
