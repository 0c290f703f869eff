"""Ways to spoil a VCF file: its records' columns, its header, its bytes, its compression.

All of them draw from a `random.Random`, so a number gives the same file again, and so does
Hypothesis, which can then shrink what it draws.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from tests.lib.vcf_builder import BGZF_END, bgzf_block
from tests.lib.vcf_seeds import Seed

LONG = 70_000
"""Bytes of a field that is longer than a BGZF block."""


@dataclass
class Draft:
    """A file being spoilt: lines of its header, columns of its records, the end of its lines."""

    heading: list[bytes]
    records: list[list[bytes]]
    newline: bytes = b"\n"
    tail: bytes = b"\n"

    @classmethod
    def of(cls, seed: Seed) -> Draft:
        """Begin with a valid file."""
        return cls(seed.header.splitlines(), [list(record) for record in seed.records])

    @property
    def content(self) -> bytes:
        """The file."""
        lines = [*self.heading, *(b"\t".join(record) for record in self.records)]
        return self.newline.join(lines) + self.tail


Mutation = Callable[[Draft, Random], None]

NUMBERS = (
    b"",
    b".",
    b"-1",
    b"0",
    b"00",
    b"007",
    b"+5",
    b" 5",
    b"1e5",
    b"1.5",
    b"0x10",
    b"2147483647",
    b"2147483648",
    b"4294967296",
    b"9223372036854775808",
    b"9" * 30,
    b"9" * 5_000,
    b"nan",
    b"inf",
    b"1,2",
    b"\xd9\xa3",
)
POSITIONS = (*NUMBERS, b"1", b"100", b"141213431", b"141213432", b"16384", b"16385")
CHROMS = (
    b"",
    b".",
    b"chr9",
    b"CHR9",
    b"09",
    b"25",
    b"chrM",
    b"M",
    b"XY",
    b"chrUn_KI270302v1",
    b"GL000192.1",
    b"9 ",
    b"<9>",
    b"*",
    b"=9",
    b"9:9",
    b"NC_000009.11",
    b"\xc3\xa9",
    b"c" * LONG,
)
REFS = (
    b"",
    b".",
    b"a",
    b"n",
    b"N",
    b"R",
    b"RYK",
    b"U",
    b"-",
    b"A,C",
    b"<DEL>",
    b"*",
    b"A A",
    b"\xc3\x85",
    b"\xff",
    b"ACGT" * 10,
    b"A" * LONG,
)
ALTS = (
    b"",
    b".",
    b"a",
    b"g,t",
    b"A",
    b"A,A",
    b"A,,C",
    b",",
    b"A,",
    b".,A",
    b"A,.",
    b"*",
    b"*,A",
    b"*,*",
    b"N",
    b"R",
    b"-",
    b"<DEL>",
    b"<NON_REF>",
    b"A,<NON_REF>",
    b"<*>",
    b"<CNV>,A",
    b"<",
    b"<>",
    b"DEL",
    b"G]9:321681]",
    b"]9:321681]G",
    b".A",
    b"A.",
    b"A A",
    b"\xc3\x85",
    b"\xff",
    b"C" * LONG,
    b",".join(b"A" * n + b"CA" for n in range(1, 256)),
    b",".join(b"A" * n + b"CA" for n in range(1, 258)),
    b",".join(
        b"ACGT"[n % 4 : n % 4 + 1] + b"CG" * (n % 50) + b"T" * (n // 50) for n in range(3_000)
    ),
)
QUALS = (*NUMBERS, b"-0.5", b"1e999", b"q", b"5;5")
FILTERS = (
    b"",
    b".",
    b"0",
    b"PASS",
    b"PASS;q10",
    b"q10;q10",
    b"undeclared",
    b"q10,PASS",
    b";",
    b"q 10",
    b"\xc3\xa9",
    b"f" * LONG,
)
INFOS = (
    b"",
    b".",
    b";",
    b"=",
    b"=;=",
    b"AC",
    b"AC=",
    b"AC=1,2,3,4",
    b"AC=x",
    b"AC=99999999999",
    b"AN=-5;AC=7",
    b"AF=nan,inf",
    b"AF=1e999",
    b"DB=1",
    b"DB;DB",
    b"END=abc",
    b"END=5",
    b"END=99999999999",
    b"END=.",
    b"END=101;END=102",
    b"UNDECLARED=5",
    b"X Y=5",
    b"SVTYPE=",
    b"SVLEN=1e3",
    b"AC=1;;AN=2",
    b"\xc3\xa9=\xff",
    b"AC=" + b"1," * LONG,
    b"k" * LONG,
    b";".join(b"K%d=1" % n for n in range(5_000)),
)
FORMATS = (
    b"",
    b".",
    b"GT",
    b"gt",
    b"DP",
    b"DP:GT",
    b"GT:GT",
    b"GT:DP:GT",
    b"GT:",
    b":GT",
    b"GT::DP",
    b":",
    b"GT:UNDECLARED",
    b"GT:PS",
    b"GT:AD",
    b"GT:PL",
    b"GT:DS",
    b"DS:GP",
    b"GT,DP",
    b"GT DP",
    b"GT:" + b":".join(b"K%d" % n for n in range(300)),
    b"GT:" + b"K" * LONG,
)
CALLS = (
    b"",
    b".",
    b"0",
    b"1",
    b"3",
    b"-1",
    b"./.",
    b".|.",
    b"./1",
    b"1|.",
    b".|0",
    b"0/1/1",
    b"0|0|0|0",
    b"././.",
    b"/",
    b"|",
    b"0/",
    b"0|",
    b"/0",
    b"|0",
    b"|0|1",
    b"/0/1",
    b"0//1",
    b"0\\1",
    b"0/x",
    b"x",
    b"A/C",
    b"0/1 ",
    b" 0/1",
    b"00/01",
    b"+0/1",
    b"0/1:",
    b"0/1:::::::",
    b":0/1",
    b"0/1:7:7:7:7:7:7",
    b"0/1:x",
    b"0/1:99999999999999",
    b"0/1:-5",
    b"0/1:1,2,3,4,5",
    b"0/1:.",
    b"0/3",
    b"3|3",
    b"0/255",
    b"1/256",
    b"0/65536",
    b"1073741823/0",
    b"2147483648/0",
    b"0/99999999999999999999",
    b"0/1,0/1",
    b"0/1;",
    b"\xc3\xa9",
    b"\xff/\xff",
    b"0/" * 500 + b"0",
    b"0/1:" + b"9" * LONG,
)
IDS = (b"", b".", b"rs1;rs1", b"rs 1", b"\xc3\xa9", b"\xff", b"i" * LONG)

COLUMNS: tuple[tuple[bytes, ...], ...] = (
    CHROMS,
    POSITIONS,
    IDS,
    REFS,
    ALTS,
    QUALS,
    FILTERS,
    INFOS,
    FORMATS,
)
"""Odd values of each fixed column; the columns after these are calls."""

HEADER_LINES = (
    b"",
    b"##",
    b"##=",
    b"##x",
    b"#",
    b"#comment",
    b"##fileformat=VCFv4.1",
    b"##fileformat=VCFv5.0",
    b"##contig=<ID=9>",
    b"##contig=<ID=9,length=5>",
    b"##contig=<ID=9,length=-1>",
    b"##contig=<ID=9,length=99999999999999999999>",
    b"##contig=<ID=9,length=141213431,IDX=99999999>",
    b"##contig=<ID=9,length=141213431,IDX=-1>",
    b"##contig=<length=5>",
    b"##contig=<ID=>",
    b"##contig=<ID=9",
    b"##contig=ID=9",
    b"##contig=<ID=MT,length=16571>",
    b"##contig=<ID=Z,length=7>",
    b'##FORMAT=<ID=GT,Number=1,Type=Integer,Description="Genotype">',
    b'##FORMAT=<ID=GT,Number=.,Type=String,Description="Genotype">',
    b"##FORMAT=<ID=GT,Number=1,Type=String>",
    b'##FORMAT=<ID=DP,Number=99999999999,Type=Float,Description="">',
    b'##FORMAT=<ID=DP,Number=R,Type=String,Description="x">',
    b'##FORMAT=<ID=AD,Number=0,Type=Flag,Description="x">',
    b'##FORMAT=<ID=PS,Number=1,Type=String,Description="x">',
    b'##FORMAT=<ID=PL,Number=G,Type=Float,Description="x",IDX=1>',
    b'##INFO=<ID=AC,Number=1,Type=Flag,Description="x">',
    b'##INFO=<ID=END,Number=1,Type=String,Description="x">',
    b'##INFO=<ID=END,Number=1,Type=Float,Description="x">',
    b'##INFO=<ID=DB,Number=5,Type=Character,Description="x">',
    b'##INFO=<ID=AF,Number=A,Type=Nonsense,Description="x">',
    b'##INFO=<ID=A F,Number=A,Type=Float,Description="x">',
    b'##INFO=<ID=AF,ID=AF,Number=A,Type=Float,Description="x">',
    b'##INFO=<Number=A,Type=Float,Description="x">',
    b'##FILTER=<ID=0,Description="x">',
    b'##FILTER=<ID=PASS;q10,Description="x">',
    b'##FILTER=<Description="x>',
    b'##ALT=<ID=DEL,Description="\xff">',
    b'##META=<ID=\xc3\xa9,Description="\xf0\x9f\x92\xa9">',
    b"##SAMPLE=<ID=ann,Genomes=a;b>",
    b"##PEDIGREE=<ID=ann,Father=bob>",
    b"##note=\0",
    b"##note=\xef\xbb\xbf",
    b"##note=" + b"n" * 300_000,
    b"##INFO=<ID=" + b"I" * LONG + b',Number=1,Type=Integer,Description="x">',
    b"\n".join(b"##contig=<ID=c%d,length=%d>" % (n, n + 1) for n in range(3_000)),
)

NASTY = (
    b"\0",
    b"\r",
    b"\t",
    b"\n",
    b" ",
    b":",
    b";",
    b",",
    b"|",
    b"/",
    b".",
    b"<",
    b">",
    b"*",
    b"-",
    b"#",
    b"=",
    b'"',
    b"\\",
    b"\x1a",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xc3\xa9",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
    b"\x1f\x8b",
    b"\x0b",
    b"\x1c",
)

# ------------------------------------------------------------------------------- of the records


def a_value(draft: Draft, rng: Random) -> None:
    """Put an odd value into a column."""
    record = _record(draft, rng)
    if record:
        at = rng.randrange(len(record))
        record[at] = rng.choice(COLUMNS[at] if at < len(COLUMNS) else CALLS)


def a_call(draft: Draft, rng: Random) -> None:
    """Put an odd call into a sample's column, before its other fields or in place of them."""
    record = _record(draft, rng)
    if len(record) > len(COLUMNS):
        at = rng.randrange(len(COLUMNS), len(record))
        _, colon, rest = record[at].partition(b":")
        record[at] = rng.choice(CALLS) + (colon + rest if rng.random() < 0.6 else b"")


