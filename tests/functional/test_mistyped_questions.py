"""What somebody typed by mistake: a named error, and nothing of it on the ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import precisionchain as pc
from precisionchain.errors import (
    AccessRefusedError,
    LedgerFormatError,
    PrecisionChainError,
    SiteError,
    UsageError,
)
from precisionchain.network import Network
from tests.functional.conftest import SmallSite

MRN = "MRN-00777"


def _on_ledger(site: Path) -> bytes:
    """Requests stand on the ledger as they are, in blobs."""
    with sqlite3.connect(f"file:{site / 'ledger.sqlite'}?mode=ro", uri=True) as database:
        stored = database.execute("select stored from items").fetchall()
    database.close()
    return b"\0".join(row[0] for row in stored)


@pytest.mark.parametrize(
    "ask",
    [
        lambda net: net.person(f"{MRN}:42"),
        lambda net: net.person_variants("A:42", MRN),
        lambda net: net.person_variants(f"{MRN}:42"),
        lambda net: net.variant(f"{MRN}:5:A:C"),
        lambda net: net.maf(0, 0.5, region=MRN),
        lambda net: net.domain(MRN),
        lambda net: net.cohort(f'persons("{MRN}:42")'),
        lambda net: net.cohort(f"~(at_site({MRN}) | sex(male))"),
        lambda net: net.cohort(f"carries({MRN})"),
        lambda net: net.cohort(f'carries(9, maf(0..0.5, within=carries("{MRN}:1-5")))'),
        lambda net: net.cohort(f'genotype("{MRN}:5:A:C", missing)'),
        lambda net: net.export_cohort(["A:42"], definition_id=MRN, site=MRN),
        lambda net: net.export_genotypes(MRN, persons=[f"{MRN}:42"], output="no.vcf"),
        lambda net: net.audit.who_saw(f"{MRN}:42"),
        lambda net: net.audit.who_saw(f"{MRN}:5:A:C"),
    ],
)
def test_a_record_number_in_a_question_is_not_logged(
    ask: Callable[[Network], object], shared_site: SmallSite
) -> None:
    with pc.connect(shared_site.path) as net:
        before = net.audit.entries().height
        with suppress(PrecisionChainError, TypeError):
            ask(net)
        assert net.audit.entries().height >= before + 4, "the question and its outcome are logged"
    assert MRN.encode() not in _on_ledger(shared_site.path)


def test_names_that_the_network_knows_are_logged(shared_site: SmallSite) -> None:
    with pc.connect(shared_site.path) as net:
        net.cohort('at_site(A) & genotype("9:100:A:G", missing) & ~carries(9:7-70)')
        asked = net.audit.entries()["question"].to_list()
    assert any('"9:100:A:G","missing"' in text and '"9:7-70"' in text for text in asked)
    assert any('{"at_site":["A"]}' in text for text in asked)


@pytest.mark.parametrize(
    "ask",
    [
        lambda net: net.domain(10**30),
        lambda net: net.maf(float("nan"), 0.5),
        lambda net: net.maf(0, float("inf")),
        lambda net: net.variant("9:5:A:<\udcff>"),
    ],
)
def test_numbers_and_text_out_of_range_are_usage_errors(
    ask: Callable[[Network], object], shared_site: SmallSite
) -> None:
    with pc.connect(shared_site.path) as net, pytest.raises(UsageError):
        ask(net)


@pytest.mark.parametrize(
    "ask",
    [
        lambda net, **days: net.timeline("A:1", **days),
        lambda net, **days: net.person("A:1", **days),
        lambda net, **days: net.domain(201826, **days),
        lambda net, **days: net.domain([201826], **days),
        lambda net, **days: net.audit.summary(period="month", **days),
    ],
)
def test_days_between_which_no_day_lies_are_a_usage_error(
    ask: Callable[..., object], shared_site: SmallSite
) -> None:
    with pc.connect(shared_site.path) as net:
        ask(net, since="2015-01-01", until="2015-01-01")
        with pytest.raises(UsageError, match="since is after until"):
            ask(net, since="2015-01-02", until="2015-01-01")


def test_a_user_without_a_key_in_the_folder_is_refused(shared_site: SmallSite) -> None:
    with pytest.raises(AccessRefusedError, match="has no key of nobody@A"):
        pc.connect(shared_site.path, user="nobody")
    assert AccessRefusedError.exit_code == 6


def test_damaged_files_of_a_site_folder_are_named(tmp_path: Path) -> None:
    site = pc.Site.init(tmp_path / "site", site="A")
    site.sync()
    (tmp_path / "site" / "replica" / "catalogue.json").write_text("{")
    with pc.connect(tmp_path / "site") as net, pytest.raises(LedgerFormatError, match="damaged"):
        net.maf(0, 0.5)
    (tmp_path / "site" / "precisionchain.toml").write_bytes(b"\xff")
    with pytest.raises(SiteError, match="cannot be read"):
        pc.connect(tmp_path / "site")
