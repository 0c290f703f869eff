"""From a URL to a ledger: ``embedded:PATH``, relative to the site folder; later ``multichain:``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from precisionchain.errors import LedgerError, LedgerUnavailableError
from precisionchain.ledger.base import Ledger
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
from precisionchain.schemas.roles import ROLES


def open_ledger(url: str, signer: Signer | None = None, base: Path | None = None) -> Ledger:
    """Open the ledger at a URL; without a signer for reading only.

    Args:
        url: ``embedded:PATH``.
        signer: signs the blocks that are written.
        base: the folder that a relative PATH starts from; the current one when None.

    Raises:
        LedgerError: a URL of another kind.
        LedgerUnavailableError, LedgerFormatError: see ``EmbeddedLedger``.
    """
    return EmbeddedLedger(embedded_path(url, base), signer)


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

    The ledger appears under its name complete or not at all.

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
    path = embedded_path(url, base)
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
            founder = Member(site, code, *signer.public, admin=True)
            network = _begin(
                ledger, parameters_body, founder, User(user, site, *user_keys, ROLES), signer
            )
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
    """Publish a network's first three records; return its id.

    Raises:
        LedgerError: readers would not accept them.
    """
    parameters = parameters_item(parameters_body, signer)
    network = network_id(parameters)
    for item in (
        parameters,
        member_item(founder, signer, network),
        user_item(first, signer, network),
    ):
        ledger.publish(ledger.prepare([item]))
    for finding in Membership.fold(ledger.items(NETWORK_STREAM)).findings:
        raise LedgerError(f"a network cannot begin like this: {finding.message}")
    return network


def ledger_exists(url: str, base: Path | None = None) -> bool:
    """Return whether there is a ledger at a URL, or something else that keeps one from being made.

    Raises:
        LedgerError: a URL of another kind.
    """
    return embedded_path(url, base).exists()


def embedded_path(url: str, base: Path | None = None) -> Path:
    """Return the path in an ``embedded:`` URL.

    Raises:
        LedgerError: a URL of another kind.
    """
    kind, colon, rest = url.partition(":")
    if kind == "multichain" and colon:
        # The address is not repeated: it may hold a password.
        raise LedgerError("MultiChain ledgers are not in this version", hint="use embedded:PATH")
    if kind != "embedded" or not rest:
        raise LedgerError("that is no URL of a ledger", hint="use embedded:PATH")
    return (base or Path()) / rest