def a_column(draft: Draft, rng: Random) -> None:
    """Drop, add, repeat or exchange columns."""
    record = _record(draft, rng)
    if not record:
        return
    at, other = rng.randrange(len(record)), rng.randrange(len(record))
    kind = rng.randrange(5)
    if kind == 0:
        del record[at]
    elif kind == 1:
        record.insert(at, rng.choice(CALLS))
    elif kind == 2:
        record.insert(at, record[at])
    elif kind == 3:
        record[at], record[other] = record[other], record[at]
    else:
        record += [b"0/0"] * rng.choice((1, 2, 1_000))


def a_line(draft: Draft, rng: Random) -> None:
    """Drop, repeat, exchange or insert whole lines."""
    if not draft.records:
        return
    at, other = (rng.randrange(len(draft.records)) for _ in range(2))
    kind = rng.randrange(6)
    if kind == 0:
        del draft.records[at]
    elif kind == 1:
        draft.records.insert(at, list(draft.records[at]))
    elif kind == 2:
        draft.records[at], draft.records[other] = draft.records[other], draft.records[at]
    elif kind == 3:
        draft.records.insert(at, [rng.choice((b"", b" ", b"\t", b"\r", b"##late", b"#CHROM"))])
    elif kind == 4:
        draft.records[at:] = [list(record) for record in draft.records[at:] for _ in range(2)]
    else:
        del draft.records[at:]


