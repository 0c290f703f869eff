"""The reader of text equals htslib's: the same runs, counts and refusals, or the same error."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st

from precisionchain.errors import PrecisionChainError
from precisionchain.ingest import vcf_bytes, vcf_stream, vcf_text
from precisionchain.ingest.vcf_read import Persons, read_runs
from precisionchain.ingest.vcf_run import CallRun, ReadRules, ReadTally
from precisionchain.ingest.vcf_scan import Scan, scan
from precisionchain.schemas.calls import unpack_calls
from tests.lib.htslib_reader import htslib_runs
from tests.lib.vcf_builder import header

Reader = Callable[[Scan, Persons, ReadRules, ReadTally], Iterator[CallRun]]

FORMATS = ("GT", "GT:AD:DP:GQ", "GT:GQ:PS", "DP:GT", "DP:AD", "GT:DP:PS:GQ", "AGT:XGT:GT")
DECLARED = "".join(
    f'##FORMAT=<ID={key},Number=.,Type={kind},Description="x">\n'
    for key, kind in (("AD", "Integer"), ("GQ", "Integer"), ("PS", "Integer"), ("XX", "String"))
)
COUNTS = (1, 2, 3, 4, 7, 8, 9, 12, 17, 40)
NUMBERS = st.sampled_from([".", "0", "7", "20", "99"])
BASES = st.text("ACGTN", min_size=1, max_size=3)
ODD_ALTS = ("*", "<DEL>", "<*>", "a", "g", "R", "A]9:7]", "<NON_REF>")


def alleles(n_alts: int) -> st.SearchStrategy[str]:
    return st.sampled_from([".", "0", *map(str, range(n_alts + 1))])


@st.composite
def genotypes(draw: st.DrawFn, n_alts: int, broken: bool) -> str:
    """Any call: haploid, diploid, half, of one or two digits, seldom of three alleles."""
    if draw(st.integers(0, 60)) == 0:
        return draw(st.sampled_from(["0/1/1", "9", "1|70000", "./././."]))
    if broken and draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(["0/x", "0/", "", "/1", "0//1", "0\\1"]))
    found = draw(st.lists(alleles(n_alts), min_size=1, max_size=2))
    return draw(st.sampled_from("/|")).join(found)


@st.composite
def plain_cells(draw: st.DrawFn, n: int, broken: bool) -> list[str]:
    """Cells of three letters as most files have them, with one that may be otherwise."""
    mark = draw(st.sampled_from("/|"))
    cells = st.sampled_from([f"{a}{mark}{b}" for a in "01" for b in "01"] + ["./.", ".|."])
    found = draw(st.lists(cells, min_size=n, max_size=n))
    if draw(st.booleans()):
        others = ["0/1", "1|0", "0/.", "0/2", "./0", "0", "10|1"]
        other = st.sampled_from(["00/", "0|x", "|0|", "0:1"] if broken else others)
        found[draw(st.integers(0, n - 1))] = draw(other)
    return found


@st.composite
def cells(draw: st.DrawFn, form: str, n_alts: int, n: int, broken: bool) -> list[str]:
    if form == "GT" and draw(st.booleans()):
        return draw(plain_cells(n, broken))
    keys = form.split(":")
    found: list[str] = []
    for _ in range(n):
        values = [draw(genotypes(n_alts, broken)) if key == "GT" else draw(NUMBERS) for key in keys]
        # htslib ends the process if nobody has the GT that FORMAT names.
        least = keys.index("GT") + 1 if "GT" in keys and not found else 1
        values = values[: draw(st.integers(least, len(keys)))] if draw(st.booleans()) else values
        found.append(":".join(values) + ":1" * (broken and draw(st.integers(0, 5)) == 0))
    return found


@st.composite
def records(draw: st.DrawFn, chrom: str, pos: int, n: int, broken: bool) -> str:
    ref = draw(BASES | st.sampled_from(["a", "R", "AC", "CTT"]))
    many = [f"A{'C' * i}G" for i in range(draw(st.sampled_from([0] * 30 + [12, 300])))]
    alts = many or draw(st.lists(BASES | st.sampled_from(ODD_ALTS), max_size=3))
    form = draw(st.sampled_from(FORMATS + ("GT",) * 6))
    ident = draw(st.sampled_from([".", "rs1", "rs1;rs2", "é"]))
    filters = draw(st.sampled_from([".", "PASS", "q10", "q10;s50"]))
    calls = draw(cells(form, len(alts), n, broken))
    row = (chrom, str(pos), ident, ref, ",".join(alts) or ".", ".", filters, "END=90", form, *calls)
    return "\t".join(row)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, int]:
    """A file's text, and its number of samples."""
    n = draw(st.sampled_from(COUNTS))
    broken = draw(st.integers(0, 3)) == 0
    lines = []
    for chrom in draw(
        st.lists(st.sampled_from(["9", "X", "Y", "MT", "9"]), min_size=1, unique=True)
    ):
        positions = sorted(draw(st.lists(st.integers(59_998, 60_004), min_size=1, max_size=4)))
        places = [p - 59_990 if chrom == "MT" else p for p in positions]
        lines += [draw(records(chrom, pos, n, broken)) for pos in places]
    head = header(("9", "X", "Y", "MT"), samples=[f"s{i}" for i in range(n)])
    text = (
        head.replace("#CHROM", DECLARED + "#CHROM")
        + "\n".join(lines)
        + draw(st.sampled_from(["\n", "", "\n\n"]))
    )
    return text.replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n"]))).encode(), n


