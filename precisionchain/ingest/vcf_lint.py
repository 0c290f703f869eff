"""What is wrong with a VCF file that can be taken all the same: warnings, counted by rule.

Genotypes are made of CHROM, POS, REF, ALT, FILTER and GT; a file whose other parts are not as the
specification asks is taken, and says so. The rules stand in docs/reference/vcf-staging.md.

>>> found = header_warnings(["##fileformat=VCFv4.2", "##INFO=<ID=DP,Number=N,Type=Integer>"])
>>> [(warning.rule, warning.line) for warning in found]
[('malformed_definition', 2)]
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.ingest.vcf_lint_kernel import (
    ANY_NUMBER,
    FLAG,
    FLOAT,
    GENOTYPE,
    INTEGER,
    LETTER,
    PER_ALLELE,
    PER_ALT,
    PER_GENOTYPE,
    RULES,
    TEXT,
    check_lines,
    key_hash,
)


@dataclass(frozen=True, slots=True)
class Warned:
    """One rule a file breaks.

    Attributes:
        rule: its name.
        line: the first line that breaks it.
        n: how many lines or records do.
    """

    rule: str
    line: int
    n: int = 1

    def said(self) -> str:
        """Return it as a step says it."""
        return f"{self.rule.replace('_', ' ')} ({self.n})"


_VALUE = r'(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^\s",<>=\[\]]+)'
_STRUCTURED = re.compile(rf"##(\w+)=<((?:[\w.]+={_VALUE})(?:,\s?[\w.]+={_VALUE})*)>", re.ASCII)
_PAIR = re.compile(rf"([\w.]+)=({_VALUE})", re.ASCII)
_PLAIN = re.compile(r"##[\w.+\- ]+=(?:(?!<)\S.*|<\".*\">)")
_VERSION = re.compile(r"##fileformat=VCFv4\.[0-5]")
_HOST = r"(?:[^/\s]*[A-Za-z][^/\s]*|\d+(?:\.\d+){3}(?::\d+)?)"
_URL = re.compile(rf"<?(?:[a-z]+://{_HOST}(?:/\S*)?|[\w./\\~-]+)>?", re.ASCII)
_QUOTED = re.compile(r'".*"', re.DOTALL)
_NUMBER = re.compile(r"\d{1,9}|[ARG.PM]|L[ARG]", re.ASCII)
_KEY = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*|1000G", re.ASCII)
_ALT = re.compile(r"(?:DEL|INS|DUP|INV|CNV|BND):\S+|[^\s:]+", re.ASCII)
_TYPES: Final = {
    "Integer": INTEGER,
    "Float": FLOAT,
    "Flag": FLAG,
    "Character": LETTER,
    "String": TEXT,
}
_NUMBERS: Final = {"A": PER_ALT, "R": PER_ALLELE, "G": PER_GENOTYPE}
_WANTED: Final = {
    "INFO": ("ID", "Number", "Type", "Description"),
    "FORMAT": ("ID", "Number", "Type", "Description"),
    "FILTER": ("ID", "Description"),
    "ALT": ("ID", "Description"),
    "META": ("ID", "Type", "Number", "Values"),
    "contig": ("ID",),
    "SAMPLE": ("ID",),
    "PEDIGREE": (),
}
"""Keys that a definition must begin with; of META in any order."""

# VCF 4.3, sections 1.6.1 (table 1) and 1.6.2 (table 2).
_RESERVED_INFO: Final = (
    "AA 1 String,AC A Integer,AF A Float,AN 1 Integer,BQ 1 Float,CIGAR A String,DB 0 Flag,"
    "DP 1 Integer,END 1 Integer,H2 0 Flag,H3 0 Flag,MQ 1 Float,MQ0 1 Integer,NS 1 Integer,"
    "SOMATIC 0 Flag,VALIDATED 0 Flag,1000G 0 Flag"
)
_RESERVED_FORMAT: Final = (
    "DP 1 Integer,EC A Integer,FT 1 String,GL G Float,GP G Float,GQ 1 Integer,GT 1 String,"
    "HQ 2 Integer,MQ 1 Integer,PL G Integer,PQ 1 Integer,PS 1 Integer"
)
# Reserved since 4.3; GATK's AD of 4.2 has Number=. and is no fault.
_SINCE_3: Final = "AD R Integer,ADF R Integer,ADR R Integer"
_COUNTED: Final = frozenset(("AC", "AF", "AN", "DP", "END", "MQ0", "NS"))
"""INFO keys of which no value can be negative."""

_SEED: Final = {"FILTER": 1, "INFO": 2, "FORMAT": 3}


def _reserved(lines: Sequence[str]) -> dict[tuple[str, str], tuple[str, str]]:
    old = bool(re.fullmatch(r"##fileformat=VCFv4\.[0-2]\s*", lines[0])) if lines else False
    since = "" if old else "," + _SINCE_3
    return {
        (kind, name): (number, of_type)
        for kind, table in (("INFO", _RESERVED_INFO), ("FORMAT", _RESERVED_FORMAT))
        for name, number, of_type in (entry.split() for entry in (table + since).split(","))
    }


def header_warnings(lines: Sequence[str]) -> list[Warned]:
    """Return what is not as the specification asks in the ``##`` lines, by rule.

    Args:
        lines: from ``##fileformat`` to the line before ``#CHROM``.
    """
    found: dict[str, Warned] = {}
    reserved = _reserved(lines)
    defined: set[tuple[str, str]] = set()
    for number, line in enumerate(lines, start=1):
        rule = _version(line, number) or _judge(line, reserved, defined)
        if rule:
            before = found.get(rule)
            found[rule] = (
                Warned(rule, before.line, before.n + 1) if before else Warned(rule, number)
            )
    return list(found.values())


def _version(line: str, number: int) -> str:
    if line.startswith("##fileformat="):
        return "" if number == 1 and _VERSION.fullmatch(line) else "unknown_version"
    return ""


def _judge(
    line: str,
    reserved: dict[tuple[str, str], tuple[str, str]],
    defined: set[tuple[str, str]],
) -> str:
    """Return the rule that a line breaks, or nothing."""
    match = _STRUCTURED.fullmatch(line)
    if match is None:
        kind = line[2:].partition("=")[0]
        if kind in _WANTED:
            return "malformed_definition"
        if kind in ("assembly", "pedigreeDB"):
            return "" if _URL.fullmatch(line.partition("=")[2]) else "malformed_header_line"
        return "" if _PLAIN.fullmatch(line) else "malformed_header_line"
    kind, pairs = match[1], _PAIR.findall(match[2])
    if kind not in _WANTED:
        return ""
    fields, begins = dict(pairs), tuple(key for key, _ in pairs)
    wanted = _WANTED[kind]
    if begins[: len(wanted)] != wanted and not (kind == "META" and set(begins) >= set(wanted)):
        return "malformed_definition"
    if not _fits(kind, fields):
        return "malformed_definition"
    name = (kind, fields.get("ID", ""))
    if name in defined and kind in ("INFO", "FORMAT", "FILTER", "ALT"):
        return "defined_twice"
    defined.add(name)
    if name in reserved and (fields["Number"], fields["Type"]) != reserved[name]:
        return "reserved_otherwise"
    return ""


def _fits(kind: str, fields: dict[str, str]) -> bool:
    """Whether the values of a definition are what its kind asks."""
    name = fields.get("ID", "")
    if "Description" in _WANTED[kind] and not _QUOTED.fullmatch(fields["Description"]):
        return False
    if kind in ("INFO", "FORMAT"):
        number, of_type = fields["Number"], fields["Type"]
        flag = of_type == "Flag"
        return bool(
            _KEY.fullmatch(name)
            and _NUMBER.fullmatch(number)
            and of_type in _TYPES
            and not (flag and kind == "FORMAT")
        )
    if kind == "ALT":
        return bool(_ALT.fullmatch(name))
    if kind == "META":
        return (
            bool(_NUMBER.fullmatch(fields["Number"]))
            and fields["Type"] in _TYPES
            and fields["Values"].startswith("[")
        )
    if kind in ("SAMPLE", "PEDIGREE"):
        return (
            ":" not in "".join(fields.values())
            and "*" not in name
            and bool(kind == "SAMPLE" or name or "Name_0" in fields or "Child" in fields)
        )
    return True


class RecordLint:
    """Checks of a text file's records, block by block; see `vcf_lint_kernel`."""

    def __init__(self, lines: Sequence[str]) -> None:
        found = self._keys(lines)
        order = sorted(found)
        self._hashes = np.array(order, np.uint64)
        self._types = np.array([found[key][0] for key in order], np.int64)
        self._numbers = np.array([found[key][1] for key in order], np.int64)
        self._counted = np.array([found[key][2] for key in order], np.bool_)
        self._counts = np.zeros(len(RULES), np.int64)
        self._firsts = np.full(len(RULES), -1, np.int64)
        self._records = 0

    @staticmethod
    def _keys(lines: Sequence[str]) -> dict[int, tuple[int, int, bool]]:
        """Hash of a key -> type and number codes, and whether it cannot be negative."""
        found = {
            _hash(kind, name): (
                -1 - _type(kind, name, of_type),
                _code(number),
                _is_count(kind, name),
            )
            for (kind, name), (number, of_type) in _reserved(lines).items()
        }
        for line in lines:
            kind = line[2:].partition("=")[0]
            if kind not in _SEED or "=<" not in line:
                continue
            fields = dict(_PAIR.findall(line.partition("<")[2]))
            name = fields.get("ID", "")
            of_type, number = fields.get("Type", "String"), fields.get("Number", ".")
            found[_hash(kind, name)] = (
                _type(kind, name, of_type),
                _code(number),
                _is_count(kind, name),
            )
        found[_hash("FILTER", "PASS")] = (GENOTYPE, ANY_NUMBER, False)
        return found

    def check(self, text: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64]) -> None:
        """Check whole lines, which follow those of the call before.

        Args:
            text: uint8 [bytes], ending with a newline.
            starts: int64 [lines], where each begins.
        """
        check_lines(
            text,
            starts,
            self._hashes,
            self._types,
            self._numbers,
            self._counted,
            self._records,
            self._counts,
            self._firsts,
        )
        self._records += len(starts)

    def warnings(self, first_line: int) -> list[Warned]:
        """Return what was found; ``first_line`` is the line of the first record."""
        return [
            Warned(rule, first_line + int(first), int(n))
            for rule, n, first in zip(RULES, self._counts, self._firsts, strict=True)
            if n
        ]


def _type(kind: str, name: str, of_type: str) -> int:
    if kind == "FORMAT" and name == "GT":
        return GENOTYPE
    return TEXT if kind == "FILTER" else _TYPES.get(of_type, TEXT)


def _code(number: str) -> int:
    if number in _NUMBERS:
        return _NUMBERS[number]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else ANY_NUMBER


def _is_count(kind: str, name: str) -> bool:
    return kind == "INFO" and name in _COUNTED


def _hash(kind: str, name: str) -> int:
    text = np.frombuffer(name.encode(), np.uint8)
    return int(key_hash(_SEED[kind], text, 0, len(text)))


def undeclared_contigs(declared: Iterable[str], used: Iterable[tuple[str, int]]) -> list[Warned]:
    """Return a warning if contigs with records have no ``##contig`` line.

    Args:
        declared: names in the header.
        used: name of each contig with records, and the line of its first one.
    """
    known = set(declared)
    lines = [line for name, line in used if name not in known]
    return [Warned("undeclared_contig", min(lines), len(lines))] if lines else []
