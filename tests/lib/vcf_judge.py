"""What staging must make of a VCF file, whatever its bytes, read the slow and plain way.

A file is refused, or every record of it is taken or refused: none is lost, none is invented. Of a
record that is taken, alleles and calls are those of its text. A file that begins like a valid one
and holds nothing but what VCF 4.3 allows must be taken.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from precisionchain.schemas.genome import BUILDS, fold_chrom
from tests.lib import bcf_reading
from tests.lib.genotype_text import PAR, meaning, shortest
from tests.lib.staging_child import Broken, Call, Case, Outcome, Refused, Row, Taken
from tests.lib.vcf_builder import BGZF_END
from tests.lib.vcf_seeds import Seed

Key = tuple[str, int, str, str]
Fields = tuple[bytes, ...]

_BUILD = "GRCh37"
_CONTIG = re.compile(rb"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")
_BASES = re.compile(r"[ACGTN]+", re.IGNORECASE)
_REF = re.compile(r"[ACGTNRYSWKMBDHV]+", re.IGNORECASE)
_CALL = re.compile(r"(\.|0|[1-9][0-9]*)([/|](\.|0|[1-9][0-9]*))*")
_LOOSE = re.compile(r"\+?([0-9]+)", re.ASCII)
_AMBIGUOUS = str.maketrans("RYSWKMBDHV", "ACCAGACAAA")  # VCF 4.3, section 1.6.1, REF
_SEXES = {"M": 1, "F": 2, "": 0}
_FIXED = 9


def decompressed(content: bytes) -> bytes | None:
    """Return a file's text; None where a compressed one is damaged or lacks its end."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    if content[3:4] == b"\x04" and content[12:14] == b"BC" and not content.endswith(BGZF_END):
        return None
    parts, rest = [], content
    while rest.strip(b"\0"):
        member = zlib.decompressobj(31)
        try:
            parts.append(member.decompress(rest))
        except zlib.error:
            return None
        if not member.eof:
            return None
        rest = member.unused_data
    return b"".join(parts)


@dataclass(frozen=True)
class Record:
    """A line of a file.

    Attributes:
        number: from 0.
        line: its line in the file, from 1.
        fields: its columns as written.
        samples: how many columns of calls there must be.
    """

    number: int
    line: int
    fields: Fields
    samples: int

    @cached_property
    def is_sound(self) -> bool:
        """Whether it has its columns, a contig and a position; a file with others is refused."""
        return (
            len(self.fields) == _FIXED + self.samples
            and _CONTIG.fullmatch(self.fields[0]) is not None
            and re.fullmatch(rb"[0-9]+", self.fields[1]) is not None
            and int(self.fields[1][-5_000:] if len(self.fields[1]) < 4_000 else b"9" * 20) < 2**31
            and b"\0" not in b"".join(self.fields)
        )

    @cached_property
    def chrom(self) -> str:
        """The contig by its canonical name."""
        return fold_chrom(self.fields[0].decode("ascii"))

    @cached_property
    def pos(self) -> int:
        return int(self.fields[1])

    @cached_property
    def ref(self) -> str:
        return self.fields[3].decode("utf-8", "replace")

    @cached_property
    def alts(self) -> tuple[str, ...]:
        """As written; empty where the column is ``.``."""
        text = self.fields[4].decode("utf-8", "replace")
        return () if text == "." else tuple(text.split(","))

    @cached_property
    def has_bases(self) -> bool:
        """Whether its alleles are bases or ``*``, each once and none REF."""
        upper = [alt.upper() for alt in self.alts]
        return (
            self.pos > 0
            and _REF.fullmatch(self.ref) is not None
            and all(alt == "*" or _BASES.fullmatch(alt) for alt in upper)
            and len(set(upper)) == len(upper) <= 255
            and self.ref.upper().translate(_AMBIGUOUS) not in upper
        )

    @cached_property
    def calls(self) -> tuple[str, ...] | None:
        """Text of GT of each sample, ``.`` where the cell ends before it; None without one GT."""
        keys = self.fields[8].split(b":")
        if keys.count(b"GT") != 1:
            return None
        at = keys.index(b"GT")
        cells = [cell.split(b":") for cell in self.fields[_FIXED:]]
        texts = [cell[at] if at < len(cell) else b"." for cell in cells]
        return tuple(text.decode("utf-8", "replace") for text in texts)

    @cached_property
    def has_calls(self) -> bool:
        """Whether every call is well written, of one or two alleles that the record has."""
        return self.calls is not None and all(self._is_call(text) for text in self.calls)

    @cached_property
    def readable(self) -> tuple[str, ...] | None:
        """The calls, ``+0/01`` as ``0/1``; None if one is no call, or not of such alleles."""
        if self.calls is None:
            return None
        plain = tuple(
            "".join(_plain(part) for part in re.split("([/|])", text)) for text in self.calls
        )
        return plain if all(self._is_call(text) for text in plain) else None

    def _is_call(self, text: str) -> bool:
        if _CALL.fullmatch(text) is None:
            return False
        numbers = re.split("[/|]", text)
        known = {".", *map(str, range(len(self.alts) + 1))}
        return len(numbers) <= 2 and set(numbers) <= known

    @cached_property
    def half_calls(self) -> bool:
        """Whether a call has one missing allele of two."""
        halves = (set(re.split("[/|]", text)) for text in self.calls or ())
        return any("." in alleles and len(alleles) > 1 for alleles in halves)

    def rows(self, sexes: Sequence[int], half_call: str) -> Iterator[tuple[Key, list[Call]]]:
        """Yield each allele that is stored, with everybody's call of it."""
        assert self.readable is not None
        texts = [_filled(text) if half_call == "reference" else text for text in self.readable]
        ref = self.ref.upper().translate(_AMBIGUOUS)
        chrom = self.chrom if self.chrom in ("X", "Y", "MT") else "."
        if any(a <= self.pos <= b for a, b in PAR.get((_BUILD, chrom), ())):
            chrom = "."
        named = [(n, alt) for n, alt in enumerate(self.alts, 1) if alt != "*"]
        for number, alt in named or [(0, ".")]:
            place = shortest(self.pos, ref, alt)
            calls = [
                meaning(text, number, chrom, sex, half_call)
                for text, sex in zip(texts, sexes, strict=True)
            ]
            yield (self.chrom, *place), calls


