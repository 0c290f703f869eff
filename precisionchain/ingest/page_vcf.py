"""What a page says of a run of genotypes, counted from the files of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import duckdb

from precisionchain.ingest.page_commands import refused_command
from precisionchain.ingest.page_persons import PersonsPage, persons_page
from precisionchain.ingest.page_pictures import Pictures, draw
from precisionchain.ingest.page_shapes import SHOWN_PLACES, Finding, Origin, Place
from precisionchain.ingest.qc_exclusions import FILE as EXCLUDED_FILE
from precisionchain.ingest.sql_text import parquet
from precisionchain.ingest.staging import Run
from precisionchain.ingest.vcf_alleles import MAX_ALTS, Refusal
from precisionchain.schemas.exclusions import (
    HETEROZYGOSITY,
    HWE,
    LD,
    OF_PERSONS,
    RULES,
    SAMPLE_MISSING,
    SEX,
    VARIANT_MISSING,
)
from precisionchain.schemas.genome import chrom_rank

_REFUSALS: Final = {
    Refusal.POSITION: "POS 0",
    Refusal.REF_BASES: "a REF of other letters than bases",
    Refusal.ALT_BASES: "an ALT of other letters than bases",
    Refusal.ALT_EQUALS_REF: "an ALT that is REF",
    Refusal.ALT_TWICE: "an ALT that stands twice",
    Refusal.TOO_MANY_ALTS: f"more than {MAX_ALTS} ALTs",
    Refusal.SYMBOLIC_ALLELE: "a symbolic ALT of another type than DEL, DUP, INV, INS, CNV, BND",
    Refusal.BREAKEND_ALLELE: "a breakend that names no place it is joined to",
    Refusal.SV_END: "a structural ALT without an END, or with one before POS",
    Refusal.SV_LENGTH: "an SVLEN that is no number, or not one an ALT",
    Refusal.SV_COPIES: "a CN that is no whole number, or not one an ALT",
    Refusal.SV_CONFIDENCE: "a CIPOS or CIEND that is no interval",
    Refusal.GVCF_BLOCK: "a block of a gVCF",
    Refusal.NO_GENOTYPES: "no GT in FORMAT",
    Refusal.PLOIDY: "a call of more than two alleles",
    Refusal.ALLELE_NUMBER: "a call of an allele the record does not have",
    Refusal.FILTER: "a FILTER that is not PASS",
}

_COUNTED: Final = {
    "half_calls": "half-calls: one of two alleles is missing",
    "made_haploid": "homozygous calls where one copy is expected, made haploid",
    "male_x_het": "heterozygous calls of males on X, made missing",
    "male_y_het": "heterozygous calls of males on Y, made missing",
    "female_y": "calls of females on Y, made missing",
    "mt_het": "heterozygous calls on MT, made missing",
    "haploid_calls": "haploid calls",
    "phased_calls": "phased calls, whose phase is kept",
    "phase_set_records": "records with phase sets (PS), which are not kept",
    "phase_set_calls": "calls with a phase set (PS), which is not kept",
    "split_records": "records of several ALTs, split",
    "trimmed_alleles": "alleles trimmed of shared bases",
    "upper_cased_records": "records put into upper case",
    "ambiguous_ref_records": "records with an ambiguity code in REF, made a base",
    "copy_number_records": "structural records with persons' copy numbers (CN), which are not kept",
    "star_alleles": "alleles * (deleted by another record)",
    "records_without_allele": "records without an ALT, kept as listed positions",
    "collapsed_duplicates": "equal alleles of several records, collapsed",
}

WARNED: Final = {
    "unknown_version": "##fileformat is not VCFv4.0 to VCFv4.5, or stands twice",
    "malformed_header_line": "a ## line is no key with a value, or no address where it needs one",
    "malformed_definition": "a definition lacks a key, has one out of order or one that cannot be",
    "defined_twice": "an INFO, FORMAT, FILTER or ALT has two lines",
    "reserved_otherwise": "a key that VCF reserves has another Number or Type than there",
    "undeclared_contig": "contigs of records are without a header line",
    "undeclared_filter": "FILTER names what has no header line",
    "undeclared_info": "INFO names what has no header line",
    "undeclared_format": "FORMAT names what has no header line",
    "malformed_id": "ID is no list of names",
    "malformed_qual": "QUAL is no number",
    "malformed_filter": "FILTER is no list of names",
    "malformed_info": "INFO is no list of keys, or a value is not as its key says",
    "malformed_format": "FORMAT is no list of keys, or GT is not the first",
    "malformed_sample": "a sample has more values than FORMAT has keys, or one not as its key says",
    "contradicted_counts": "AC or AN of INFO is not that of the genotypes; neither is used",
    "provisional_ref": "REF is provisional in a PLINK fileset: it need not be the reference's",
}
"""What each warning means, by the rules of docs/reference/vcf-staging.md."""

_QC: Final = {
    SAMPLE_MISSING: ("persons missing at too many alleles", "sample_missing", ">"),
    SEX: ("persons whose X shows the other sex than the sample map", "sex_check", "F on X"),
    HETEROZYGOSITY: ("persons of unexpected heterozygosity", "max_f", "|F| >"),
    VARIANT_MISSING: ("alleles missing in too many persons", "variant_missing", ">"),
    HWE: ("alleles out of Hardy-Weinberg equilibrium", "hwe_p", "p <"),
    LD: ("alleles that another one in the window tells, or that do not vary", "ld_r2", "r² >"),
}


@dataclass(frozen=True, slots=True)
class Samples:
    """Persons of a run by sex as the sample map has it; a founder's parents are not named there."""

    total: int
    male: int
    female: int
    unknown: int
    founders: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Something that staging changed or met, and how often."""

    name: str
    description: str
    n: int


@dataclass(frozen=True, slots=True)
class Excluded:
    """What a rule of quality control excludes; ``limit`` as in ``p < 1e-06``."""

    rule: str
    description: str
    limit: str
    n: int
    of: int


@dataclass(frozen=True, slots=True)
class QualityControl:
    """Quality control of a run: its mode, why it was skipped, or what each rule excludes."""

    mode: str
    skipped: str | None
    founders: int
    rules: tuple[Excluded, ...]


@dataclass(frozen=True, slots=True)
class Alleles:
    """Alleles by class, and calls; ``chrom`` is empty for the sum."""

    chrom: str
    snv: int
    mnv: int
    indel: int
    none: int
    het: int
    hom_alt: int
    hemi: int
    missing: int
    transitions: int

    @property
    def total(self) -> int:
        """Rows of the run's sites."""
        return self.snv + self.mnv + self.indel + self.none


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of genotypes: decompressed bytes, records."""

    file: str
    bytes: int
    records: int


@dataclass(frozen=True, slots=True)
class VcfPage:
    """A run of genotypes in numbers.

    Attributes:
        build, proof: the reference build and how it is proven.
        files: what was read.
        samples: whose calls.
        settings: half-calls, filter, normalisation, by name.
        assay: ``sites``, ``wgs`` or ``bed``.
        extent: intervals and bases where an unlisted position is 0/0.
        records, refused: of the files.
        refusals: by rule, the most frequent first.
        normalised, calls: what staging counted.
        warnings: what was not as the specification asks and taken all the same, in lines of the
            header or records, the most frequent first.
        chromosomes: in order.
        pictures: histograms.
        qc: None where none was done.
    """

    build: str
    proof: str
    files: tuple[InputFile, ...]
    samples: Samples
    settings: tuple[tuple[str, str], ...]
    assay: str
    extent: tuple[int, int]
    records: int
    refused: int
    refusals: tuple[Finding, ...]
    normalised: tuple[Counted, ...]
    calls: tuple[Counted, ...]
    warnings: tuple[Counted, ...]
    chromosomes: tuple[Alleles, ...]
    pictures: Pictures
    qc: QualityControl | None
    persons: PersonsPage | None

    @property
    def source_bytes(self) -> int:
        """Decompressed bytes of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def all_chromosomes(self) -> Alleles:
        """The sum over chromosomes."""
        names = [field.name for field in fields(Alleles)][1:]
        return Alleles("", *(sum(getattr(one, n) for one in self.chromosomes) for n in names))

    @property
    def ti_tv(self) -> float | None:
        """Transitions over transversions among SNVs, None without a transversion."""
        summed = self.all_chromosomes
        transversions = summed.snv - summed.transitions
        return summed.transitions / transversions if transversions else None


