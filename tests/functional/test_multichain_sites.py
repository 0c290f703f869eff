"""Two institutions, each with a node of its own, on one chain: found, join, load, ask, verify.

What the network answers is compared with a slow count over the files that went in.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest

import precisionchain as pc
from precisionchain.config import SiteFolder, read_config
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.multichain import MultiChainLedger
from precisionchain.ledger.multichain_place import PASSWORD_VARIABLE, USER_VARIABLE
from precisionchain.ledger.multichain_rows import height_of
from precisionchain.ledger.opening import open_ledger
from precisionchain.schemas.streams import BATCH
from tests.functional.test_two_sites import CONCEPTS, Files, write_inputs
from tests.lib.multichain_double import MultiChainDouble
from tests.lib.typed_commands import refused, rows, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def chain() -> Iterator[MultiChainDouble]:
    with MultiChainDouble(2) as chain:
        chain.mine_every(0.15)
        named = {USER_VARIABLE: chain.user, PASSWORD_VARIABLE: chain.password}
        with mock.patch.dict(os.environ, named):
            yield chain


@pytest.fixture(scope="module")
def joined(chain: MultiChainDouble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sites A and B, each at its own node, which have both loaded an export and a VCF."""
    folder = tmp_path_factory.mktemp("joined")
    ledgers = [f"multichain:{chain.url(node)}?finality=2" for node in range(2)]
    run(folder, "init", "site_a", "--site", "A", "--build", "GRCh37", "--ledger", ledgers[0])
    token = run(folder, "init", "site_b", "--site", "B", "--ledger", ledgers[1])
    run(folder, "-C", "site_a", "admit", token.strip())
    for site in "AB":
        write_inputs(folder, site)
        at = ("-C", f"site_{site.lower()}", "ingest")
        run(folder, *at, "omop", f"omop_{site}")
        vcf = (f"{site}.vcf", "--samples", f"{site}_map.csv", "--build", "GRCh37")
        run(folder, *at, "vcf", *vcf, "--qc", "none")
    return folder


def manifests(site: Path) -> int:
    """How many items of batches a site sees on the chain."""
    folder = SiteFolder(site)
    with closing(open_ledger(read_config(folder).ledger, base=site)) as ledger:
        return sum(1 for _ in family_items(ledger, BATCH))


def test_both_loads_are_there_once_and_name_their_site(joined: Path) -> None:
    conditions = list(Files(joined).conditions())
    for asking in ("site_a", "site_b"):
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


def test_a_question_is_on_the_log_once_it_is_final(joined: Path, chain: MultiChainDouble) -> None:
    run(joined, "-C", "site_b", "query", "person", "B:299")
    chain.mine(2)
    saw = rows(joined, "-C", "site_b", "audit", "who-saw", "B:299")
    assert [row["user"] for row in saw if row["operation"] == "person"] == ["admin@B"]


def test_everybody_verifies_everything(joined: Path) -> None:
    for site in ("site_a", "site_b"):
        checks = rows(joined, "-C", site, "verify")
        assert [check for check in checks if not check["ok"] or check["findings"]] == []


def test_loading_the_same_again_writes_nothing(joined: Path) -> None:
    before = manifests(joined / "site_b")
    run(joined, "-C", "site_a", "ingest", "omop", "omop_A")
    assert manifests(joined / "site_b") == before


def late_rows(folder: Path) -> int:
    """How many rows of the first concept site B's node answers with."""
    return len(rows(folder, "-C", "site_b", "query", "domain", str(CONCEPTS[0])))


def test_a_fork_deeper_than_what_was_final_is_told_and_mended(
    joined: Path, chain: MultiChainDouble
) -> None:
    before = late_rows(joined)
    load = ("-C", "site_a", "ingest", "omop", "omop_B", "--source", "late")
    run(joined, *load)
    with_late = late_rows(joined)
    assert with_late > before
    site = joined / "site_a"
    with closing(open_ledger(read_config(SiteFolder(site)).ledger, base=site)) as ledger:
        assert isinstance(ledger, MultiChainLedger)
        seal = list(ledger.items("BATCH_1"))[-1]
        (txid,) = {
            row.txid
            for row, _ in ledger._index.rows("BATCH_1", None, seal.position - 1, seal.position)
        }
    chain.pause_mining()
    depth = chain.nodes[0].height - height_of(seal.position) + 1
    assert txid in chain.reorganise(depth, drop=[txid])
    chain.pause_mining(paused=False)

    line = refused(joined, 8, "-C", "site_b", "query", "domain", str(CONCEPTS[0]))
    assert "before you" in line  # compare with another member's ledger before you trust it
    for name in ("site_a", "site_b"):
        for remembered in ("replica", "checkpoints"):
            shutil.rmtree(joined / name / remembered, ignore_errors=True)
    assert late_rows(joined) == before
    run(joined, *load)
    assert late_rows(joined) == with_late


def test_a_removed_site_cannot_write(joined: Path) -> None:
    run(joined, "-C", "site_a", "revoke", "B")
    line = refused(joined, 6, "-C", "site_b", "query", "domain", str(CONCEPTS[0]))
    assert "removed" in line