def _plain(part: str) -> str:
    number = _LOOSE.fullmatch(part)
    return str(int(number[1])) if number and len(part) < 1_000 else part


def _filled(text: str) -> str:
    alleles = re.split("[/|]", text)
    return text.replace(".", "0") if len(alleles) == 2 and alleles.count(".") == 1 else text


@dataclass(frozen=True)
class Text:
    """A file's text: the lines of its header, and its records."""

    heading: tuple[bytes, ...]
    records: tuple[Record, ...]

    @classmethod
    def of(cls, content: bytes) -> Text | None:
        """Cut a text at its lines; None where no line names the columns."""
        lines = content.split(b"\n")
        while lines and lines[-1] in (b"", b"\r"):
            lines.pop()
        lines = [line.removesuffix(b"\r") for line in lines]
        for at, line in enumerate(lines):
            if not line.startswith(b"##"):
                if not line.startswith(b"#CHROM\t"):
                    return None
                heading, rest = tuple(lines[: at + 1]), lines[at + 1 :]
                samples = line.count(b"\t") + 1 - _FIXED
                return cls(
                    heading,
                    tuple(
                        Record(number, at + 2 + number, tuple(one.split(b"\t")), samples)
                        for number, one in enumerate(rest)
                    ),
                )
        return None

    @classmethod
    def of_bcf(cls, content: bytes) -> Text | None:
        """Take the columns a BCF file's records would have; None where it is not whole BCF."""
        try:
            whole = bcf_reading.read(content)
        except bcf_reading.MalformedError:
            return None
        heading = tuple(whole.header.rstrip(b"\n").split(b"\n"))
        samples = heading[-1].count(b"\t") + 1 - _FIXED
        return cls(
            heading,
            tuple(
                Record(
                    number,
                    number + 1,
                    fields if isinstance(fields, tuple) else (fields.encode(),),
                    samples,
                )
                for number, fields in enumerate(whole.records)
            ),
        )

    @property
    def samples(self) -> list[str]:
        """Names in the order of their columns."""
        names = self.heading[-1].split(b"\t")[_FIXED:]
        return [name.decode("utf-8", "replace") for name in names]

    @property
    def is_sorted(self) -> bool:
        """Whether contigs lie together under one name, and positions never go back."""
        seen: list[str] = []
        above, last = b"", 0
        for record in self.records:
            if record.fields[0] != above:
                if record.chrom in seen:
                    return False
                seen.append(record.chrom)
                above, last = record.fields[0], 0
            if record.pos < last:
                return False
            last = record.pos
        return True


def read_text(content: bytes) -> Text | None:
    """Cut a decompressed VCF or BCF file into header and records; None where it is neither."""
    return Text.of_bcf(content) if content.startswith(b"BCF") else Text.of(content)


