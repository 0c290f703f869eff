"""``verify`` compares who wrote each block of an embedded ledger with who was a member there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from precisionchain.ledger.changes import Revocation, change_item
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.records import (
    Member,
    member_item,
    network_id,
    parameters_item,
)
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.items import Item
from precisionchain.verification.rights import check_writers

A, B = Signer(bytes([1]) * 32), Signer(bytes([2]) * 32)
FIRST = parameters_item(b'{"format":1}', A)
NETWORK = network_id(FIRST)
DAY_0 = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Written:
    """A ledger that several keys write, each publish a block."""

    def __init__(self, path: Path) -> None:
        self.path, self.now = path, DAY_0
        EmbeddedLedger.create(path, A).close()
        with self.by(A) as ledger:
            ledger.create_streams(["NETWORK_1", "BATCH_1"])
        self.publish(A, FIRST)
        self.admit(A, "A", "a0", admin=True)

    @contextmanager
    def by(self, signer: Signer) -> Iterator[EmbeddedLedger]:
        with closing(EmbeddedLedger(self.path, signer, clock=lambda: self.now)) as ledger:
            yield ledger

    def publish(self, signer: Signer, *items: Item) -> None:
        with self.by(signer) as ledger:
            ledger.publish(ledger.prepare(items))

    def admit(
        self, key: Signer, site: str, code: str, *, admin: bool = False, until: date | None = None
    ) -> None:
        member = Member(site, code, *key.public, admin, until)
        self.publish(A, member_item(member, A, NETWORK))

    def stream(self, signer: Signer, name: str) -> None:
        with self.by(signer) as ledger:
            ledger.create_stream(name)

    def found(self) -> list[int | None]:
        with self.by(A) as ledger:
            check = check_writers(ledger, LiveMembership(ledger))
            assert check.examined == len(list(ledger.writers()))
        assert {finding.check for finding in check.findings} <= {"writers"}
        return [finding.block for finding in check.findings]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "ledger.sqlite")


def test_the_founder_begins_and_members_go_on(written: Written) -> None:
    written.admit(B, "B", "b0")
    written.stream(B, "DRUG_0_2b0")
    with written.by(A) as ledger:
        writers = list(ledger.writers())
        assert list(ledger.findings()) == []
    assert [w.block for w in writers] == [0, 1, 2, 3, 4]
    assert [w.public_key for w in writers] == [A.public_key] * 4 + [B.public_key]
    assert [w.position for w in writers] == [-1, -1, 0, 1, 2]
    assert {w.time for w in writers} == {DAY_0}
    assert written.found() == []


def test_blocks_before_admission_are_found(written: Written) -> None:
    written.stream(B, "DRUG_0_2b0")  # block 3
    written.admit(B, "B", "b0")
    written.stream(B, "DRUG_0_3b0")
    assert written.found() == [3]


def test_blocks_after_removal_are_found(written: Written) -> None:
    written.admit(B, "B", "b0")
    written.stream(B, "DRUG_0_2b0")
    written.publish(A, change_item(Revocation("B", 1), A, NETWORK))
    written.stream(B, "DRUG_0_3b0")  # block 6
    written.stream(A, "DRUG_0_4a0")
    assert written.found() == [6]


def test_a_site_writes_its_own_removal_and_nothing_after_it(written: Written) -> None:
    written.admit(B, "B", "b0", admin=True)
    written.publish(A, change_item(Revocation("A", 1), A, NETWORK))  # B goes on alone
    assert written.found() == []
    written.stream(A, "DRUG_0_2a0")  # block 5
    assert written.found() == [5]


def test_blocks_after_the_day_of_expiry_are_found(written: Written) -> None:
    written.admit(B, "B", "b0", until=DAY_0.date() + timedelta(1))
    written.now += timedelta(1)
    written.stream(B, "DRUG_0_2b0")
    written.now += timedelta(1)
    written.stream(B, "DRUG_0_3b0")  # block 5
    assert written.found() == [5]


def test_a_ledger_whose_founder_is_no_member_yet_is_the_founder_s(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(EmbeddedLedger.create(path, A)) as ledger:
        ledger.create_stream("NETWORK_1")
        ledger.publish(ledger.prepare([FIRST]))
        assert len(check_writers(ledger, LiveMembership(ledger)).findings) == 2
