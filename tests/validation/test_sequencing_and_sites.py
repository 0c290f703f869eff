"""Sequencing metadata of HGDP and SGDP, and sites of real lists: DuckDB and bcftools agree."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

import precisionchain as pc
from precisionchain.opened import OpenSite
from precisionchain.query.criteria import Criterion
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.evaluate import evaluate
from precisionchain.query.site_dosages import SiteDosages, site_dosages
from precisionchain.query.universe import universe_of
from tests.lib.vcf_builder import write_vcf
from tests.validation.conftest import HAIL, new_site

FILTERS = 2_000
OPERATORS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@dataclass(frozen=True)
class Column:
    """A column of a file that leaves the site."""

    source: str
    name: str
    kind: str


@dataclass(frozen=True)
class Metadata:
    """A site with two sources of metadata, and the same two files as DuckDB reads them."""

    site: Path
    database: duckdb.DuckDBPyConnection
    columns: dict[str, dict[str, str]]
    known: dict[Column, list[str]] = field(default_factory=dict)

    def persons(self, source: str) -> int:
        return int(self.rows(f"select count(*) from {source}")[0][0])

    def of(self, source: str) -> list[Column]:
        """The columns of a source that leave the site."""
        return [Column(source, name, kind) for name, kind in self.columns[source].items()]

    def values(self, column: Column) -> list[str]:
        """The different values of a column, as written."""
        if column not in self.known:
            name = f'"{column.name}"'
            rows = self.rows(
                f"select distinct {name} from {column.source} where {name} is not null order by 1"
            )
            self.known[column] = [row[0] for row in rows]
        return self.known[column]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self.database.sql(statement).fetchall()


@pytest.fixture(scope="module")
def metadata(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Metadata]:
    """HGDP's 929 samples; a third of these persons once more, as SGDP's runs were sequenced."""
    folder, data = tmp_path_factory.mktemp("metadata"), shared_data / "kg_sample_metadata"
    database = duckdb.connect()
    _read(database, "hgdp", data / "hgdp_wgs.20190516.metadata.txt", "sample", 929)
    _read(database, "sgdp", data / "simons_diversity_wgs.sequence.index", "SAMPLE_NAME", 300)
    site = new_site(folder / "site_a")
    columns = {}
    for number, source in enumerate(("hgdp", "sgdp")):
        path = folder / f"{source}.tsv"
        database.execute(
            f"copy (select * exclude (person) from {source} order by person) to '{path}'"
            " (header, delimiter '\t')"
        )
        samples = [row[0] for row in database.sql(f"select sample_id from {source}").fetchall()]
        calls = " ".join(["0/1"] * len(samples))
        vcf = write_vcf(folder / f"{source}.vcf", f"9:{number + 5} A G {calls}", samples=samples)
        mapped = folder / f"{source}.map.csv"
        rows = database.sql(f"select sample_id || ',' || person from {source}").fetchall()
        mapped.write_text("\n".join(["sample_id,person_id", *(row[0] for row in rows)]))
        site.ingest_vcf(
            vcf, samples=mapped, build="GRCh37", source=source, qc="none", metadata=path
        )
        leaving = site.metadata_leaving(path)
        columns[source] = dict(leaving.filter("leaves").select("column", "type").rows())
    yield Metadata(folder / "site_a", database, columns)
    database.close()


def _read(
    database: duckdb.DuckDBPyConnection, name: str, path: Path, sample: str, most: int
) -> None:
    """Make a table of a file: person (from 1), sample_id, and its columns as text."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = sum(line.startswith("##") for line in lines)
    database.execute(
        f"create table {name} as with read as (select * from read_csv('{path}', skip={head},"
        " delim='\t', header=true, all_varchar=true, quote='', nullstr=['', '.', 'NA'])),"
        f' once as (select * from read qualify row_number() over (partition by "{sample}") = 1)'
        f' select row_number() over (order by "{sample}")::bigint as person,'
        f' "{sample}" as sample_id, * exclude ("{sample}") from once limit {most}'
    )


