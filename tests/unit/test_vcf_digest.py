"""A file's digest, computed by hand from its text as docs/reference/vcf-staging.md says."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from precisionchain.ingest import vcf_bytes, vcf_stream
from precisionchain.ingest.vcf_scan import scan
from tests.lib.vcf_builder import vcf_text, write_text

SAMPLES = tuple("abcdefghij")
PAIRS = {"0|0": 0, "0|1": 2, "1|0": 1, "1|1": 3, "0/0": 0, "0/1": 2, "1/0": 2, "1/1": 3}


def digest(text: str) -> str:
    """Return the digest of a file, one record after the other."""
    columns, *records = [x for x in text.split("\n") if x and not x.startswith("##")]
    streams = [b"", b"", b""]
    for line in records:
        fixed, calls = line.split("\t")[:9], line.split("\t")[9:]
        called = [call for call in calls if call not in ("./.", ".|.")]
        separators = {call[1:2] for call in called} or {calls[-1][1:2]}
        if fixed[8] != "GT" or not set(called) <= set(PAIRS) or len(separators) > 1:
            streams[0] += line.encode() + b"\n"
            continue
        gaps = [call not in called for call in calls]
        stand_in = separators.pop() + "." * any(gaps)
        streams[0] += "\t".join((*fixed, stand_in, "")).encode()[:-1] + b"\n"
        number = sum(PAIRS.get(call, 0) << 2 * i for i, call in enumerate(calls))
        streams[1] += number.to_bytes(-(-len(calls) // 4), "little")
        if any(gaps):
            number = sum(gap << i for i, gap in enumerate(gaps))
            streams[2] += number.to_bytes(-(-len(calls) // 8), "little")
    parts = b"".join(sha256(stream).digest() for stream in streams)
    return sha256(columns.encode() + b"\n" + parts).hexdigest()


def drawn(seed: int) -> str:
    """Return a file of records of every kind: packed or not, with missing calls and without."""
    rng = np.random.default_rng(seed)
    kinds = (
        ["0|0", "0|1", "1|0", "1|1"],
        ["0/0", "0/1", "1/0", "1/1", "./.", ".|."],
        ["0|0", "1|1", ".|.", "./."],
        ["./.", ".|."],
        ["0|0", "0/1"],
        ["0/1", "0/."],
        ["1", "0|1"],
        ["0|0"],
    )
    records = []
    for i in range(40):
        kind = kinds[int(rng.integers(len(kinds)))]
        calls = " ".join(rng.choice(kind, len(SAMPLES)).tolist())
        records.append(f"9:{10 + i} A {'C' if i % 5 else 'C,G'} {calls}")
    return vcf_text(*records, samples=SAMPLES)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("chunk", "chunks"), [(2**20, 4), (97, 1), (150, 4)])
def test_it_is_the_documented_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, chunk: int, chunks: int
) -> None:
    monkeypatch.setattr(vcf_bytes, "CHUNK_BYTES", chunk)
    monkeypatch.setattr(vcf_stream, "KEPT_CHUNKS", chunks)
    text = drawn(seed)
    assert scan(write_text(tmp_path / "f.vcf.gz", text)).digest == digest(text)


def test_line_ends_do_not_change_it_nor_the_order_of_unphased_alleles(tmp_path: Path) -> None:
    text = drawn(5)
    again = re.sub(r"\b1/0\b", "0/1", text).replace("\n", "\r\n")
    assert again != text
    assert scan(write_text(tmp_path / "f.vcf", again + "\r\n")).digest == digest(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("0|1", "1|0"), ("0|1", "0|0"), ("0/1", "1/1"), ("./.", "0/0"), (".|.", "0|0")],
)
def test_every_call_is_in_it(tmp_path: Path, one: str, other: str) -> None:
    sep = one[1]
    for at in range(len(SAMPLES)):
        calls = [f"0{sep}1"] * len(SAMPLES)
        found = set()
        for call in (one, other):
            calls[at] = call
            text = vcf_text(f"9:5 A C {' '.join(calls)}", samples=SAMPLES)
            found.add(scan(write_text(tmp_path / "f.vcf", text)).digest)
        assert len(found) == 2, at


def test_phase_is_in_it(tmp_path: Path) -> None:
    texts = [vcf_text(f"9:5 A C {' '.join([f'0{sep}1'] * 10)}", samples=SAMPLES) for sep in "|/"]
    first, second = (scan(write_text(tmp_path / "f.vcf", text)).digest for text in texts)
    assert first != second
