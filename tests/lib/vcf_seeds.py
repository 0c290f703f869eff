"""Valid files that mutations begin from: one of every kind of record, and real ones where given."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLES = ("ann", "bob", "cy", "dee")
SEXES = ("F", "M", "", "F")

_HEADER = """\
##fileformat=VCFv4.3
##FILTER=<ID=PASS,Description="All filters passed">
##FILTER=<ID=q10,Description="Quality below 10">
##contig=<ID=9,length=141213431>
##contig=<ID=X,length=155270560>
##contig=<ID=Y,length=59373566>
##contig=<ID=MT,length=16569>
##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count">
##INFO=<ID=AN,Number=1,Type=Integer,Description="Allele number">
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">
##INFO=<ID=DB,Number=0,Type=Flag,Description="In dbSNP">
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type">
##INFO=<ID=SVLEN,Number=.,Type=Integer,Description="Length">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depth of each allele">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Likelihoods">
##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">
##FORMAT=<ID=DS,Number=A,Type=Float,Description="Dosage">
"""

_SIMPLE = """\
9 100 rs1 A G 50 PASS AC=3;AN=8 GT 0|1 1|1 0|0 0|0
9 100 . A T 50 PASS AC=1 GT 0/0 0/0 0/1 0/0
9 150 . C . . PASS . GT 0/0 0/0 ./. 0|0
9 200 rs2;rs3 CT C,CTT 1e-3 q10 AF=0.5,0.25;DB GT 0|1 1|2 2|2 .|.
9 300 . A *,G . . . GT 0/1 1/2 2/2 0/0
9 300 . g a . PASS . GT 0/1 1 . ./1
9 16384 . TACA TACT,T 99 PASS . GT 1|0 0|1 2|1 0/2
9 16384 . AG A 99 PASS . GT 0/0 0/1 1/1 ./.
9 16777215 . G A . PASS . GT 0|0 0|0 1|0 0|1
9 16777217 . T C . PASS . GT 0/1 0/0 0/0 1/1
X 100000 . C T . PASS . GT 0/1 0/1 1/1 0/0
X 5000000 . A G . PASS . GT 0/1 1 1/1 0|1
X 5000001 . A G . PASS . GT 0/0 0/1 1/1 ./.
Y 5000000 . A G . PASS . GT . 1 0 .
MT 73 . A G,C . PASS . GT 1 0/0 2/2 0
"""

_ANNOTATED = """\
9 100 rs1 A G 50 PASS AC=3;AN=8 GT:AD:DP:GQ:PL 0|1:3,4:7:2:9,0,9 1|1:0,9:9:4:9,9,0 0|0:9,0:9:9:. .
9 200 . CT C,CTT . q10 . GT:DP 0|1:3 1|2:. 2|2 .|.:0
9 250 . A G . PASS . GT:PS 0|1:250 1|0:250 0/1:. 0|0
9 300 . A C . PASS . GT:DS 0/1:1.1 0/0:0.01 1/1:2 ./.:.
9 400 . T <DEL> . PASS SVTYPE=DEL;END=900;SVLEN=-500 GT 0/1 0/0 1/1 ./.
9 400 . T TA . PASS . GT:GQ 0/1:9 0/0:. 1/1:99 ./.:0
9 950 . G G]X:5000000] . PASS SVTYPE=BND GT 0/1 0/0 0/0 0/0
9 960 . C <NON_REF> . . END=990 GT:DP 0/0:9 0/0:0 0/0:1 ./.:0
X 5000000 . A G . PASS . GT:DP 0/1:9 1:5 0:3 ./.:.
MT 73 . A G . PASS . GT:DP 1:100 0:99 1:3 .:0
"""

_PLAIN_GENOTYPES = "".join(
    f"9 {1_000 + 7 * number} . A G . PASS . GT {' '.join(calls)}\n"
    for number, calls in enumerate(
        [
            ("0|0", "0|1", "1|0", "1|1"),
            ("0/0", "0/1", "1/1", "./."),
            (".|.", "0|0", "0/1", "1|1"),
        ]
        * 3
    )
)


@dataclass(frozen=True)
class Seed:
    """A file as text, cut into its header (to the end of ``#CHROM``) and its records' columns."""

    name: str
    header: bytes
    records: tuple[tuple[bytes, ...], ...]

    @classmethod
    def of(cls, name: str, content: bytes) -> Seed:
        """Cut a file's text."""
        lines = content.replace(b"\r\n", b"\n").splitlines()
        heading = [line for line in lines if line.startswith(b"#")]
        records = [tuple(line.split(b"\t")) for line in lines if line and line[0:1] != b"#"]
        return cls(name, b"".join(line + b"\n" for line in heading), tuple(records))

    @property
    def content(self) -> bytes:
        """The file."""
        return self.header + b"".join(b"\t".join(record) + b"\n" for record in self.records)


def built_seeds() -> list[Seed]:
    """Files that are written here."""
    fixed = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT"
    heading = _HEADER + "\t".join((*fixed.split(), *SAMPLES)) + "\n"
    bodies = {"simple": _SIMPLE, "annotated": _ANNOTATED, "plain": _PLAIN_GENOTYPES}
    return [
        Seed.of(name, (heading + body.replace(" ", "\t")).encode()) for name, body in bodies.items()
    ]