def another_allele(draft: Draft, rng: Random) -> None:
    """Change REF, ALT and calls to others that are legal, so that much stays to be compared."""
    record = _record(draft, rng)
    if len(record) <= len(COLUMNS):
        return
    ref = bytes(rng.choices(b"ACGT", k=rng.choice((1, 1, 1, 2, 3, 6))))
    alts: dict[bytes, None] = {}
    for _ in range(rng.choice((1, 1, 2, 3, 9, 12))):
        alt = bytes(rng.choices(b"ACGT", k=rng.choice((1, 1, 2, 4))))
        alts |= {} if alt == ref else {alt: None}
    record[3], record[4] = ref, b",".join(alts) or b"."
    numbers = [b".", *(b"%d" % n for n in range(len(alts) + 1))]
    for at in range(len(COLUMNS), len(record)):
        _, colon, rest = record[at].partition(b":")
        alleles = [rng.choice(numbers) for _ in range(rng.choice((1, 2, 2, 2, 2)))]
        record[at] = rng.choice((b"/", b"|")).join(alleles) + colon + rest


def _record(draft: Draft, rng: Random) -> list[bytes]:
    return rng.choice(draft.records) if draft.records else []


# -------------------------------------------------------------------------------- of the header


def a_header_line(draft: Draft, rng: Random) -> None:
    """Drop, repeat, exchange or add a line, or one in place of another."""
    heading = draft.heading
    if not heading:
        return
    at, other = rng.randrange(len(heading)), rng.randrange(len(heading))
    kind = rng.randrange(5)
    if kind == 0:
        del heading[at]
    elif kind == 1:
        heading.insert(other, heading[at])
    elif kind == 2:
        heading[at], heading[other] = heading[other], heading[at]
    elif kind == 3:
        heading.insert(at, rng.choice(HEADER_LINES))
    else:
        heading[at] = rng.choice(HEADER_LINES)