class Judge:
    """Judges what became of files that were made from one valid file.

    Args:
        seed: that file.
        is_taken: whether it is staged as it is; else nothing made from it has to be.
    """

    def __init__(self, seed: Seed, *, is_taken: bool) -> None:
        self._heading = tuple(seed.header.rstrip(b"\n").split(b"\n")) if is_taken else None
        self._known = [{record[at] for record in seed.records} for at in (2, 5, 6, 7)]
        self._cells = {
            (record[8], tuple(cell.split(b":")[1:]))
            for record in seed.records
            for cell in record[_FIXED:]
        } | {(b"GT", ())}

    def problems(self, case: Case, outcome: Outcome) -> list[str]:
        """Return what is wrong with an outcome, in words; nothing where all is well."""
        if isinstance(outcome, Broken):
            return [outcome.what]
        content = decompressed(case.content)
        text = read_text(content) if content is not None else None
        if isinstance(outcome, Refused):
            return list(self._of_refused(case, outcome, text))
        if text is None:
            return ["a damaged file, or one without a #CHROM line, was taken"]
        return list(self._of_taken(case, outcome, text))

    # ------------------------------------------------------------------------------- refused

    def _of_refused(self, case: Case, outcome: Refused, text: Text | None) -> Iterator[str]:
        where = outcome.where or ""
        # That a contig's length is not known is the fault of `--assay wgs`, not of the file.
        of_option = outcome.error == "UsageError" and case.options.get("assay") == "wgs"
        if not where.startswith((case.name, "map.tsv")) and not of_option:
            yield f"refused without the file's name: {outcome} at {where!r}"
        lines = len(text.heading) + len(text.records) if text else 0
        line = re.search(rf"^{re.escape(case.name)}:(\d+)$", where)
        if text and line and int(line[1]) > lines + 1:
            yield f"refused at a line the file does not have: {outcome} at {where}"
        if text is None or not self._must_be_taken(case, text):
            return
        if outcome.error == "DuplicateVariantError":
            if not _contradictions(text.records, case):
                yield f"no allele stands twice with other genotypes: {outcome}"
        else:
            yield f"a valid file was refused: {outcome} at {where}"

    def _must_be_taken(self, case: Case, text: Text) -> bool:
        if self._heading is None or text.heading != self._heading or not text.records:
            return False
        if not all(record.is_sound for record in text.records) or not text.is_sorted:
            return False
        halves = any(record.half_calls for record in text.records)
        if halves and case.options.get("half_call") == "error":
            return False
        if not all(self._is_clean(record) for record in text.records):
            return False
        policy = _policy(case)
        return any(_rule(record, policy) is None for record in text.records)

    def _is_clean(self, record: Record) -> bool:
        """Whether a record holds nothing odd; one that is refused by a rule may still be clean."""
        other = [record.fields[at] for at in (2, 5, 6, 7)]
        end = record.pos + len(record.ref) - 1
        keys = record.fields[8]
        return (
            record.has_bases
            and record.has_calls
            and end <= BUILDS[_BUILD].lengths.get(record.chrom, 0)
            and all(field in known for field, known in zip(other, self._known, strict=True))
            and all(
                (keys, tuple(cell.split(b":")[1:])) in self._cells or b":" not in cell
                for cell in record.fields[_FIXED:]
            )
            and any(keys == key for key, _ in self._cells)
            and keys.startswith(b"GT")
        )

    # --------------------------------------------------------------------------------- taken

    def _of_taken(self, case: Case, outcome: Taken, text: Text) -> Iterator[str]:
        unsound = [record for record in text.records if not record.is_sound]
        if unsound:
            shown = [f"{one.line} {b' '.join(one.fields)[:80]!r}" for one in unsound[:3]]
            yield f"a file with malformed records was taken: {', '.join(shown)}"
            return
        if not text.is_sorted:
            yield "an unsorted file was taken"
            return
        if outcome.statistics["records"] != len(text.records):
            yield f"{len(text.records)} records became {outcome.statistics['records']}"
        yield from _refusals(outcome, text, case)
        yield from _taken_records(outcome, text, case)


def _rule(record: Record, policy: str) -> str | None:
    """Return the rule by which a sound record must be refused, for those this oracle knows."""
    if policy == "pass" and record.fields[6].rstrip(b";") not in (b"PASS", b".", b""):
        return "filter"
    if not record.has_bases:
        return "alleles"
    return "calls" if record.readable is None else None