def vcf_page(run: Run, origin: Origin) -> VcfPage:
    """Return what there is to say of a run of genotypes; its calls are read, a block at a time.

    Args:
        run: a staged run.
        origin: how it is called.
    """
    said = run.description
    statistics, settings = said["statistics"], said["settings"]
    with duckdb.connect() as database:
        samples = _samples(database, run)
        chromosomes = _chromosomes(database, run)
        qc = _quality_control(database, run, samples.total, statistics["alleles"])
        extent = _rows(
            database,
            'select count(*), coalesce(sum("end" - start + 1), 0)::bigint'
            f" from {parquet(run.path / 'extent.parquet')}",
        )[0]
        refusals = tuple(_refusals(database, run, origin))
    files = [entry for entry in said["inputs"] if entry.get("role") == "genotypes"]
    return VcfPage(
        build=said["build"],
        proof=said["build_proof"],
        files=tuple(InputFile(one["file"], one["bytes"], one["records"]) for one in files),
        samples=samples,
        settings=(
            ("half-calls", settings["half_call"]),
            ("FILTER", settings["filter"]),
            ("normalisation", ", ".join(settings["normalisation"])),
        ),
        assay=said["assay"]["kind"],
        extent=(extent[0], extent[1]),
        records=statistics["records"],
        refused=statistics["refused"],
        refusals=refusals,
        normalised=_counted(statistics["normalised"]),
        calls=_counted(statistics["calls"] | statistics.get("dropped", {})),
        warnings=_warnings(statistics.get("warnings", {})),
        chromosomes=chromosomes,
        pictures=draw(run.path, thresholds=settings.get("qc", {}).get("thresholds", {})),
        qc=qc,
        persons=persons_page(run, origin),
    )


