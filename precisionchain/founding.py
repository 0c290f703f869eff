"""Founding: a new site folder, its keys, and the network on its ledger."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from precisionchain.config import SiteConfig, SiteFolder, write_config
from precisionchain.errors import SiteError, SiteExistsError, UsageError
from precisionchain.ledger.opening import create_network
from precisionchain.ledger.signing import generate_key
from precisionchain.schemas.ancestors import default_ancestors, read_ancestors
from precisionchain.schemas.founding import founding_streams
from precisionchain.schemas.genome import fold_build
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.parameters import NetworkParameters, new_nonce

FIRST_CODE = "a0"
"""The founder's two characters in names of streams it opens."""
_SITE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}")
_UNATTRIBUTED = frozenset({"cost", "fact_relationship", "cohort", "cohort_attribute"})
"""Tables whose rows are about persons but name none by person_id: nobody could find them by person,
audit them or withdraw them, so they are staged and never published."""


def found(path: Path, *, site: str, build: str, ancestors: str | Path | None, ledger: str) -> None:
    """Make a site folder: whole, or not at all.

    Args:
        path: the folder; it must not exist, or be empty.
        site: the site's name.
        build: the network's reference build.
        ancestors: CSV of chosen ancestors; None for the built-in list.
        ledger: URL, relative to the folder.

    Raises:
        SiteExistsError: the folder is a site already.
        SiteError: the folder holds something else.
        UsageError: a site name that cannot be.
    """
    folder = SiteFolder(path)
    if folder.config.exists():
        raise SiteExistsError(f"{path} is a site already")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise SiteError(f"{path} exists and is not an empty folder", hint="name a new one")
    if not _SITE.fullmatch(site):
        raise UsageError(
            f"{site!r} cannot name a site",
            hint="a letter, then at most 15 letters, digits or dashes",
        )
    parameters = founding_parameters(build, ancestors)
    partial = SiteFolder(path.absolute().with_name(f".{path.absolute().name}.partial"))
    shutil.rmtree(partial.root, ignore_errors=True)
    try:
        partial.root.mkdir(parents=True)
        _fill(partial, site, ledger, parameters)
        partial.root.replace(path)
    finally:
        shutil.rmtree(partial.root, ignore_errors=True)


def founding_parameters(build: str, ancestors: str | Path | None) -> NetworkParameters:
    """Return the parameters of a new network, all but build and ancestors at their defaults."""
    prefixes = [table.domain_prefix for table in TABLES.values() if table.domain_prefix]
    chosen = (
        default_ancestors(prefixes)
        if ancestors is None
        else read_ancestors(Path(ancestors), prefixes)
    )
    published = {
        table.name: table.published_columns
        for table in TABLES.values()
        if table.scope != "vocabulary"
        and table.published_columns
        and table.name not in _UNATTRIBUTED
    }
    return NetworkParameters(
        nonce=new_nonce(), build=fold_build(build), ancestors=chosen, published=published
    )


def _fill(folder: SiteFolder, site: str, ledger: str, parameters: NetworkParameters) -> None:
    user = f"admin@{site}"
    create_network(
        ledger,
        parameters.body(),
        signer=generate_key(folder.site_key),
        user_key=generate_key(folder.user_key(user)).public_key,
        user=user,
        site=site,
        code=FIRST_CODE,
        streams=founding_streams(parameters),
        base=folder.root,
    )
    write_config(folder, SiteConfig(site, FIRST_CODE, ledger, user))
