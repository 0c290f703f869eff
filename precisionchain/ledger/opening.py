"""From a URL to a ledger: ``embedded:PATH``, relative to the site folder, or ``multichain:URL``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.errors import LedgerError, LedgerUnavailableError
from precisionchain.ledger.base import Ledger, settle
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.new_file import place_new
from precisionchain.ledger.records import (
    NETWORK_STREAM,
    Member,
    User,
    member_item,
    network_id,
    parameters_item,
    user_item,
)
from precisionchain.ledger.signing import PublicKeys, Signer
from precisionchain.schemas.items import Item
from precisionchain.schemas.roles import ROLES

if TYPE_CHECKING:
    from precisionchain.ledger.multichain import MultiChainLedger

_FORMS = "use embedded:PATH or multichain:http://HOST:PORT"


def open_ledger(url: str, signer: Signer | None = None, base: Path | None = None) -> Ledger:
    """Open the ledger at a URL; without a signer for reading only.

    Args:
        url: ``embedded:PATH``, or ``multichain:http://HOST:PORT`` (``multichain_place``).
        signer: signs the blocks that are written to an embedded ledger.
        base: the site folder: a relative PATH starts from it (the current one when None), and a
            MultiChain's addresses and index are in it.

    Raises:
        LedgerError: a URL of another kind, or the extra ``multichain`` is not installed.
        LedgerUnavailableError, LedgerFormatError: see ``EmbeddedLedger`` and ``NodeClient``.
    """
    if is_embedded(url):
        return EmbeddedLedger(embedded_path(url, base), signer)
    return _multichain(url, base)


def is_embedded(url: str) -> bool:
    """Return whether a URL is of an embedded ledger, in a file, rather than of a MultiChain.

    Raises:
        LedgerError: a URL of another kind.
    """
    kind, colon, rest = url.partition(":")
    if kind not in {"embedded", "multichain"} or not colon or not rest:
        raise LedgerError("that is no URL of a ledger", hint=_FORMS)
    return kind == "embedded"


def _multichain(url: str, base: Path | None) -> MultiChainLedger:
    try:
        from precisionchain.ledger.multichain import MultiChainLedger
    except ModuleNotFoundError as error:
        if error.name not in {"mcrpc", "requests"}:
            raise
        raise LedgerError(
            "MultiChain ledgers need the extra multichain",
            hint="pip install 'precisionchain[multichain]'",
        ) from error
    return MultiChainLedger(url, base)


def prepare_to_join(url: str, base: Path) -> None:
    """Make what a site needs of its own to write to an existing ledger: on a chain, addresses.

    Raises:
        LedgerError: as ``open_ledger``.
    """
    if not is_embedded(url):
        with closing(_multichain(url, base)) as ledger:
            ledger.make_addresses()


def create_network(
    url: str,
    parameters_body: bytes,
    *,
    signer: Signer,
    site: str,
    code: str,
    user: str,
    user_keys: PublicKeys,
    streams: Sequence[str],
    base: Path | None = None,
) -> bytes:
    """Create a ledger with its streams, parameters, founder and first user; return its network id.

    An embedded ledger appears under its name complete or not at all. On a chain, what a broken
    attempt left is completed: there is a network once its parameters are final.

    Args:
        url: where, as for ``open_ledger``.
        parameters_body: canonical JSON of the network's parameters.
        signer: the founder's site key.
        site: the founder's name.
        code: two of a-z and 0-9, in the names of streams that the founder opens.
        user: the first user, ``someone@SITE``.
        user_keys: the user's public keys.
        streams: bucket 1 of every stream, ``NETWORK_1`` among them.
        base: as for ``open_ledger``.

    Raises:
        LedgerUnavailableError: there is a ledger already, or it cannot be written.
        LedgerError: readers would not accept the founder or the user as they are named.
    """
    founder = Member(site, code, *signer.public, admin=True)
    first = User(user, site, *user_keys, ROLES)
    if is_embedded(url):
        path = embedded_path(url, base)
        return _found_in_file(path, parameters_body, founder, first, signer=signer, streams=streams)
    with closing(_multichain(url, base)) as chain:
        chain.found()
        there = {name.casefold() for name in chain.streams()}
        chain.create_streams([name for name in streams if name.casefold() not in there])
        founder = replace(founder, addresses=chain.addresses())
        return _begin_at_once(chain, parameters_body, founder, first, signer)


def _found_in_file(
    path: Path,
    parameters_body: bytes,
    founder: Member,
    first: User,
    *,
    signer: Signer,
    streams: Sequence[str],
) -> bytes:
    """Make an embedded ledger that a network begins in; see `create_network`."""
    if not path.parent.is_dir():
        raise LedgerUnavailableError(
            "there is no folder for the ledger to be in",
            where=str(path),
            hint="make the folder, or correct --ledger",
        )
    partial = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        partial.unlink(missing_ok=True)
        with closing(EmbeddedLedger.create(partial, signer)) as ledger:
            ledger.create_streams(streams)
            network = _begin(ledger, parameters_body, founder, first, signer)
        place_new(partial, path)
    except LedgerError as error:
        error.where = str(path)
        raise
    except FileExistsError as error:
        raise LedgerUnavailableError("there is a ledger already", where=str(path)) from error
    except OSError as error:
        raise LedgerUnavailableError(
            f"the ledger cannot be made: {error.strerror}", where=str(path)
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return network


def _begin(
    ledger: Ledger, parameters_body: bytes, founder: Member, first: User, signer: Signer
) -> bytes:
    """Publish a network's first three records, each in a block; return its id.

    Raises:
        LedgerError: readers would not accept them.
    """
    records = _first_records(parameters_body, founder, first, signer)
    for item in records:
        ledger.publish(ledger.prepare([item]))
    _require_begun(ledger)
    return network_id(records[0])


def _begin_at_once(
    ledger: Ledger, parameters_body: bytes, founder: Member, first: User, signer: Signer
) -> bytes:
    """Do the same in one publish, which keeps the records' order, and wait until it is final."""
    records = _first_records(parameters_body, founder, first, signer)
    ledger.publish(ledger.prepare(records))
    for item in records:
        settle(ledger, item.publisher, item.batch_id)
    _require_begun(ledger)
    return network_id(records[0])


def _first_records(
    parameters_body: bytes, founder: Member, first: User, signer: Signer
) -> tuple[Item, Item, Item]:
    parameters = parameters_item(parameters_body, signer)
    network = network_id(parameters)
    return (
        parameters,
        member_item(founder, signer, network),
        user_item(first, signer, network),
    )


def _require_begun(ledger: Ledger) -> None:
    for finding in Membership.fold(ledger.items(NETWORK_STREAM)).findings:
        raise LedgerError(f"a network cannot begin like this: {finding.message}")


def ledger_exists(url: str, base: Path | None = None) -> bool:
    """Return whether there is a ledger at a URL, or something else that keeps one from being made.

    A chain without a network's parameters is none yet.

    Raises:
        LedgerError: a URL of another kind.
        LedgerUnavailableError: the chain's node does not answer.
    """
    if is_embedded(url):
        return embedded_path(url, base).exists()
    with closing(_multichain(url, base)) as chain:
        if NETWORK_STREAM not in chain.streams():
            return False
        return next(chain.items(NETWORK_STREAM, limit=1), None) is not None


def embedded_path(url: str, base: Path | None = None) -> Path:
    """Return the path in an ``embedded:`` URL.

    Raises:
        LedgerError: a URL of another kind.
    """
    if not is_embedded(url):
        raise LedgerError("that ledger is in no file", hint="use embedded:PATH")
    return (base or Path()) / url.partition(":")[2]
