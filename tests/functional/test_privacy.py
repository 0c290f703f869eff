"""What never leaves a site is nowhere on its ledger, in any layer of compression.

Marks are planted wherever a site's files hold what is not on the column allow-list; then every
value of every table of the ledger file is searched, decompressed, without knowing the format.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import precisionchain as pc
from precisionchain.errors import UsageError
from tests.lib.access_entries import opened_texts
from tests.lib.omop_builder import write_omop
from tests.lib.vcf_builder import vcf_text, write_map
from tests.validation.ledger_bytes import everything

SENTENCE = "The patient fears losing her job"
MRN = "MRN-00427731"
FOLDER = "export_of_ward_seven"
MISTYPED = "MRN-00555123"
"""Asked for as if it were a person: questions are on the ledger for every member to read."""
PLANTED = {
    "record number": MRN,
    "sentence of a note": SENTENCE,
    "name of a doctor": "Dr Quillfeather",
    "city": "Puddleby",
    "zip code": "90210-77",
    "latitude": "51.123457",
    "source value": "E11.9-local",
    "value as string": "lives alone",
    "unit source value": "mmolperlitre",
    "device number": "UDI-55512",
    "stop reason": "moved away",
    "lot number": "LOT-7781",
    "drug instructions": "twice a day with milk",
    "cell of an unknown column": "seen at the market",
    "rejected cell": "not-a-date-9931",
    "sample name": "SAMPLE_0815",
    "variant id of the file": "local_id_99",
    "folder of the files": FOLDER,
    "record number typed in a question": MISTYPED,
    "name of a file": "genotypes_of_ward",
    "header line of the VCF": "secret_pipeline",
}


def omop(folder: Path) -> Path:
    p = PLANTED
    write_omop(
        folder,
        f"""
        person
        id | gender_concept_id | year_of_birth | person_source_value | location_id
        42 | 8532              | 1956          | {MRN}               | 1
        43 | 8532              | 1957          | {MRN}-b             | 1

        location
        id | city        | zip              | latitude
        1  | {p["city"]} | {p["zip code"]}  | {p["latitude"]}
        2  | {p["city"]} | {p["zip code"]}  | 1.5

        provider
        id | provider_name
        1  | {p["name of a doctor"]}

        note
        id | person | concept | note_title  | note_text
        1  | 42     | 44814637 | {SENTENCE} | {SENTENCE}. {MRN}

        note_nlp
        id | note_id | lexical_variant | snippet
        1  | 1       | {SENTENCE}      | {SENTENCE}

        condition_occurrence
        id | person | concept | start                 | condition_source_value | stop_reason
        1  | 42     | 201826  | 2015-01-01            | {p["source value"]}    | {p["stop reason"]}
        2  | 42     | 201826  | {p["rejected cell"]}  |                        |

        drug_exposure
        id | person | concept | sig                       | lot_number
        1  | 42     | 1503297 | {p["drug instructions"]}  | {p["lot number"]}

        device_exposure
        id | person | concept | unique_device_id
        1  | 42     | 2614832 | {p["device number"]}

        measurement
        id | person | concept | value_as_number | unit_source_value
        1  | 42     | 3004410 | 7.123456789     | {p["unit source value"]}
        2  | 42     | 3004410 | 8.5             | {p["unit source value"]}

        observation
        id | person | concept | value_as_string
        1  | 42     | 4058709 | {p["value as string"]}
        """,
    )
    person = folder / "observation.csv"
    header, row, *_ = person.read_text().splitlines()
    person.write_text(f"{header},remarks\n{row},{p['cell of an unknown column']}\n")
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> pc.Site:
    root = tmp_path_factory.mktemp("privacy")
    folder = root / FOLDER
    site = pc.Site.init(root / "site_a", site="A", build="GRCh37")
    site.ingest_omop(omop(folder), source="ehr")
    sample, ident = PLANTED["sample name"], PLANTED["variant id of the file"]
    text = vcf_text("9:100 A G 0/1 1/1", "9:200 C T 0/0 0/1", samples=(sample, f"{sample}_b"))
    text = text.replace("9\t100\t.\t", f"9\t100\t{ident}\t")
    text = text.replace("##FILTER", f"##{PLANTED['header line of the VCF']}=1\n##FILTER", 1)
    vcf = folder / "genotypes_of_ward.vcf"
    vcf.write_text(text)
    samples = write_map(folder / "map.csv", f"{sample},42,F", f"{sample}_b,43,F")
    site.ingest_vcf([vcf], samples=samples, build="GRCh37", source="array")
    with pc.connect(root / "site_a") as network:
        network.person("A:42")
        network.variant("9:100:A:G")
        for ask in (network.person, network.person_variants, network.audit.who_saw):
            with pytest.raises(UsageError):
                ask(MISTYPED)
    site.sql(f"select * from raw_person where person_source_value = '{MRN}'")
    return site


@pytest.fixture(scope="module")
def ledger(site: pc.Site) -> list[bytes]:
    """Every value of the ledger in every layer of compression, and of the log what is sealed."""
    for table in ("raw_person", "raw_note", "raw_location", "raw_observation"):
        assert site.sql(f"select * from {table}").height, f"nothing was planted in {table}"
    root = site.folder.root
    return [*everything(root / "ledger.sqlite"), *opened_texts(root)]


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_stays_at_the_site(ledger: list[bytes], planted: str) -> None:
    mark = PLANTED[planted].encode()
    forms = (mark.lower(), mark.hex().encode())
    found = [value for value in ledger if any(form in value.lower() for form in forms)]
    assert len(found) == 0, f"{planted} is in {len(found)} values"


def test_the_search_would_find_what_does_leave(ledger: list[bytes]) -> None:
    """Concepts of vocabulary, column names and questions are there in the same layers."""
    for known in (b"condition_concept_id", b"GRCh37", b"source_id", b"A:42", b"9:100:A:G"):
        assert any(known in value for value in ledger), known


def test_what_was_asked_is_there_only_sealed(site: pc.Site) -> None:
    stored = list(everything(site.folder.root / "ledger.sqlite"))
    for asked in (b"A:42", b"9:100:A:G"):
        assert not any(asked in value for value in stored), asked


def test_no_number_that_points_at_a_place_leaves(ledger: list[bytes]) -> None:
    latitude = struct.pack("<d", float(PLANTED["latitude"]))
    measured = struct.pack("<d", 7.123456789)
    assert [value for value in ledger if measured in value], "numbers are not found like this"
    assert not [value for value in ledger if latitude in value]