def test_columns_and_types_are_those_of_the_files(metadata: Metadata) -> None:
    """Names of samples, libraries and files stay; so do latitude and longitude."""
    assert metadata.persons("hgdp") == 929
    assert metadata.columns["hgdp"] == {
        "source": "text",
        "library_type": "text",
        "population": "text",
        "region": "text",
        "sex": "text",
        "coverage": "float",
        "freemix": "float",
        "capmq": "integer",
        "insert_size_average": "float",
        "array_non_reference_discordance": "float",
        "library_alias_ENA": "integer",
    }
    assert {"INSTRUMENT_MODEL", "READ_COUNT", "CENTER_NAME"} <= metadata.columns["sgdp"].keys()
    assert not {"RUN_ID", "LIBRARY_NAME"} & metadata.columns["sgdp"].keys()
    for source, columns in metadata.columns.items():
        for name, kind in columns.items():
            asked = f'count(*) from {source} where "{name}" is not null'
            wrong = f'select {asked} and try_cast("{name}" as double) is null'
            number = metadata.rows(wrong)[0][0] == 0
            assert number == (kind != "text"), name


def test_random_filters_are_those_of_duckdb(metadata: Metadata) -> None:
    """True, false and unknown of each person, over thousands of combinations: 0 differences."""
    random_numbers = random.Random(20261123)
    opened = OpenSite(metadata.site)
    try:
        snapshot = opened.sync_if_behind()
        universe = universe_of(snapshot)
        scope = CriterionScope(snapshot, universe, "A", frozenset({"A"}))
        for _ in range(FILTERS):
            asked, sql = _filter(metadata, random_numbers, 2)
            truth = evaluate(scope, asked)
            expected = np.array([row[0] for row in _answers(metadata, sql)], dtype=np.int8)
            found = np.where(truth.true, 1, np.where(truth.unknown, -1, 0))
            assert (found == expected).all(), asked.text
    finally:
        opened.close()


def _answers(metadata: Metadata, sql: str) -> list[tuple[Any, ...]]:
    return metadata.rows(
        f"select coalesce(({sql})::tinyint, -1) from hgdp left join sgdp using (person)"
        " order by person"
    )


def _filter(metadata: Metadata, numbers: random.Random, levels: int) -> tuple[Criterion, str]:
    """Draw a criterion, and the same in SQL, whose logic has three values, too."""
    how = numbers.choice(("one", "one", "and", "or", "not")) if levels else "one"
    if how == "not":
        asked, sql = _filter(metadata, numbers, levels - 1)
        return ~asked, f"(not {sql})"
    if how in ("and", "or"):
        one, two = (_filter(metadata, numbers, levels - 1) for _ in range(2))
        made = one[0] & two[0] if how == "and" else one[0] | two[0]
        return made, f"({one[1]} {how} {two[1]})"
    conditions: dict[str, Any] = {}
    sqls: dict[str, list[str]] = {"hgdp": [], "sgdp": []}
    for _ in range(numbers.randint(1, 3)):
        column = numbers.choice(metadata.of(numbers.choice(("hgdp", "hgdp", "sgdp"))))
        operator = numbers.choice([*OPERATORS, "in"])
        values = _values(metadata, column, numbers, 3 if operator == "in" else 1)
        argument = f"{column.name.lower()}__{operator}"
        if argument in conditions:
            continue
        conditions[argument] = values if operator == "in" else values[0]
        for of, parts in sqls.items():
            same = [one for one in metadata.of(of) if one.name.lower() == column.name.lower()]
            parts.append(_condition(same[0] if same else None, column, operator, values))
    both = [f"({' and '.join(parts)})" for parts in sqls.values()]
    # A person who is not in SGDP has one source; there the other is neither false nor unknown.
    return pc.sequenced(**conditions), (
        f"(case when sgdp.sample_id is null then {both[0]} else ({both[0]} or {both[1]}) end)"
    )


def _condition(column: Column | None, asked: Column, operator: str, values: list[Any]) -> str:
    """Return a condition on a source's own column of the name that is asked for."""
    if column is None or (column.kind == "text") != (asked.kind == "text"):
        return "null::boolean"
    source, name, kind = column.source, column.name, column.kind
    cell = f'{source}."{name}"' if kind == "text" else f'{source}."{name}"::double'
    written = [
        "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)
        for value in values
    ]
    if operator == "in":
        return f"({cell} in ({', '.join(written)}))"
    return f"({cell} {OPERATORS[operator]} {written[0]})"