def _refusals(outcome: Taken, text: Text, case: Case) -> Iterator[str]:
    by_line = {record.line: record for record in text.records}
    said = Counter(row["line"] for row in outcome.refused)
    if len(outcome.refused) != outcome.statistics["refused"] or max(said.values(), default=1) > 1:
        yield f"{outcome.statistics['refused']} refused records, {len(outcome.refused)} rows"
    for row in outcome.refused:
        record = by_line.get(row["line"])
        if record is None or (row["chrom"], row["pos"]) != (record.chrom, record.pos):
            yield f"refused: {row}, which is no record of the file"
        elif row["rule"] == "gvcf_block" and not record.alts and b"END=" in record.fields[7]:
            continue  # a block of `bcftools call --gvcf`
        elif record.has_calls and _rule(record, _policy(case)) is None:
            yield f"line {record.line} has nothing odd and was refused: {row['rule']}"


def _taken_records(outcome: Taken, text: Text, case: Case) -> Iterator[str]:
    refused = {row["line"] for row in outcome.refused}
    left = [record for record in text.records if record.line not in refused]
    policy, half_call = _policy(case), case.options.get("half_call", "missing")
    compared = []
    for record in left:
        rule = _rule(record, policy)
        if rule is None:
            compared.append(record)
        elif rule == "alleles" and _is_structural(record):
            # Of structural records that stand twice, and say the same, one is left.
            at = {r.number for r in left if _written_at(r) == _written_at(record)}
            if not any(site["record"] in at for site in outcome.sites):
                yield f"line {record.line} is neither refused nor among the sites"
        else:
            yield f"line {record.line} was taken in spite of its {rule}"
    if half_call == "error" and any(record.half_calls for record in compared):
        yield "half-calls were taken in spite of the policy `error`"
    if _contradictions(compared, case):
        yield "an allele that stands twice with other genotypes was taken"
        return
    due = _due(compared, case)
    found = {
        _key(site): site for site in outcome.sites if site["record"] in {r.number for r in compared}
    }
    for key in due.keys() - found.keys():
        yield f"lost: {_short(key)}"
    for key in found.keys() - due.keys():
        yield f"invented: {_short(key)}"
    for key in due.keys() & found.keys():
        if found[key]["calls"] != due[key]:
            yield f"{_short(key)}: {found[key]['calls']} for {due[key]}"
        if (counted := _counted(due[key])) != {name: found[key][name] for name in counted}:
            yield f"{_short(key)}: counts are not {counted}"


def _written_at(record: Record) -> Fields:
    return (*record.fields[:2], *record.fields[3:5])


def _is_structural(record: Record) -> bool:
    """Whether an ALT is symbolic or a breakend: what these become is judged elsewhere."""
    return any(set(alt) & set("<>[].") for alt in record.alts)


def _contradictions(records: Sequence[Record], case: Case) -> set[Key]:
    seen: dict[Key, list[tuple[int, int]]] = {}
    found = set()
    for key, calls in _rows(records, case):
        plain = [(dosage, haploid) for dosage, haploid, _ in calls]
        if seen.setdefault(key, plain) != plain:
            found.add(key)
    return found


def _due(records: Sequence[Record], case: Case) -> dict[Key, list[Call]]:
    due: dict[Key, list[Call]] = {}
    for key, calls in _rows(records, case):
        above = due.get(key, calls)
        due[key] = [
            (dosage, haploid, phase if phase == other else 0)
            for (dosage, haploid, phase), (_, _, other) in zip(calls, above, strict=True)
        ]
    return due


def _rows(records: Sequence[Record], case: Case) -> Iterator[tuple[Key, list[Call]]]:
    sexes = [_SEXES[sex] for _, _, sex in case.persons]
    policy = _policy(case)
    for record in records:
        if _rule(record, policy) is None:
            yield from record.rows(sexes, case.options.get("half_call", "missing"))


def _policy(case: Case) -> str:
    return str(case.options.get("filter_policy", "any"))


def _key(site: Row) -> Key:
    return site["chrom"], site["pos"], site["ref"], site["alt"]


def _short(key: Key) -> str:
    return ":".join(str(part)[:30] for part in key)


def _counted(calls: Sequence[Call]) -> dict[str, int]:
    called = [(dosage, haploid) for dosage, haploid, _ in calls if dosage != 3]
    return {
        "ac": sum(dosage for dosage, _ in called),
        "an": sum(2 - haploid for _, haploid in called),
        "n_het": called.count((1, 0)),
        "n_hom_alt": called.count((2, 0)),
        "n_hemi": called.count((1, 1)),
        "n_missing": len(calls) - len(called),
    }
