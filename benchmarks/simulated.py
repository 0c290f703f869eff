"""Large files made of a real one: of many sites, or of many persons.

Sites: its records again and again, moved, with errors in calls. Persons: each haplotype is, piece
by piece of the genome, that of somebody in it.
"""

from __future__ import annotations

import gzip
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

SITES = 270_000
APART = 40_000
"""Base pairs between copies: genes come to lie among copies of others."""
ERRORS = 0.0005
"""Share of the alleles of a copy that are turned into the other one."""


_PIECE, _SWITCHING = 16, 0.02
"""After so many records so large a share of the haplotypes go on as somebody else's."""


def simulate(vcf: Path, out: Path, sites: int = SITES) -> Path:
    """Write a bgzip'd VCF of about as many sites; the source's calls are written ``0|1``.

    Args:
        vcf: sorted; records whose calls are no plain pairs are repeated as they are.
        out: the file to be written.
        sites: how many records at most.
    """
    head, _, body = gzip.decompress(vcf.read_bytes()).partition(b"\n#CHROM")
    names, _, body = body.partition(b"\n")
    persons = len(names.split(b"\t")) - 9
    lines = body.splitlines()
    places: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for number, line in enumerate(lines):
        chrom, pos, _ = line.split(b"\t", 2)
        places[chrom].append((int(pos), number))
    rng = np.random.default_rng(7)
    left = sites
    with (
        out.open("wb") as file,
        subprocess.Popen(["bgzip", "-c"], stdin=subprocess.PIPE, stdout=file) as packer,
    ):
        assert packer.stdin is not None
        packer.stdin.write(head + b"\n#CHROM" + names + b"\n")
        for found in places.values():
            for place, number, copy in _moved(np.array(found), -(-sites // len(lines)), left):
                cells = lines[number].split(b"\t", 9)
                cells[1] = b"%d" % place
                if copy:
                    cells[9] = _with_errors(cells[9], persons, rng)
                packer.stdin.write(b"\t".join(cells) + b"\n")
                left -= 1
    return out


def resample(vcf: Path, out: Path, persons: int, every: int = 1) -> Path:
    """Write a bgzip'd VCF of so many persons, and of the records whose calls are plain pairs.

    Args:
        vcf: sorted; its samples are drawn from, with replacement.
        out: the file to be written; its samples are S000001 and so on.
        persons: how many.
        every: one record of so many is taken.
    """
    head, _, body = gzip.decompress(vcf.read_bytes()).partition(b"\n#CHROM")
    names, _, body = body.partition(b"\n")
    columns = names.split(b"\t")
    known = len(columns) - 9
    rng = np.random.default_rng(11)
    text = np.frombuffer(b"0|0\t" * persons, np.uint8).copy()
    from_whom = rng.integers(0, known, (2, persons))
    with (
        out.open("wb") as file,
        subprocess.Popen(["bgzip", "-c", "-@", "2"], stdin=subprocess.PIPE, stdout=file) as packer,
    ):
        assert packer.stdin is not None
        samples = b"\t".join(b"S%06d" % number for number in range(1, persons + 1))
        fixed = b"\t".join(columns[:9])
        packer.stdin.write(head + b"\n#CHROM" + fixed + b"\t" + samples + b"\n")
        for number, line in enumerate(body.splitlines()[::every]):
            cells = line.split(b"\t", 9)
            calls = np.frombuffer(cells[9], np.uint8)
            if len(calls) != 4 * known - 1 or b":" in cells[8]:
                continue
            if number % _PIECE == 0:
                moved = rng.random((2, persons)) < _SWITCHING
                from_whom = np.where(moved, rng.integers(0, known, (2, persons)), from_whom)
            text[0::4], text[2::4] = calls[4 * from_whom[0]], calls[4 * from_whom[1] + 2]
            packer.stdin.write(b"\t".join(cells[:9]) + b"\t" + text[:-1].tobytes() + b"\n")
    return out


def _moved(found: npt.NDArray[np.int64], copies: int, most: int) -> list[tuple[int, int, int]]:
    """Return position, number and copy of a chromosome's records, each position once, in order."""
    copy = np.repeat(np.arange(copies), len(found))
    pos = np.tile(found[:, 0], copies) - APART * copy + copy % 3
    _, first = np.unique(pos, return_index=True)
    taken = first[pos[first] > 0][:most]
    number = np.tile(found[:, 1], copies)
    return list(zip(pos[taken].tolist(), number[taken].tolist(), copy[taken].tolist(), strict=True))


def _with_errors(calls: bytes, persons: int, rng: np.random.Generator) -> bytes:
    """Return calls of four bytes each with some alleles 0 and 1 turned into the other."""
    if len(calls) != 4 * persons - 1:
        return calls
    text = np.frombuffer(calls, np.uint8).copy()
    n = rng.poisson(2 * persons * ERRORS)
    at = 4 * rng.integers(0, persons, n) + 2 * rng.integers(0, 2, n)
    at = at[(text[at] == ord("0")) | (text[at] == ord("1"))]
    text[at] ^= 1
    return text.tobytes()
