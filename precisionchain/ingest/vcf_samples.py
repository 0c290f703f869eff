"""The sample map: which person each sample column of a VCF file belongs to.

A CSV or tab-separated file with a header (``sample_id,person_id[,sex,father,mother]``), or PLINK's
``.fam`` or ``.psam``, where the sample id (IID) is the person id unless a ``.psam`` has a
``PERSON_ID`` column. Sample names may stand in messages; person ids may not.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import SampleMapError
from precisionchain.ingest.sample_names import some_samples
from precisionchain.ingest.vcf_file import VcfFile
from precisionchain.ingest.whole_texts import whole_text
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.lexical import INTEGER64, LexicalError

UNKNOWN_SEX, MALE, FEMALE = 0, 1, 2
"""PLINK's codes."""

_SEXES: Final = {
    **dict.fromkeys(("", "0", "u", "unknown", "na"), UNKNOWN_SEX),
    **dict.fromkeys(("1", "m", "male"), MALE),
    **dict.fromkeys(("2", "f", "female"), FEMALE),
}
_NO_PARENT: Final = ("", "0")
_FAM: Final = ("fid", "sample_id", "father", "mother", "sex", "phenotype")
_PSAM: Final = {"#iid": "sample_id", "iid": "sample_id", "pat": "father", "mat": "mother"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a map. Parents are sample ids; ``sex`` is 0 unknown, 1 male, 2 female."""

    sample_id: str
    person_id: int
    sex: int = UNKNOWN_SEX
    father: str | None = None
    mother: str | None = None


@dataclass(frozen=True, slots=True)
class SampleSet:
    """The samples of a batch, in the column order of its blocks."""

    samples: tuple[Sample, ...]

    @property
    def person_ids(self) -> npt.NDArray[np.int64]:
        """int64 [persons]."""
        return np.array([sample.person_id for sample in self.samples], dtype=np.int64)

    @property
    def sex(self) -> npt.NDArray[np.uint8]:
        """uint8 [persons]."""
        return np.array([sample.sex for sample in self.samples], dtype=np.uint8)

    def columns_in(self, file: VcfFile) -> npt.NDArray[np.int64]:
        """Return the sample column of each person in one file of the batch."""
        place = {name: i for i, name in enumerate(file.header.samples)}
        return np.array([place[sample.sample_id] for sample in self.samples], dtype=np.int64)

    def digest(self) -> str:
        """Return the SHA-256 (hex) of who is meant by which column, and of the sexes."""
        rows = [[s.sample_id, s.person_id, s.sex, s.father, s.mother] for s in self.samples]
        return hashlib.sha256(canonical_json(rows)).hexdigest()


def read_sample_map(path: Path) -> dict[str, Sample]:
    """Read a sample map.

    Raises:
        UnreadableFileError: the file cannot be read, or is not text.
        SampleMapError: a column is missing, a cell is malformed, or a sample stands twice.
    """
    text, _ = whole_text(path)
    if path.suffix == ".fam":
        names, rows = list(_FAM), [(n, line.split()) for n, line in _lines(text)]
    else:
        names, rows = _table(text, path)
    found: dict[str, Sample] = {}
    twice: list[str] = []
    for line, cells in rows:
        if len(cells) != len(names):
            raise SampleMapError(
                f"has {len(cells)} columns, not {len(names)}", where=f"{path}:{line}"
            )
        row = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
        sample = _sample(row, f"{path}:{line}")
        if sample.sample_id in found:
            twice.append(sample.sample_id)
        found[sample.sample_id] = sample
    if twice:
        raise SampleMapError(f"twice in the map: {some_samples(twice)}", where=str(path))
    if not found:
        raise SampleMapError("names no sample", where=str(path))
    return found


def match_samples(
    scans: Sequence[VcfFile], mapped: dict[str, Sample], path: Path, *, allow_missing: bool = False
) -> SampleSet:
    """Return the samples of a batch, in the column order of its first file.

    Args:
        scans: the batch's files, all of which must have the same samples.
        mapped: the map.
        path: where the map stands, for messages.
        allow_missing: accept samples of the map that no file has.

    Raises:
        SampleMapError: the files' samples differ, a sample is in one of map and files only, or two
            samples are one person.
    """
    names = scans[0].header.samples
    for scan in scans[1:]:
        differ = sorted(set(names) ^ set(scan.header.samples))
        if differ:
            raise SampleMapError(
                "the files of one batch must have the same samples; not in both: "
                f"{some_samples(differ)}",
                where=str(scan.path),
                hint="ingest files with other samples as a batch of their own",
            )
    unknown = [name for name in names if name not in mapped]
    if unknown:
        raise SampleMapError(
            f"not in the sample map: {some_samples(unknown)}",
            where=str(scans[0].path),
            hint=f"add them to {path}, or leave them out with {scans[0].tools.leave_out}",
        )
    here = set(names)
    missing = [name for name in mapped if name not in here]
    if missing and not allow_missing:
        raise SampleMapError(
            f"in the map and in no file: {some_samples(missing)}",
            where=str(path),
            hint="give the map of these files, or say --allow-missing-samples",
        )
    samples = tuple(mapped[name] for name in names)
    _refuse_shared_persons(samples, path, scans[0].tools.leave_out)
    return SampleSet(samples)


def _refuse_shared_persons(samples: Sequence[Sample], path: Path, leave_out: str) -> None:
    times = Counter(sample.person_id for sample in samples)
    shared = [sample.sample_id for sample in samples if times[sample.person_id] > 1]
    if shared:
        raise SampleMapError(
            f"of one person with another sample: {some_samples(shared)}",
            where=str(path),
            hint=f"keep one sample a person, for instance with {leave_out}",
        )


def _lines(text: str) -> list[tuple[int, str]]:
    numbered = enumerate(text.splitlines(), start=1)
    return [(number, line) for number, line in numbered if line.strip()]


def _table(text: str, path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the canonical column names and the numbered rows of a CSV, TSV or ``.psam``."""
    lines = [(n, line) for n, line in _lines(text) if not line.startswith("##")]
    if not lines:
        raise SampleMapError("is empty", where=str(path))
    header = lines[0][1]
    delimiter = next((d for d in "\t," if d in header), None)
    if delimiter == ",":
        reader = csv.reader(io.StringIO("\n".join(line for _, line in lines)), strict=True)
        try:
            cells = list(reader)
        except csv.Error as error:
            raise SampleMapError("is not CSV", where=str(path)) from error
    else:
        cells = [line.split(delimiter) for _, line in lines]
    names = [_PSAM.get(name.strip().lower(), name.strip().lower()) for name in cells[0]]
    if path.suffix != ".psam" and not {"sample_id", "person_id"} <= set(names):
        raise SampleMapError(
            "the header does not name sample_id and person_id",
            where=f"{path}:{lines[0][0]}",
            hint="sample_id,person_id[,sex,father,mother]",
        )
    if len(set(names)) < len(names) or "sample_id" not in names:
        raise SampleMapError("the header is not of a sample map", where=f"{path}:{lines[0][0]}")
    numbers = [n for n, _ in lines]
    return names, list(zip(numbers[1:], cells[1:], strict=False))


def _sample(row: dict[str, str], where: str) -> Sample:
    sample_id = row["sample_id"]
    if not sample_id:
        raise SampleMapError("sample_id is empty", where=where)
    sex = row.get("sex", "").lower()
    if sex not in _SEXES:
        raise SampleMapError("sex is not one of M, F, male, female, 1, 2, 0 or empty", where=where)
    try:
        person_id = INTEGER64.parse(row.get("person_id", sample_id))
    except LexicalError as error:
        raise SampleMapError(
            "the person id is not an integer of 64 bits",
            where=where,
            hint="give a CSV with sample_id and person_id where sample names are not person ids",
        ) from error
    father, mother = (
        None if row.get(name, "") in _NO_PARENT else row[name] for name in ("father", "mother")
    )
    return Sample(sample_id, person_id, _SEXES[sex], father, mother)