def columns_line(draft: Draft, rng: Random) -> None:
    """Change the line that names the columns."""
    if not draft.heading:
        return
    names = draft.heading[-1].split(b"\t")
    at = rng.randrange(len(names))
    kind = rng.randrange(6)
    if kind == 0:
        del names[at]
    elif kind == 1:
        names.insert(at, rng.choice((b"", b"new", b"ann", b"FORMAT")))
    elif kind == 2:
        names[at] = rng.choice((b"", b" ", b"x", b"a b", b'"q"', b"a,b", b"\xc3\xa9", b"n" * LONG))
    elif kind == 3:
        names[at] = names[rng.randrange(len(names))]
    elif kind == 4:
        names[at] = names[at].lower()
    else:
        names[-1] += rng.choice((b"\t", b" ", b"\r"))
    draft.heading[-1] = b"\t".join(names)


def ends_of_lines(draft: Draft, rng: Random) -> None:
    """Use other line ends, and other ends of the file."""
    draft.newline = rng.choice((b"\r\n", b"\r\n", b"\r", b"\n\n", b"\n"))
    draft.tail = rng.choice((b"", draft.newline, b"\n\n\n", b"\r\n\r\n", b" \n", b"\0", b"\x1a"))


RECORDS: tuple[Mutation, ...] = (a_value, a_value, a_call, a_call, a_column, a_line, another_allele)
HEADINGS: tuple[Mutation, ...] = (a_header_line, a_header_line, columns_line)

