"""What must stay at a site is planted everywhere a table has room for it, and looked for.

Looked for on the ledger, decompressed (``ledger_bytes``), and in all that the commands say,
failing commands above all.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pytest

from tests.functional.conftest import CONTIGS_37, vcf_text
from tests.lib.access_entries import opened_texts
from tests.validation.conftest import run_cli
from tests.validation.ledger_bytes import everything, layers

MRN = "MRN-48213377"
SENTENCE = "Quetzal sighted behind the radiator"
FOLDER = "ward-7-oberlin-export"
SAMPLE = "SMPL-OBERLIN-1952"
SURNAME = "Oberlinghausen"
NUMBER = 902_713_377_541
"""Of a member of staff: numbers that point at staff stay, too."""

STAY = (MRN, SENTENCE, FOLDER, SAMPLE, SURNAME, str(NUMBER))

TABLES = {
    "person": (
        "person_id,gender_concept_id,year_of_birth,race_concept_id,ethnicity_concept_id,"
        "provider_id,person_source_value,gender_source_value\n"
        f"1,8507,1950,0,0,{NUMBER},{MRN},{SURNAME}\n"
        f"2,8532,1960,0,0,{NUMBER},{MRN},\n"
        f"3,8532,{MRN},0,0,{NUMBER},,\n"  # rejected: no year
    ),
    "condition_occurrence": (
        "condition_occurrence_id,person_id,condition_concept_id,condition_start_date,"
        "condition_type_concept_id,stop_reason,condition_source_value,provider_id\n"
        f'1,1,201826,2015-03-02,32020,"{SENTENCE}",{MRN},{NUMBER}\n'
        f"2,2,201826,2016-01-01,32020,,,{NUMBER}\n"
        f"3,2,201826,{MRN},32020,,,\n"  # rejected: no date
        f"4,{MRN},201826,2016-01-01,32020,,,\n"  # rejected: no person
    ),
    "note": (
        "note_id,person_id,note_date,note_type_concept_id,note_class_concept_id,note_title,"
        "note_text,encoding_concept_id,language_concept_id,note_source_value\n"
        f'1,1,2015-03-02,32020,0,"{SURNAME}","{SENTENCE}",0,0,/{FOLDER}/{MRN}.txt\n'
    ),
    "note_nlp": (
        'note_nlp_id,note_id,section_concept_id,snippet,"offset",lexical_variant,'
        "note_nlp_concept_id,note_nlp_source_concept_id,nlp_system,nlp_date,term_modifiers\n"
        f'1,1,0,"{SENTENCE}",0,"{SURNAME}",0,0,{FOLDER},2015-03-02,"{MRN}"\n'
    ),
    "observation": (
        "observation_id,person_id,observation_concept_id,observation_date,"
        "observation_type_concept_id,value_as_string,observation_source_value,"
        "value_source_value,qualifier_source_value\n"
        f'1,1,4005823,2015-03-02,32020,"{SENTENCE}",{MRN},{MRN},{SURNAME}\n'
    ),
    "specimen": (
        "specimen_id,person_id,specimen_concept_id,specimen_type_concept_id,specimen_date,"
        f"specimen_source_id,specimen_source_value\n1,1,4001225,32020,2015-03-02,{MRN},{SAMPLE}\n"
    ),
    "device_exposure": (
        "device_exposure_id,person_id,device_concept_id,device_exposure_start_date,"
        f"device_type_concept_id,unique_device_id,production_id\n"
        f"1,1,4001225,2015-03-02,32020,{MRN},{SAMPLE}\n"
    ),
    "drug_exposure": (
        "drug_exposure_id,person_id,drug_concept_id,drug_exposure_start_date,"
        "drug_exposure_end_date,drug_type_concept_id,sig,lot_number,drug_source_value\n"
        f'1,1,1112807,2015-03-02,2015-03-09,32020,"{SENTENCE}",{SAMPLE},{MRN}\n'
    ),
    "death": (
        "person_id,death_date,death_type_concept_id,cause_concept_id,cause_source_value\n"
        f'1,2020-01-01,32020,0,"{SENTENCE}"\n'
    ),
    "location": (
        "location_id,address_1,city,state,zip,location_source_value,latitude,longitude\n"
        f"1,{SURNAME},{SURNAME},NJ,{MRN[-8:]},{MRN},40.{NUMBER},-74.{NUMBER}\n"
    ),
    "care_site": (
        f"care_site_id,care_site_name,location_id,care_site_source_value\n1,{SURNAME},1,{MRN}\n"
    ),
    "provider": (
        "provider_id,provider_name,npi,provider_source_value\n"
        f"{NUMBER},{SURNAME},{MRN[:10]},{SENTENCE}\n"
    ),
    "cdm_source": (
        "cdm_source_name,cdm_source_abbreviation,cdm_holder,source_description,"
        "source_documentation_reference,cdm_version\n"
        f"{SURNAME},{FOLDER},{SURNAME},{SENTENCE},/{FOLDER}/readme,5.4\n"
    ),
    "metadata": (
        "metadata_id,metadata_concept_id,metadata_type_concept_id,name,value_as_string\n"
        f"1,0,0,{SURNAME},{SENTENCE}\n"
    ),
    "fact_relationship": (
        "domain_concept_id_1,fact_id_1,domain_concept_id_2,fact_id_2,relationship_concept_id\n"
        f"56,1,56,{NUMBER},44818790\n"
    ),
    "a_local_table": f"patient,comment\n{MRN},{SENTENCE}\n",
}

GOOD_VCF = vcf_text(
    "9 100 A G 0/1 1/1", "9 200 C T 0/1 0/0", samples=(SAMPLE, "S2"), contigs=CONTIGS_37
).replace("##fileformat=VCFv4.2\n", f"##fileformat=VCFv4.2\n##source=/{FOLDER}/{MRN}\n")


@dataclass(slots=True)
class Heard:
    """All that the commands said, and where."""

    ledger: Path
    said: list[tuple[str, str]] = field(default_factory=list)

    def run(self, site: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        done = run_cli("-C", site, *arguments, check=False)
        self.said.append((" ".join(map(str, arguments)), done.stdout + done.stderr))
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """A site whose every command met planted cells."""
    root = tmp_path_factory.mktemp("planted")
    source = root / FOLDER
    source.mkdir()
    for name, text in TABLES.items():
        (source / f"{name}.csv").write_text(text, encoding="utf-8")
    site = root / "site_a"
    run_cli("init", site, "--site", "A", "--build", "GRCh37")
    heard = Heard(site / "ledger.sqlite")
    for arguments in _commands(root, source):
        heard.run(site, *arguments)
    return heard


def _commands(root: Path, source: Path) -> Iterator[list[str | Path]]:
    good = root / FOLDER / f"{MRN}.vcf"
    good.write_text(GOOD_VCF, encoding="utf-8")
    samples = root / FOLDER / f"{SURNAME}.csv"
    samples.write_text(f"sample_id,person_id,sex\n{SAMPLE},1,M\nS2,2,F\n", encoding="utf-8")
    broken = root / "broken.vcf"
    broken.write_text(GOOD_VCF + f"9\t300\t{MRN}\tA\tT\t.\t{SURNAME}\t{SENTENCE}\n", "utf-8")
    conflict = root / "conflict.vcf"
    line = f"9\t200\t{MRN}\tC\tT\t.\tPASS\tNAME={SURNAME}\tGT\t1/1\t1/1\n"
    conflict.write_text(GOOD_VCF + line, encoding="utf-8")
    wrong_map = root / "map.csv"
    wrong_map.write_text(f"sample_id,person_id,sex\n{SAMPLE},{MRN},M\nS2,2,F\n", encoding="utf-8")
    headless = root / "headless"
    headless.mkdir()
    (headless / "person.csv").write_text(TABLES["person"].partition("\n")[2], encoding="utf-8")
    vcf = ("--samples", samples, "--build", "GRCh37", "--source", "array")
    yield ["stage", "omop", source, "--source", "ehr"]
    yield ["validate"]
    yield ["publish", "--dry-run"]
    yield ["publish"]
    yield ["ingest", "omop", source, "--source", "ehr", "--json"]
    yield ["ingest", "omop", headless]
    yield ["ingest", "vcf", broken, *vcf]
    yield ["ingest", "vcf", conflict, *vcf]
    yield ["ingest", "vcf", good, "--samples", wrong_map, "--build", "GRCh37"]
    yield ["ingest", "vcf", good, *vcf]
    yield ["sql", "select cast(person_source_value as integer) from raw_person"]
    yield ["sql", "select person_id + stop_reason from condition_occurrence"]
    yield ["sql", "select count(*) from raw_note where length(note_text) > 3"]
    yield ["sync"]
    yield ["query", "domain", "201826", "--json"]
    yield ["query", "domain", "77"]
    yield ["query", "person", "A:1", "--json"]
    yield ["query", "person", "A:99"]
    yield ["query", "variant", "9:100:A:G", "--json"]
    yield ["query", "person-variants", "A:1"]
    yield ["query", "maf", "0-0.5"]
    yield ["audit", "entries", "--json"]
    yield ["audit", "who-saw", "A:1"]
    yield ["verify"]


def test_everything_was_ingested(heard: Heard) -> None:
    said = dict(heard.said)
    assert '"person_id": 1' in said["query person A:1 --json"]
    assert '"genotype": 2' in said["query variant 9:100:A:G --json"]


def test_the_search_finds_what_is_on_the_ledger(heard: Heard) -> None:
    """Else the next tests would pass on an unreadable ledger."""
    text = b"condition_start_date"
    assert any(text in layer for layer in everything(heard.ledger))
    assert any(b"refused_columns" in layer for layer in everything(heard.ledger))
    assert list(layers(b"plain")) == [b"plain"]


@pytest.mark.parametrize("planted", STAY)
def test_what_was_planted_is_nowhere_on_the_ledger(planted: str, heard: Heard) -> None:
    sought = planted.encode()
    for layer in chain(everything(heard.ledger), opened_texts(heard.ledger.parent)):
        assert sought not in layer, layer[max(0, layer.find(sought) - 100) :][:300]


def test_a_planted_number_is_not_on_the_ledger_as_an_integer(heard: Heard) -> None:
    sought = NUMBER.to_bytes(8, "little")
    assert not any(sought in layer for layer in everything(heard.ledger))


@pytest.mark.parametrize("planted", [MRN, SENTENCE, SURNAME, str(NUMBER)])
def test_what_was_planted_is_in_nothing_the_commands_said(planted: str, heard: Heard) -> None:
    """Names of files that a command was given may be repeated to who gave them."""
    for command, said in heard.said:
        for line in said.splitlines():
            assert planted not in line.replace(f"{MRN}.vcf", "").replace(f"{SURNAME}.csv", ""), (
                f"{command}: {line}"
            )


def test_nothing_but_private_folders_is_left_behind(heard: Heard) -> None:
    """No log file of the commands lies about; keys, staging and replica are the owner's alone."""
    site = heard.ledger.parent
    assert not list(site.rglob("*.log"))
    for name in ("keys", "replica"):
        assert (site / name).stat().st_mode & 0o077 == 0, name
