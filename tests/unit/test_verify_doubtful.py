"""``verify`` tells once of each question that was asked with a key declared compromised since."""

from __future__ import annotations

from precisionchain.access.evaluated import evaluated_value
from precisionchain.ledger.changes import Declaration, change_item
from precisionchain.verification.rights import check_compromised, check_signatures
from precisionchain.verification.scan import scan_ledger
from tests.lib.audited_network import AuditedNetwork, key


def test_questions_by_a_key_declared_compromised_are_told_and_stay_counted() -> None:
    net = AuditedNetwork()
    for user in ("ada@A", "bob@B"):
        net.add_user(user)
    ada, bob = net.gate("ada@A"), net.gate("bob@B")
    ada.ask("domain", "clinical", {}, lambda: evaluated_value(1))
    before = net.ledger.head().position
    ada.ask("domain", "clinical", {}, lambda: evaluated_value(2))
    bob.ask("domain", "clinical", {}, lambda: evaluated_value(3))
    declared = Declaration("ada@A", 1, key("ada@A").public_key, before + 1)
    net.publish(change_item(declared, key("A"), net.network))

    scan = scan_ledger(net.ledger, net.network)
    assert not check_signatures(net.ledger, scan, net.membership()).findings
    check = check_compromised(net.ledger, scan, net.membership())
    told = [(found.message, found.position) for found in check.findings]
    message = "asked with a key declared compromised from before here"
    assert check.ok  # the declaration is the remedy: it is told, and nothing is left to mend
    assert told == [(message, before + 1), (message, before + 2)]