def _samples(database: duckdb.DuckDBPyConnection, run: Run) -> Samples:
    file = run.path / "samples.parquet"
    parents = [
        f"{name} is null"
        for name in ("father", "mother")
        if name in database.from_parquet(str(file)).columns
    ]
    rows = _rows(
        database,
        "select count(*), count(*) filter (sex = 1), count(*) filter (sex = 2),"
        " count(*) filter (sex = 0),"
        f" count(*) filter ({' and '.join(parents) or 'true'}) from {parquet(file)}",
    )
    return Samples(*rows[0])


def _chromosomes(database: duckdb.DuckDBPyConnection, run: Run) -> tuple[Alleles, ...]:
    rows = _rows(
        database,
        "select chrom,"
        " count(*) filter (alt <> '.' and length(ref) = 1 and length(alt) = 1),"
        " count(*) filter (alt <> '.' and length(ref) > 1 and length(alt) = length(ref)),"
        " count(*) filter (alt <> '.' and length(alt) <> length(ref)),"
        " count(*) filter (alt = '.'),"
        " sum(n_het)::bigint, sum(n_hom_alt)::bigint, sum(n_hemi)::bigint,"
        " sum(n_missing)::bigint, count(*) filter (ref || alt in ('AG', 'GA', 'CT', 'TC'))"
        f" from {parquet(run.path / 'counts.parquet')} group by chrom",
    )
    return tuple(Alleles(*row) for row in sorted(rows, key=lambda row: chrom_rank(row[0])))


def _refusals(database: duckdb.DuckDBPyConnection, run: Run, origin: Origin) -> Iterator[Finding]:
    rows = _rows(
        database,
        "select rule, count(*),"
        f" arg_min({{'file': file, 'line': line}}, {{'file': file, 'line': line}}, {SHOWN_PLACES})"
        f" from {parquet(run.path / 'refused.parquet')} group by rule order by 2 desc, 1",
    )
    for rule, n, places in rows:
        yield Finding(
            rule,
            _REFUSALS.get(rule, ""),
            n,
            places=tuple(Place(None, place["line"], place["file"]) for place in places),
            list_command=refused_command(origin, rule),
        )


def _quality_control(
    database: duckdb.DuckDBPyConnection, run: Run, persons: int, alleles: int
) -> QualityControl | None:
    settings = run.description["settings"].get("qc")
    statistics = run.description["statistics"].get("qc")
    file = run.path / EXCLUDED_FILE
    if settings is None or statistics is None or not file.exists():
        return None
    found = dict(_rows(database, f"select rule, count(*) from {parquet(file)} group by rule"))
    if settings["mode"] == "remove":  # what is left of the run is without them
        persons += statistics["persons"]
        alleles += statistics["alleles"]
    rules = []
    for rule in RULES:
        description, threshold, sign = _QC[rule]
        limit = settings["thresholds"].get(threshold)
        if limit is None and rule in (SEX, HETEROZYGOSITY):  # off unless asked for
            continue
        text = "off" if limit is None else sign if limit is True else f"{sign} {limit:g}"
        of = persons if rule in OF_PERSONS else alleles
        rules.append(Excluded(rule, description, text, found.get(rule, 0), of))
    return QualityControl(
        settings["mode"], statistics["skipped"], statistics["founders"], tuple(rules)
    )


def _counted(
    counts: dict[str, int], descriptions: Mapping[str, str] = _COUNTED
) -> tuple[Counted, ...]:
    return tuple(
        Counted(name, descriptions.get(name, name.replace("_", " ")), n)
        for name, n in counts.items()
    )


def _warnings(counts: dict[str, int]) -> tuple[Counted, ...]:
    found = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return _counted(dict(found), WARNED)


def _rows(database: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return database.execute(query).fetchall()
