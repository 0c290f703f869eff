"""What the numbers in BCF records stand for (VCF 4.3, section 6.2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from precisionchain.errors import VcfFormatError
from precisionchain.ingest.vcf_header import Header


@dataclass(frozen=True, slots=True)
class BcfNames:
    """What the numbers in records stand for.

    Attributes:
        contigs: number -> contig as written.
        strings: number -> name of a FILTER, INFO or FORMAT line.
    """

    contigs: Mapping[int, str]
    strings: Mapping[int, str]

    @classmethod
    def of(cls, header: Header, where: str) -> BcfNames:
        """Number a header's lines: by their IDX, else in their order; PASS is 0.

        Raises:
            VcfFormatError: an IDX is no number, or two names have one, or a name has two.
        """
        contigs: dict[int, str] = {}
        strings = {0: "PASS"}
        for line in header.dictionary:
            kind, _, text = line.partition("<")
            name, _, idx = text.rpartition(",")
            if not name:
                continue  # a definition without an ID defines nothing that a record could mean
            into = contigs if kind == "##contig=" else strings
            if idx and not (idx.isascii() and idx.isdecimal() and len(idx) < 10):
                raise VcfFormatError("an IDX of the header is no number", where=where)
            known = [number for number, other in into.items() if other == name]
            number = int(idx) if idx else (known or [len(into)])[0]
            if into.get(number, name) != name or (known and known != [number]):
                raise VcfFormatError("the IDX of the header contradict each other", where=where)
            into[number] = name
        return cls(contigs, strings)