def everything(reader: Reader, found: Scan, persons: Persons, rules: ReadRules) -> Any:
    """What a reader makes of a file, as plain values."""
    tally = ReadTally()
    rows: list[Any] = []
    try:
        for run in reader(found, persons, rules, tally):
            calls = unpack_calls(run.calls)
            haploid = (
                np.zeros(calls.dosage.shape, np.bool_) if calls.haploid is None else calls.haploid
            )
            phase = np.zeros(calls.dosage.shape, np.uint8) if calls.phase is None else calls.phase
            for i, site in enumerate(run.sites.to_pylist()):
                called = (calls.dosage[i].tolist(), haploid[i].tolist(), phase[i].tolist())
                kept = {name: value for name, value in site.items() if value is not None}
                rows.append((run.chrom, kept, called))
    except PrecisionChainError as error:
        return type(error), error.where
    normalised = +tally.normalised  # without zeros
    refused = [(r.record, r.chrom, r.pos, r.end, r.rule) for r in tally.refused]
    return rows, refused, normalised, tally.dropped, tally.calls.tolist()


RULES = st.builds(
    ReadRules,
    build=st.just("GRCh37"),
    half_call=st.sampled_from(["missing"] * 3 + ["haploid", "reference"] * 3 + ["error"]),
    filter_policy=st.sampled_from(["any", "any", "pass"]),
    trimmed=st.booleans(),
    min_gq=st.sampled_from([None, None, 20.0]),
    min_dp=st.sampled_from([None, None, 7.0]),
)


@given(file=files(), rules=RULES, chunk=st.sampled_from([31, 200, 1 << 22]), seed=st.integers(0, 9))
def test_both_readers_say_the_same(
    file: tuple[bytes, int], rules: ReadRules, chunk: int, seed: int
) -> None:
    text, n = file
    random = np.random.default_rng(seed)
    columns = np.arange(n) if seed % 2 else random.permutation(n)
    persons = Persons(columns, random.integers(0, 3, n).astype(np.uint8))
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(vcf_bytes, "CHUNK_BYTES", chunk),
        mock.patch.object(vcf_stream, "KEPT_CHUNKS", 1 + seed % 3),
        mock.patch.object(vcf_text, "DECODED_CALLS", 3 * n),
    ):
        path = Path(folder) / "f.vcf"
        path.write_bytes(text)
        found = scan(path)
        ours = everything(read_runs, found, persons, rules)
        theirs = everything(htslib_runs, found, persons, rules)
    event("an error" if len(ours) == 2 else "taken")
    assert ours == theirs