# --------------------------------------------------------------------------------- of the bytes


def spoil_bytes(content: bytes, rng: Random) -> bytes:
    """Flip, replace, insert, drop, repeat or cut off bytes."""
    if not content:
        return content
    at = rng.randrange(len(content))
    size = min(len(content) - at, rng.choice((1, 1, 2, 5, 40, 1_000)))
    kind = rng.randrange(7)
    if kind == 0:
        middle = bytes((content[at] ^ (1 << rng.randrange(8)),))
        return content[:at] + middle + content[at + 1 :]
    if kind in (1, 2):
        return content[:at] + rng.choice(NASTY) + content[at + 1 :]
    if kind == 3:
        return content[:at] + rng.choice(NASTY) * rng.choice((1, 1, 3)) + content[at:]
    if kind == 4:
        return content[:at] + content[at + size :]
    if kind == 5:
        return content[: at + size] + content[at:]
    return content[:at]


# --------------------------------------------------------------------------- of the compression


def packed(content: bytes, rng: Random) -> tuple[bytes, str]:
    """Compress a file in one of the ways there are, and name what it is then called."""
    kind = rng.randrange(8)
    if kind < 4:
        return content, "f.vcf"
    if kind == 4:
        return gzip.compress(content, mtime=0), "f.vcf.gz"
    cuts = sorted(rng.randrange(len(content) + 1) for _ in range(rng.choice((1, 2, 5))))
    edges = [0, *cuts, len(content)]
    parts = [content[a:b] for a, b in pairwise(edges)]
    if kind == 5:
        return b"".join(gzip.compress(part, mtime=0) for part in parts), "f.vcf.gz"
    blocks = [
        bgzf_block(part[at : at + 65_280]) for part in parts for at in range(0, len(part), 65_280)
    ]
    if kind == 6:
        return b"".join(blocks) + BGZF_END, "f.vcf.gz"
    mixed = [block if rng.random() < 0.7 else BGZF_END + block for block in blocks]
    return b"".join(mixed) + BGZF_END, "f.vcf.bgz"


def spoil_packed(content: bytes, rng: Random) -> bytes:
    """Cut a compressed file, flip a bit of it, or put something before, into or after it."""
    at = rng.randrange(len(content) + 1)
    kind = rng.randrange(8)
    if kind == 0:
        return content[:at]
    if kind == 1 and content:
        at = min(at, len(content) - 1)
        return content[:at] + bytes((content[at] ^ (1 << rng.randrange(8)),)) + content[at + 1 :]
    if kind == 2:
        return content + rng.choice((b"\0" * 20, b"x", b"\x1f\x8b", b"\x1f\x8b\x08\x00", BGZF_END))
    if kind == 3:
        return content.removesuffix(BGZF_END)
    if kind == 4:
        return content + gzip.compress(b"9\t999\t.\tA\tG\n", mtime=0)
    if kind == 5:
        return content[:at] + bytes(rng.randbytes(3)) + content[at:]
    if kind == 6:
        return zlib.compress(content)
    return content[: len(content) // 2] + b"\0" * (len(content) // 2)


def spoilt(seed: Seed, rng: Random) -> tuple[bytes, str]:
    """Spoil a file a little, in one to a few ways; return its bytes and its name."""
    draft = Draft.of(seed)
    kinds = RECORDS if rng.random() < 0.7 else (*RECORDS, *HEADINGS, *HEADINGS)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(kinds)(draft, rng)
    if rng.random() < 0.08:
        ends_of_lines(draft, rng)
    content = draft.content
    if rng.random() < 0.25:
        content = spoil_bytes(content, rng)
    content, name = packed(content, rng)
    if name != "f.vcf" and rng.random() < 0.3:
        content = spoil_packed(content, rng)
    return content, name
