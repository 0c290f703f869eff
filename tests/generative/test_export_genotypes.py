"""Exported files, read by hand, against a reading of every record of what was sealed."""

from __future__ import annotations

import gzip
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from precisionchain.errors import UsageError
from precisionchain.query.export_genotypes import (
    ExportedGenotypes,
    GenotypeFormat,
    export_genotypes,
    genotype_targets,
)
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.genome import chrom_rank, expected_ploidy
from precisionchain.schemas.structural import is_structural
from tests.generative.test_counts_fold import networks
from tests.lib.genetic_runs import (
    BUILD,
    MALE,
    Batch,
    Key,
    Person,
    State,
    listed_keys,
    replica,
    state,
)

EXAMPLES = settings().max_examples // 5
PAR = ((60_001, 2_699_520), (154_931_044, 155_260_560))

Names = list[tuple[str, int]]
Cells = dict[tuple[Key, str], str]


def oracle(network: list[Batch], chosen: list[int]) -> dict[Key, list[State]]:
    """The states of chosen persons, in their order, at each allele where anybody was assayed."""
    of_person = {
        person.person_id: (batch, column)
        for batch in network
        for column, person in enumerate(batch.persons)
    }
    found = {
        key: [state(*of_person[person], key) for person in chosen]
        for key in sorted(listed_keys(network), key=lambda key: (chrom_rank(key[0]), *key[1:]))
    }
    return {
        key: states
        for key, states in found.items()
        if any(s.genotype != "not_assayed" for s in states)
    }


def person(network: list[Batch], person_id: int) -> Person:
    return next(p for batch in network for p in batch.persons if p.person_id == person_id)


def as_vcf(key: Key, who: Person, of: State) -> str:
    copies = expected_ploidy(BUILD, key[0], key[1], male=who.sex == MALE)
    none = "." if copies < 2 else "./."
    if of.genotype == "not_assayed":
        return f"{none}:not_assayed"
    if of.genotype == "missing":
        return none
    if of.ploidy == 1:
        return of.genotype
    return of.phase or {"0": "0/0", "1": "0/1", "2": "1/1"}[of.genotype]


def as_bits(of: State, codes: str) -> str:
    """A call in two bits: the codes of none, one, two copies, and missing, in that order."""
    if of.genotype in ("missing", "not_assayed"):
        return codes[3]
    copies = 2 if (of.genotype, of.ploidy) == ("1", 1) else int(of.genotype)
    return codes[copies]


