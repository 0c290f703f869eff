"""Who wrote blocks and who signed items, against who was a member or user there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final

from precisionchain.access.log import AccessLog
from precisionchain.ledger.base import Finding, Ledger, LedgerItem
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.judging import COMPROMISED
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import NETWORK_STREAM, Member
from precisionchain.ledger.signing import is_signed
from precisionchain.schemas.items import ItemClass
from precisionchain.schemas.streams import ACCESS, BATCH, CHECKPOINT, NETWORK
from precisionchain.verification.check import Check
from precisionchain.verification.scan import LedgerScan

COMPROMISED_KEYS: Final = "compromised-keys"


def check_writers(ledger: Ledger, membership: Membership) -> Check:
    """Check that each block was written by a site that was a member then, or by the founder.

    The founder's blocks before the record that makes it a member are the network's beginning.
    """
    check = Check("writers")
    founding = membership.member(membership.founder)
    began = -1 if founding is None else founding.since
    for writer in ledger.writers():
        check.examined += 1
        founds = writer.public_key == membership.founder and writer.position < began
        if not founds and not membership.site_at(
            writer.public_key, writer.position + 1, writer.time
        ):
            found = Finding(check.name, "written by a key that was no member's", block=writer.block)
            check.findings.append(found)
    return check


def check_signatures(ledger: Ledger, scan: LedgerScan, membership: Membership) -> Check:
    """Check that every single item is signed by someone who could say it where it stands."""
    check = Check("signatures", len(membership.members()) + len(membership.users()) + 1)
    check.findings.extend(one for one in membership.findings if one.check != COMPROMISED)
    if len(membership.lasting_administrators()) < 2:
        check.note = "one administrator without an expiry date, and no second: see `members`"
    for found in family_items(ledger, NETWORK):
        if found.item.stream != NETWORK_STREAM:
            check.find("a record in another stream than readers look at", found)
    for found in (*scan.manifests, *family_items(ledger, ACCESS)):
        if found.item.item_class is ItemClass.SINGLE:
            check.examined += 1
            if membership.is_doubtful(found) and is_signed(found.item, membership.network):
                continue  # told apart: `check_compromised`
            if not membership.is_entitled(found):
                check.find("not signed by a member or user entitled to it", found)
            elif not _is_from_own_address(membership, found):
                check.find("written from an address that is not its site's", found)
    for found in scan.elsewhere:
        if found.item.item_class is not ItemClass.SINGLE:
            check.find("a batch item where single items stand: no reader takes it", found)
        elif found.item.stream.startswith(BATCH):
            check.find("a single item that seals nothing", found)
    return check


def check_compromised(ledger: Ledger, scan: LedgerScan, membership: Membership) -> Check:
    """Tell what keys signed from where on they are declared compromised.

    Advisory: the declaration is the remedy. Readers take none of it but questions, which had been
    answered by then; those are here so that they are looked at.
    """
    check = Check(COMPROMISED_KEYS, advisory=True)
    check.findings.extend(one for one in membership.findings if one.check == COMPROMISED)
    kept = (family_items(ledger, family) for family in (ACCESS, CHECKPOINT))
    for found in chain(scan.manifests, *kept):
        doubtful = found.item.item_class is ItemClass.SINGLE and membership.is_doubtful(found)
        if doubtful and is_signed(found.item, membership.network):
            asked = membership.is_entitled(found)
            said = "asked with" if asked else "signed with"
            check.find(f"{said} a key declared compromised from before here", found)
    check.examined = len(check.findings)
    return check


def _is_from_own_address(membership: Membership, found: LedgerItem) -> bool:
    """Return whether an entitled item was written from an address that its site ever had.

    Ledgers without addresses keep none with an item, and the founder of a chain of ours has some.
    """
    if not found.address:
        return True
    user = membership.user_at(found)
    names = {user.site} if user else set()
    own = membership.member_at(found)
    if own is not None:
        names.add(own.site)
    return any(
        found.address in one.addresses.values()
        for member in membership.members()
        if member.site in names
        for one in _as_it_ever_stood(member)
    )


def _as_it_ever_stood(member: Member | None) -> Iterator[Member]:
    while member is not None:
        yield member
        member = member.before


def check_access(ledger: Ledger, membership: Membership) -> Check:
    """Check that every outcome in the access log belongs to a request by the same user."""
    log = AccessLog(ledger, membership)
    check = Check("access-log", sum(1 for _ in log.questions()))
    check.findings.extend(log.findings())
    return check
