"""Two institutions on one ledger that load at the same time, and ask.

What the network answers is compared with a slow count over the files that went in.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import precisionchain as pc
from precisionchain.errors import AmbiguousPersonError
from tests.lib.typed_commands import refused, rows, run, start
from tests.lib.vcf_builder import write_map, write_vcf

PERSONS = 300
CONCEPTS = (201826, 317576, 4329847)
GENOTYPED = range(40, 60)
"""Persons with genotypes, of the same ids at both sites."""
PLACES = range(1000, 31_000, 300)
SHARED = 42


def write_inputs(folder: Path, site: str) -> None:
    """An export and a VCF of a site; person ids, concepts and alleles are those of the others."""
    drawn = random.Random(site)
    export = folder / f"omop_{site}"
    export.mkdir()
    with (export / "person.csv").open("w", encoding="utf-8") as file:
        file.write("person_id,gender_concept_id,year_of_birth,race_concept_id,")
        file.write("ethnicity_concept_id\n")
        for person in range(1, PERSONS + 1):
            file.write(f"{person},{drawn.choice((8507, 8532))},{drawn.randint(1930, 2000)},0,0\n")
    with (export / "condition_occurrence.csv").open("w", encoding="utf-8") as file:
        file.write("condition_occurrence_id,person_id,condition_concept_id,")
        file.write("condition_start_date,condition_type_concept_id\n")
        for key in range(1, 8 * PERSONS):
            day = f"20{drawn.randint(10, 20)}-0{drawn.randint(1, 9)}-1{drawn.randint(0, 9)}"
            person, concept = drawn.randint(1, PERSONS), drawn.choice(CONCEPTS)
            file.write(f"{key},{person},{concept},{day},32020\n")
    samples = tuple(f"{site}{person}" for person in GENOTYPED)
    calls = [drawn.choices(("0/0", "0/1", "1/1", "./."), (60, 25, 10, 5), k=len(samples))
             for _ in PLACES]  # fmt: skip
    records = [f"9:{pos} A G {' '.join(line)}" for pos, line in zip(PLACES, calls, strict=True)]
    write_vcf(folder / f"{site}.vcf", *records, samples=samples)
    write_map(folder / f"{site}_map.csv", *(f"{site}{person},{person},F" for person in GENOTYPED))


@dataclass(frozen=True, slots=True)
class Files:
    """The input files, read in the slowest way."""

    folder: Path

    def conditions(self) -> Iterator[tuple[str, int, int, str]]:
        """(site, person, concept, start) of every row of both exports."""
        for site in "AB":
            path = self.folder / f"omop_{site}" / "condition_occurrence.csv"
            with path.open(encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    person, concept = int(row["person_id"]), int(row["condition_concept_id"])
                    yield site, person, concept, row["condition_start_date"]

    def calls(self) -> Iterator[tuple[str, int, int, str]]:
        """(site, person, pos, GT) of every call of both files."""
        for site in "AB":
            for line in (self.folder / f"{site}.vcf").read_text(encoding="utf-8").splitlines():
                if not line.startswith("#"):
                    cells = line.split("\t")
                    for person, call in zip(GENOTYPED, cells[9:], strict=True):
                        yield site, person, int(cells[1]), call


def ingest_at_once(folder: Path, *arguments: str) -> None:
    """Run one command at both sites at the same time; `{}` is the site's name."""
    running = []
    for site in "AB":
        named = [argument.format(site) for argument in arguments]
        running.append(start(folder, "-C", f"site_{site.lower()}", *named))
    for process in running:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sites A and B, which have loaded everything at the same time, and C, which has nothing."""
    folder = tmp_path_factory.mktemp("joined")
    run(folder, "init", "site_a", "--site", "A", "--build", "GRCh37")
    for site in "BC":
        joining = ("--site", site, "--ledger", "embedded:../site_a/ledger.sqlite")
        token = run(folder, "init", f"site_{site.lower()}", *joining)
        run(folder, "-C", "site_a", "admit", token.strip())
    for site in "AB":
        write_inputs(folder, site)
    ingest_at_once(folder, "ingest", "omop", "omop_{}")
    vcf = ("ingest", "vcf", "{}.vcf", "--samples", "{}_map.csv", "--build", "GRCh37")
    ingest_at_once(folder, *vcf, "--qc", "none")
    return folder


def test_both_loads_are_there_once_and_name_their_site(joined: Path) -> None:
    conditions = list(Files(joined).conditions())
    for asking in ("site_a", "site_b", "site_c"):
        with pc.connect(joined / asking) as network:
            for concept in CONCEPTS:
                answer = network.domain(concept)
                found = Counter(
                    zip(
                        answer["site"],
                        answer["person_id"],
                        answer["condition_start_date"].dt.to_string(),
                        strict=True,
                    )
                )
                expected = Counter((s, p, day) for s, p, c, day in conditions if c == concept)
                assert found == expected


def test_the_frequency_counts_both_sites_once(joined: Path) -> None:
    alternate, called = Counter[int](), Counter[int]()
    for _, _, pos, call in Files(joined).calls():
        if call != "./.":
            alternate[pos] += call.count("1")
            called[pos] += 2
    with pc.connect(joined / "site_b") as network:
        answer = network.maf(0.0, 0.5)
    found = {row["pos"]: (row["ac"], row["an"]) for row in answer.iter_rows(named=True)}
    assert found == {pos: (alternate[pos], called[pos]) for pos in PLACES}
    assert set(answer["batches"]) == {2}


def test_equal_ids_of_two_sites_are_two_persons(joined: Path) -> None:
    conditions, calls = list(Files(joined).conditions()), list(Files(joined).calls())
    pos = PLACES[7]
    with pc.connect(joined / "site_a") as network:
        carriers = network.variant(f"9:{pos}:A:G")
        found = sorted(zip(carriers["site"], carriers["person_id"], strict=True))
        assert found == sorted({(s, p) for s, p, at, call in calls if at == pos and "1" in call})
        for site in "AB":
            record = network.person(f"{site}:{SHARED}")["condition_occurrence"]
            days = sorted(record["condition_start_date"].dt.to_string())
            assert days == sorted(d for s, p, _, d in conditions if (s, p) == (site, SHARED))
            assert set(record["site"]) == {site}
            own = network.person_variants(f"{site}:{SHARED}")
            assert set(own["site"]) == {site}
            assert sorted(own["pos"]) == sorted(
                at for s, p, at, call in calls if (s, p) == (site, SHARED) and "1" in call
            )


def test_who_saw_tells_equal_ids_apart(joined: Path) -> None:
    run(joined, "-C", "site_b", "query", "person", "B:299")
    for subject, seen in (("B:299", 1), ("A:299", 0)):
        saw = rows(joined, "-C", "site_c", "audit", "who-saw", subject)
        by_person = [row for row in saw if row["operation"] == "person"]
        assert [row["user"] for row in by_person] == ["admin@B"] * seen


def test_a_bare_id_is_the_own_site_s_else_it_must_be_one_only(joined: Path) -> None:
    for site in "AB":
        with pc.connect(joined / f"site_{site.lower()}") as network:
            assert set(network.person(SHARED)["person"]["site"]) == {site}
    with (
        pc.connect(joined / "site_c") as network,
        pytest.raises(AmbiguousPersonError, match="sites A, B"),
    ):
        network.person(SHARED)
    line = refused(joined, 2, "-C", "site_c", "query", "person-variants", str(SHARED))
    assert "sites A, B hold a person of that id" in line


def test_everybody_verifies_everything(joined: Path) -> None:
    for site in ("site_a", "site_b", "site_c"):
        checks = rows(joined, "-C", site, "verify")
        assert [check for check in checks if not check["ok"] or check["findings"]] == []
        assert {check["check"]: check["examined"] for check in checks}["writers"] > 10