def _values(metadata: Metadata, column: Column, numbers: random.Random, most: int) -> list[Any]:
    found = metadata.values(column)
    drawn = [numbers.choice(found) for _ in range(most)]
    return drawn if column.kind == "text" else [float(value) for value in drawn]


# ------------------------------------------------------------------------------------ listed sites

GRAF = "graf_kinship/FP_SNPs.txt"
AKT = "kg_akt/wgs.grch37.vcf.gz"
HAPMAP = "graf_kinship/affy_hapmap.converted.vcf.gz"
OTHER_STRAND = str.maketrans("ACGT", "TGCA")

Alleles = dict[tuple[str, int], tuple[str, str, str]]
"""Place -> name, first and second allele."""


@dataclass(frozen=True)
class Lists:
    """A site with both real lists, and a file ingested with quality control that removes."""

    site: Path
    path: Path
    samples: list[str]

    def dosages(self, name: str) -> SiteDosages:
        opened = OpenSite(self.site)
        try:
            digest = getattr(opened.parameters, f"{name}_sites_digest")
            return site_dosages(opened.sync_if_behind(), name, digest)
        finally:
            opened.close()


@pytest.fixture(scope="module", params=[HAPMAP, HAIL])
def lists(
    request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Lists:
    """HapMap's array, half of whose alleles are on the other strand; exomes and genomes of 284."""
    folder, path = tmp_path_factory.mktemp("lists"), shared_data / request.param
    kinship, pc_sites = shared_data / GRAF, shared_data / AKT
    site = pc.Site.init(
        folder / "site_a", site="A", build="GRCh37", kinship_sites=kinship, pc_sites=pc_sites
    )
    samples = bcftools("query", "-l", path).split()
    mapped = folder / "samples.csv"
    rows = [f"{name},{number}" for number, name in enumerate(samples, start=1)]
    mapped.write_text("\n".join(["sample_id,person_id", *rows]))
    site.ingest_vcf(
        path, samples=mapped, build="GRCh37", qc="remove", source="file", build_unverified=True
    )
    return Lists(folder / "site_a", path, samples)


def bcftools(*arguments: str | Path) -> str:
    """Return what a command of bcftools prints."""
    done = subprocess.run(
        ["bcftools", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_list_on_the_ledger_is_the_file(lists: Lists, shared_data: Path) -> None:
    """Chromosome 23 is X; positions are those of GRCh37; loadings are exact."""
    kinship, pcs = lists.dosages("kinship").sites, lists.dosages("pc").sites
    lines = [line.split() for line in (shared_data / GRAF).read_text().splitlines()]
    wanted = [("X" if c == "23" else c, int(p), f"rs{rs}", a, b) for rs, c, p, _, a, b in lines]
    assert kinship.select("chrom", "pos", "id", "first", "second").rows() == wanted
    text = "%CHROM\t%POS\t%ID\t%REF\t%ALT\t%INFO/AF\t%INFO/WEIGHT\n"
    asked = bcftools("query", "-f", text, shared_data / AKT).splitlines()
    rows = [line.split("\t") for line in asked]
    assert pcs.select("chrom", "pos", "id", "first", "second").rows() == [
        (c, int(p), ident, a, b) for c, p, ident, a, b, _, _ in rows
    ]
    weights = np.array([[float(one) for one in row[6].split(",")] for row in rows])
    np.testing.assert_allclose(np.array(pcs["weights"].to_list()), weights, rtol=1e-6)


@pytest.mark.parametrize("name", ["kinship", "pc"])
def test_every_person_s_copies_are_those_of_the_file(lists: Lists, name: str) -> None:
    """Whatever quality control removed: a matrix of all persons, allele by allele."""
    found = lists.dosages(name)
    listed: Alleles = {
        (chrom, pos): (ident, first, second)
        for chrom, pos, ident, first, second in found.sites.select(
            "chrom", "pos", "id", "first", "second"
        ).iter_rows()
    }
    column = {place: at for at, place in enumerate(listed)}
    assert found.persons["person_id"].to_list() == list(range(1, len(lists.samples) + 1))
    expected = np.full(found.dosage.shape, 4, np.uint8)
    for place, copies in _copies(lists.path, listed):
        expected[:, column[place]] = copies
    assert (found.dosage == expected).all()
    assert (expected < 3).any(axis=0).sum() > 100
    with pc.connect(lists.site) as net:
        coverage = net.kinship_sites() if name == "kinship" else net.pc_sites()
    assert coverage["found"].to_list() == [int((expected != 4).any(axis=0).sum())]


def _copies(path: Path, listed: Alleles) -> Iterator[tuple[tuple[str, int], list[int]]]:
    """Yield a listed place and each person's copies of the second allele, letter by letter."""
    asked = bcftools("query", "-f", "%CHROM\t%POS\t%REF\t%ALT[\t%TGT]\n", path)
    for line in asked.splitlines():
        chrom, pos, ref, alts, *calls = line.split("\t")
        place = ("X" if chrom.removeprefix("chr") == "23" else chrom.removeprefix("chr"), int(pos))
        if place not in listed:
            continue
        _, first, second = listed[place]
        pairs = [{ref, alt} for alt in alts.split(",")] if alts != "." else [{ref}]
        strand = str.maketrans("", "")
        for table in (str.maketrans("", ""), OTHER_STRAND):
            here = {first.translate(table), second.translate(table)}
            if any(pair <= here for pair in pairs):
                strand = table
                break
        else:
            continue
        if {first, second} in ({"A", "T"}, {"C", "G"}) and ref != first:
            continue
        letters = {first.translate(strand): 0, second.translate(strand): 1}
        yield place, [_count(call, letters) for call in calls]


def _count(call: str, letters: dict[str, int]) -> int:
    alleles = call.replace("|", "/").split("/")
    known = [letters.get(allele) for allele in alleles]
    return 3 if None in known else sum(one for one in known if one is not None)


# ---------------------------------------------------------------------------------- counts by group

SUBSET = "kg_uwgac_phase3_subset/vcf/1KG_phase3_subset_chr{}.vcf.gz"
PAR_37 = "^X:60001-2699520,X:154931044-155260560"
TAGS = ("AN", "AC", "AC_Het", "AC_Hom", "AC_Hemi")


@dataclass(frozen=True)
class Grouped:
    """A site with chromosomes 22 and X of 1000 Genomes samples, and the groups of each sample."""

    site: Path
    shared: Path
    sex: dict[str, str]
    population: dict[str, str]

    def groups_file(self, folder: Path, groups: dict[str, str]) -> Path:
        path = folder / "groups.txt"
        path.write_text("".join(f"{name}\t{group}\n" for name, group in groups.items()))
        return path


@pytest.fixture(scope="module")
def grouped(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Grouped:
    folder = tmp_path_factory.mktemp("grouped")
    panel = shared_data / "kg_sample_metadata/integrated_call_samples_v3.20130502.ALL.panel"
    rows = [line.split() for line in panel.read_text().splitlines()[1:]]
    files = [shared_data / SUBSET.format(chrom) for chrom in ("22", "X")]
    samples = bcftools("query", "-l", files[0]).split()
    panel_rows = {row[0]: row for row in rows if row[0] in set(samples)}
    metadata, mapped = folder / "metadata.csv", folder / "samples.csv"
    known = [name for name in samples if name in panel_rows]
    metadata.write_text(
        "sample_id,Super Population\n"
        + "".join(f"{name},{panel_rows[name][2]}\n" for name in known)
    )
    sex = {name: panel_rows[name][3] if name in panel_rows else "" for name in samples}
    lines = [f"{name},{n},{sex[name]}\n" for n, name in enumerate(samples, start=1)]
    mapped.write_text("sample_id,person_id,sex\n" + "".join(lines))
    site = new_site(folder / "site_a")
    site.ingest_vcf(
        files,
        samples=mapped,
        build="GRCh37",
        qc="none",
        half_call="haploid",
        metadata=metadata,
        build_unverified=True,
    )
    population = {name: panel_rows[name][2] if name in panel_rows else "none" for name in samples}
    sexes = {name: one or "none" for name, one in sex.items()}
    return Grouped(folder / "site_a", shared_data, sexes, population)


@pytest.mark.parametrize("by", ["sex", "super_population"])
def test_counts_by_group_are_those_of_bcftools(grouped: Grouped, tmp_path: Path, by: str) -> None:
    """AC, AN, heterozygous, homozygous and hemizygous calls of every allele of chromosome 22."""
    of = grouped.sex if by == "sex" else grouped.population
    path = grouped.shared / SUBSET.format("22")
    filled = tmp_path / "filled.vcf"
    groups = grouped.groups_file(tmp_path, of)
    bcftools("+fill-tags", path, "-o", filled, "--", "-S", groups, "-t", ",".join(TAGS))
    with pc.connect(grouped.site) as net:
        answer = net.frequencies("22", by=by)
    names = {"male": "male", "female": "female", None: "none"}
    found = {
        (*row[:4], names.get(row[4], row[4])): row[5:]
        for row in answer.select(
            "chrom", "pos", "ref", "alt", "group", "ac", "an", "n_het", "n_hom_alt", "n_hemi"
        ).iter_rows()
    }
    expected = {}
    for group in sorted(set(of.values())):
        tags = "\t".join(f"%INFO/{tag}_{group}" for tag in TAGS)
        text = f"%CHROM\t%POS\t%REF\t%ALT\t{tags}\n"
        for line in bcftools("query", "-f", text, filled).splitlines():
            chrom, pos, ref, alts, an, *numbers = line.split("\t")
            if not {ref, *alts.split(",")} <= set("ACGT"):
                continue  # what is trimmed has another name here
            counts = zip(alts.split(","), *(one.split(",") for one in numbers), strict=True)
            for alt, *of_alt in counts:
                ac, het, hom, hemi = map(int, of_alt)
                expected[chrom, int(pos), ref, alt, group] = (ac, int(an), het, hom // 2, hemi)
    found = {place: counts for place, counts in found.items() if place in expected}
    assert found == expected
    assert len(expected) > 1_000


def test_counts_on_x_by_sex_within_a_cohort_are_a_slow_recount(grouped: Grouped) -> None:
    """Outside of the pseudo-autosomal regions a man's 0/0 is one allele, his 0/1 is missing."""
    path = grouped.shared / SUBSET.format("X")
    text = "%POS\t%REF\t%ALT[\t%GT]\n"
    only = 'N_ALT=1 && TYPE="snp"'
    asked = bcftools("query", "-t", PAR_37, "-i", only, "-f", text, path).splitlines()
    names = bcftools("query", "-l", path).split()
    expected = {}
    for line in asked:
        pos, ref, alt, *calls = line.split("\t")
        for sex in ("male", "female"):
            counts = [0] * 5
            for name, call in zip(names, calls, strict=True):
                if grouped.sex[name] == sex and grouped.population[name] == "EUR":
                    _add_call(counts, call.replace("|", "/").split("/"), male=sex == "male")
            expected[int(pos), ref, alt, sex] = tuple(counts)
    with pc.connect(grouped.site) as net:
        answer = net.frequencies("X", by="sex", within="sequenced(super_population=EUR)")
    columns = ("pos", "ref", "alt", "group", "ac", "an", "n_hom_alt", "n_hemi", "n_missing")
    found = {row[:4]: row[4:] for row in answer.select(*columns).iter_rows()}
    assert {place: found[place] for place in expected} == expected
    assert len(expected) > 500


def _add_call(counts: list[int], alleles: list[str], *, male: bool) -> None:
    """Count one call: AC, AN, homozygous, hemizygous, missing."""
    alleles = [one for one in alleles if one != "."]
    if male and len(set(alleles)) == 1:
        alleles = alleles[:1]
    if not alleles or (male and len(alleles) > 1):
        counts[4] += 1
        return
    copies = alleles.count("1")
    counts[0] += copies
    counts[1] += len(alleles)
    counts[2] += copies == 2
    counts[3] += copies == 1 == len(alleles)
