"""``verify`` compares the address an item was written from with those its site's record names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from precisionchain.ingest.outbox import signed_manifest
from precisionchain.ledger.base import LedgerItem
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.records import Member, member_item, network_id, parameters_item
from precisionchain.ledger.signing import Signer
from precisionchain.verification.rights import check_signatures
from precisionchain.verification.scan import scan_ledger
from tests.lib.batches import unsealed
from tests.lib.memory_ledger import MemoryLedger

A = Signer(bytes([1]) * 32)
FIRST = parameters_item(b'{"format":1}', A)
NETWORK = network_id(FIRST)


class AddressedLedger(MemoryLedger):
    """Says of every item that it was written from one address."""

    address = ""

    def items(self, *arguments: Any, **named: Any) -> Iterator[LedgerItem]:
        found = super().items(*arguments, **named)
        return (replace(each, address=self.address) for each in found)


@pytest.mark.parametrize(
    ("address", "findings"),
    [
        ("", []),
        ("1publish", []),
        ("1access", []),
        ("1stranger", ["written from an address that is not its site's"]),
    ],
)
def test_a_seal_is_written_from_an_address_of_its_site(address: str, findings: list[str]) -> None:
    ledger = AddressedLedger()
    ledger.create_streams(["NETWORK_1", "BATCH_1", "ACCESS_1"])
    addresses = {"publish": "1publish", "access": "1access", "admin": "1admin"}
    member = Member("A", "a0", *A.public, admin=True, addresses=addresses)
    for item in (FIRST, member_item(member, A, NETWORK), signed_manifest(unsealed(), A, NETWORK)):
        ledger.publish(ledger.prepare([item]))
    ledger.address = address

    check = check_signatures(ledger, scan_ledger(ledger, NETWORK), LiveMembership(ledger))
    assert [found.message for found in check.findings] == findings