def two_bits(row: bytes, persons: int) -> str:
    return "".join(str((row[i // 4] >> 2 * (i % 4)) & 3) for i in range(persons))


def export(
    snapshot: Snapshot, folder: Path, name: str, form: GenotypeFormat, chosen: list[int]
) -> tuple[ExportedGenotypes, list[Path]]:
    form, targets = genotype_targets(folder / name, form)
    persons = pl.DataFrame(
        [("A", one) for one in chosen],
        schema={"site": pl.String, "person_id": pl.Int64},
        orient="row",
    )
    exported = export_genotypes(
        snapshot, form, {t: t for t in targets}, build=BUILD, persons=persons, skip_symbolic=True
    )
    assert exported.persons_returned["A"].tolist() == sorted(chosen)
    assert exported.rows == exported.value.alleles == exported.variants_returned.height
    return exported.value, list(targets)


@st.composite
def asked(draw: st.DrawFn) -> tuple[list[Batch], list[int]]:
    """Draw a network, and some of its persons, nobody called 0."""
    network = [
        replace(b, persons=tuple(Person(p.person_id + 1, p.sex) for p in b.persons))
        for b in draw(networks())
    ]
    everyone = [p.person_id for batch in network for p in batch.persons]
    chosen = draw(st.lists(st.sampled_from(everyone), min_size=1, unique=True))
    return network, sorted(chosen)


@settings(max_examples=EXAMPLES)
@given(asked(), st.sampled_from(["x.vcf", "x.vcf.gz"]))
def test_a_vcf_says_of_everyone_what_the_records_say(
    drawn: tuple[list[Batch], list[int]], name: str
) -> None:
    network, chosen = drawn
    due = oracle(network, chosen)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = replica(Path(folder), network)
        exported, (path,) = export(snapshot, Path(folder), name, "vcf", chosen)
        stored = path.read_bytes()
        text = (gzip.decompress(stored) if name.endswith(".gz") else stored).decode()
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("##")]
    assert lines[0][9:] == [f"A:{one}" for one in chosen]
    found = {}
    for chrom, pos, _, ref, alt, _, _, info, form, *cells in lines[1:]:
        said = dict(part.split("=") for part in info.split(";"))
        if alt.startswith("<"):
            assert said["SVTYPE"] == alt.strip("<>")
            alt = f"{alt[:-1]};END={said['END']}>"  # noqa: PLW2901 - as it is stored
        key = (chrom, int(pos), ref, alt)
        found[key] = cells
        copies = {name: int(said[name]) for name in ("AC", "AN")}
        alleles = "".join(cell.partition(":")[0] for cell in cells)
        assert copies == {"AC": alleles.count("1"), "AN": sum(alleles.count(n) for n in "01")}
        assert (form == "GT:FT") == any("not_assayed" in cell for cell in cells)
    whole = {
        key: [as_vcf(key, person(network, n), s) for n, s in zip(chosen, of, strict=True)]
        for key, of in due.items()
    }
    assert found == whole
    assert list(found) == list(due)
    states = [s.genotype for of in due.values() for s in of]
    assert exported.missing == states.count("missing")
    assert exported.not_assayed == states.count("not_assayed")
    assert exported.called == len(states) - exported.missing - exported.not_assayed
    assert exported.alleles_nobody_assayed == len(listed_keys(network)) - len(due)


def plink_chrom(key: Key, form: str) -> str:
    par = [n for n, (a, b) in enumerate(PAR, 1) if key[0] == "X" and a <= key[1] <= b]
    if form == "pgen":
        return f"PAR{par[0]}" if par else key[0]
    return "25" if par else {"X": "23", "Y": "24", "MT": "26"}.get(key[0], key[0])


@settings(max_examples=EXAMPLES)
@given(asked())
def test_a_bed_holds_the_same_calls(drawn: tuple[list[Batch], list[int]]) -> None:
    network, chosen = drawn
    due = {key: of for key, of in oracle(network, chosen).items() if not is_structural(key[3])}
    with tempfile.TemporaryDirectory() as folder:
        snapshot = replica(Path(folder), network)
        try:
            exported, (bed, bim, fam) = export(snapshot, Path(folder), "x", "bed", chosen)
        except UsageError:
            assert not due
            return
        calls, alleles, people = bed.read_bytes(), bim.read_text(), fam.read_text()
    assert [line.split("\t") for line in people.splitlines()] == [
        ["A", str(n), "0", "0", str(person(network, n).sex), "-9"] for n in chosen
    ]
    width = -(-len(chosen) // 4)
    assert calls[:3] == b"\x6c\x1b\x01"
    found = {}
    for row, line in enumerate(alleles.splitlines()):
        chrom, _, _, pos, alt, ref = line.split("\t")
        packed = calls[3 + row * width : 3 + (row + 1) * width]
        found[chrom, int(pos), ref, alt] = two_bits(packed, len(chosen))
    assert len(calls) == 3 + width * len(found)
    assert found == {
        (plink_chrom(k, "bed"), *k[1:]): "".join(as_bits(s, "3201") for s in of)
        for k, of in due.items()
    }
    chroms = [chrom for chrom, *_ in found]
    assert sum(a != b for a, b in pairwise(chroms)) == max(0, len(set(chroms)) - 1)
    assert exported.phased_left_out == sum(
        s.genotype == "1" and s.phase is not None for of in due.values() for s in of
    )


def pgen_rows(content: bytes, variants: int, persons: int) -> Iterator[tuple[str, list[str]]]:
    """Read a pgen of mode 0x10 with 8-bit types and 32-bit lengths: codes, and phases of hets."""
    assert content[:3] == b"\x6c\x1b\x10"
    assert struct.unpack_from("<IIB", content, 3) == (variants, persons, 0x47)
    (at,) = struct.unpack_from("<Q", content, 12)
    types = content[20 : 20 + variants]
    lengths = struct.unpack_from(f"<{variants}I", content, 20 + variants)
    assert at == 20 + 5 * variants
    for kind, length in zip(types, lengths, strict=True):
        record = content[at : at + length]
        at += length
        width = -(-persons // 4)
        codes, track = two_bits(record[:width], persons), record[width:]
        bits = "".join(f"{byte:08b}"[::-1] for byte in track)
        hets = codes.count("1")
        phases = ["0/1"] * hets
        if kind == 0x10:
            which = bits[1 : 1 + hets] if bits[0] == "1" else "1" * hets
            start = -(-(1 + hets) // 8) * 8 if bits[0] == "1" else 1
            order = iter(bits[start:])
            phases = [
                ("1|0" if next(order) == "1" else "0|1") if b == "1" else "0/1" for b in which
            ]
        else:
            assert (kind, track) == (0, b"")
        yield codes, phases
    assert at == len(content)


@settings(max_examples=EXAMPLES)
@given(asked())
def test_a_pgen_holds_the_same_calls_and_the_phase(drawn: tuple[list[Batch], list[int]]) -> None:
    network, chosen = drawn
    due = oracle(network, chosen)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = replica(Path(folder), network)
        try:
            _, (pgen, pvar, psam) = export(snapshot, Path(folder), "x.pgen", "pgen", chosen)
        except UsageError:
            assert not due
            return
        calls, alleles, people = pgen.read_bytes(), pvar.read_text(), psam.read_text()
        assert not list(Path(folder).glob("*.records"))
    assert people.splitlines() == [
        "#FID\tIID\tSEX",
        *(f"A\t{n}\t{person(network, n).sex}" for n in chosen),
    ]
    lines = [line.split("\t") for line in alleles.splitlines()[1:]]
    keys = [(chrom, int(pos), ref, alt) for chrom, pos, _, ref, alt in lines]
    assert keys == [(plink_chrom(key, "pgen"), *key[1:]) for key in due]
    rows = pgen_rows(calls, len(keys), len(chosen))
    for of, (codes, phases) in zip(due.values(), rows, strict=True):
        assert codes == "".join(as_bits(s, "0123") for s in of)
        hets = [s for s in of if (s.genotype, s.ploidy) == ("1", 2)]
        assert phases == [s.phase or "0/1" for s in hets]
