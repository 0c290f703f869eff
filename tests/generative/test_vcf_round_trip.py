"""Any VCF staged and read back says what its text says, call by call."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
from hypothesis import event, given
from hypothesis import strategies as st

from precisionchain.errors import DuplicateVariantError
from precisionchain.ingest import vcf_blocks, vcf_bytes, vcf_records, vcf_stream
from precisionchain.ingest import vcf_text as text_reader
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.schemas.calls import Calls
from precisionchain.schemas.genotypes import unpack_variant_block
from tests.lib.genotype_text import Line, expected_row, shortest
from tests.lib.vcf_builder import vcf_text, write_map, write_text

BASES = st.text("ACGT", min_size=1, max_size=4)
ALTS = st.lists(BASES | st.just("*"), min_size=0, max_size=3, unique=True)
# Positions near the ends of a tile, a pseudo-autosomal region and each other.
ON_MT = st.integers(16_380, 16_390) | st.integers(1, 5)
POSITIONS = ON_MT | st.integers(60_000, 60_004) | st.integers(9_999, 10_003)
CONTIGS = ("9", "X", "Y", "MT")
SEXES = {"M": 1, "F": 2, "": 0}


@st.composite
def calls(draw: st.DrawFn, n_alts: int) -> str:
    allele = st.sampled_from([".", *map(str, range(n_alts + 1))])
    alleles = draw(st.lists(allele, min_size=1, max_size=2))
    return draw(st.sampled_from("/|")).join(alleles)


@st.composite
def records(draw: st.DrawFn, chrom: str, n_samples: int) -> tuple[int, str]:
    pos, ref = draw(ON_MT if chrom == "MT" else POSITIONS), draw(BASES)
    alts = [alt for alt in draw(ALTS) if alt != ref]
    texts = [draw(calls(len(alts))) for _ in range(n_samples)]
    return pos, f"{chrom}:{pos} {ref} {','.join(alts) or '.'} {' '.join(texts)}"


@st.composite
def files(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Records in order of contig and position, and a sex for every sample."""
    sexes = draw(st.lists(st.sampled_from(sorted(SEXES)), min_size=1, max_size=6))
    specs: list[str] = []
    for chrom in draw(st.lists(st.sampled_from(CONTIGS), min_size=1, unique=True)):
        found = draw(st.lists(records(chrom, len(sexes)), min_size=1, max_size=6))
        specs.extend(spec for _, spec in sorted(found, key=lambda one: one[0]))
    return specs, sexes


@given(
    file=files(),
    form=st.sampled_from(["vcf", "vcf.gz", "bcf"]),
    half_call=st.sampled_from(["missing", "haploid"]),
    run_alleles=st.sampled_from([1, 3, 4096]),
    block_alleles=st.sampled_from([1, 2, 2512]),
)
def test_staged_calls_are_the_calls_of_the_text(
    file: tuple[list[str], list[str]],
    form: str,
    half_call: str,
    run_alleles: int,
    block_alleles: int,
) -> None:
    specs, sexes = file
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(vcf_records, "RUN_ALLELES", run_alleles),
        mock.patch.object(vcf_blocks, "BATCH_CALLS", block_alleles * len(sexes)),
        mock.patch.object(vcf_bytes, "CHUNK_BYTES", 97),
        mock.patch.object(vcf_stream, "KEPT_CHUNKS", 2),
        mock.patch.object(text_reader, "DECODED_CALLS", 2 * len(sexes)),
    ):
        samples = [f"s{i}" for i in range(len(sexes))]
        text = vcf_text(*specs, samples=samples)
        path = write_text(Path(folder) / f"f.{form}", text)
        rows = (f"s{i},{100 - i},{sex}" for i, sex in enumerate(sexes))
        mapping = write_map(Path(folder) / "map.csv", *rows)
        try:
            run = stage_vcf(
                Staging(Path(folder) / "staging"),
                [path],
                VcfSettings(
                    samples=mapping,
                    build="GRCh37",
                    half_call=half_call,  # type: ignore[arg-type] # drawn from its own values
                ),
            )
        except DuplicateVariantError:
            event("contradictory duplicates")
            assert _contradicts(text, sexes, half_call)
            return
        assert not _contradicts(text, sexes, half_call)
        _compare(run, text, sexes, half_call)


Call = tuple[int, int, int]


def _rows(
    text: str, sexes: list[str], half_call: str
) -> Iterator[tuple[tuple[str, int, str, str], list[Call]]]:
    """Yield each allele to be stored, with (dosage, haploid, phase) of each sample."""
    sex = [SEXES[s] for s in sexes]
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        chrom, pos, _, ref, alts, _, _, _, _, *found = line.split("\t")
        parsed = Line(0, chrom, int(pos), ref, tuple(alts.split(",")), found)
        for number, alt in parsed.queryable():
            columns = expected_row(parsed, number, sex, half_call=half_call)
            place = shortest(int(pos), ref, alt)
            yield (chrom, *place), list(zip(*(c.tolist() for c in columns), strict=True))


def _contradicts(text: str, sexes: list[str], half_call: str) -> bool:
    seen: dict[tuple[str, int, str, str], list[tuple[int, int]]] = {}
    for key, row in _rows(text, sexes, half_call):
        ploid = [(dosage, haploid) for dosage, haploid, _ in row]
        if seen.setdefault(key, ploid) != ploid:
            return True
    return False


def _compare(run: Run, text: str, sexes: list[str], half_call: str) -> None:
    expected: dict[tuple[str, int, str, str], list[Call]] = {}
    for key, row in _rows(text, sexes, half_call):
        above = expected.get(key, row)
        expected[key] = [
            (d, h, p if p == q else 0) for (d, h, p), (_, _, q) in zip(row, above, strict=True)
        ]
    sites = pq.read_table(run.path / "sites.parquet").to_pylist()
    keys = [(s["chrom"], s["pos"], s["ref"], s["alt"]) for s in sites]
    contigs = list(dict.fromkeys(key[0] for key in keys))
    assert keys == sorted(expected, key=lambda k: (contigs.index(k[0]), *k[1:]))
    counts = pq.read_table(run.path / "counts.parquet").to_pylist()
    for key, site, count in zip(keys, sites, counts, strict=True):
        body = (run.path / "blocks" / f"{site['block']:06d}.arrow").read_bytes()
        block = unpack_variant_block(body)
        assert block.sites["pos"][site["row"]].as_py() == key[1]
        assert _calls_of(block.calls(), site["row"]) == expected[key]
        dosages = [d for d, _, _ in expected[key] if d != 3]
        assert count["ac"] == sum(dosages)
        assert count["an"] == sum(2 - h for d, h, _ in expected[key] if d != 3)
        assert count["n_missing"] == len(sexes) - len(dosages)


def _calls_of(calls: Calls, row: int) -> list[Call]:
    """Return (dosage, haploid, phase) with the last two 0 where they mean nothing."""
    found = []
    for person, dosage in enumerate(calls.dosage[row].tolist()):
        haploid, phase = calls.haploid, calls.phase
        single = int(dosage != 3 and haploid is not None and bool(haploid[row, person]))
        order = 0 if dosage == 3 or single or phase is None else int(phase[row, person])
        found.append((dosage, single, order))
    return found


def test_the_oracle_itself() -> None:
    line = Line(0, "X", 5_000_000, "A", ("G",), ["0|1", "1/1", "./.", "1"])
    rows = expected_row(line, 1, [2, 1, 1, 0])
    assert np.array(rows).T.tolist() == [[1, 0, 1], [1, 1, 0], [3, 0, 0], [1, 1, 0]]
