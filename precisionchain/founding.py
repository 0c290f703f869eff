"""A new site folder with its keys: one that founds a network, or one that will join another's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from precisionchain.config import (
    CONFIG_NAME,
    SiteConfig,
    SiteFolder,
    require_one_path,
    write_config,
)
from precisionchain.errors import (
    JoinTokenError,
    LedgerFormatError,
    ParameterMismatchError,
    PrecisionChainError,
    SiteError,
    SiteExistsError,
    UsageError,
)
from precisionchain.ledger.admission import FIRST_CODE
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.opening import (
    create_network,
    embedded_path,
    is_embedded,
    ledger_exists,
    open_ledger,
    prepare_to_join,
)
from precisionchain.ledger.records import NO_NETWORK, SITE_NAME, first_user_name
from precisionchain.ledger.signing import generate_key
from precisionchain.schemas.ancestors import default_ancestors, read_ancestors
from precisionchain.schemas.founding import founding_streams
from precisionchain.schemas.genome import fold_build
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.parameters import NORMALISATIONS, NetworkParameters, new_nonce

DEFAULT_BUILD = "GRCh38"
_UNATTRIBUTED = frozenset({"cost", "fact_relationship", "cohort", "cohort_attribute"})
"""Tables whose rows are about persons but name none by person_id: nobody could find them by person,
audit them or withdraw them, so they are staged and never published."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """How a new network normalises variants.

    Attributes:
        steps: ``split``, then ``trim``, then ``left-align``; None for the default, or for what the
            ledger says.
        reference: the FASTA that ``left-align`` uses.
    """

    steps: tuple[str, ...] | None = None
    reference: Path | None = None


@dataclass(frozen=True, slots=True)
class SiteFiles:
    """Files of the sites that a new network extracts from every batch of genotypes."""

    kinship: Path | None = None
    pc: Path | None = None

    def digests(self, build: str) -> dict[str, str]:
        """Return the parameters that name the lists.

        Raises:
            UnreadableFileError, MetadataFormatError: a file cannot be taken.
        """
        files = {"kinship_sites_digest": self.kinship, "pc_sites_digest": self.pc}
        if not any(files.values()):
            return {}
        from precisionchain.ingest.site_list_file import read_site_list  # loads Arrow

        return {
            name: read_site_list(path, build).digest
            for name, path in files.items()
            if path is not None
        }


def make_site(
    path: Path,
    *,
    site: str,
    build: str | None,
    ancestors: str | Path | None,
    ledger: str,
    normalised: Normalised = Normalised(),
    sites: SiteFiles = SiteFiles(),
) -> bool:
    """Make a site folder, whole or not at all; return whether it founded its network.

    Where there is no ledger yet, the site founds a network on a new one. Where there is one, it
    gets its keys and waits to be admitted.

    Args:
        path: the folder; it must not exist, or be empty.
        site: the site's name.
        build: the network's reference build; None for the default, or for what the ledger says.
        ancestors: CSV of chosen ancestors; None for the built-in list, or for what the ledger says.
        ledger: URL, relative to the folder.
        normalised: how variants are normalised.
        sites: the lists of sites.

    Raises:
        SiteExistsError: the folder is a site already.
        SiteError: the folder holds something else or cannot be made, its path is a pattern, or the
            ledger would be in another site's.
        UsageError: a site name that cannot be, or that is taken in the network.
        ParameterMismatchError: build, ancestors or normalisation are not those of the ledger.
    """
    _require_free(path)
    if not SITE_NAME.fullmatch(site):
        raise UsageError(
            f"{site!r} cannot name a site",
            hint="a letter, then at most 15 letters, digits or dashes",
        )
    partial = SiteFolder(path.absolute().with_name(f".{path.absolute().name}.partial"))
    with _making(path, partial.root):
        joins = ledger_exists(ledger, partial.root)
        if not joins and _is_in_a_site(ledger, partial.root):
            raise SiteError(
                "another site's folder holds no such ledger, and none is founded there",
                where=ledger,
                hint="to join a network, --ledger names the file that its ledger is in",
            )
        if joins:
            _require_joinable(ledger, partial.root, site, build, ancestors, normalised, sites)
            generate_key(partial.site_key)
            generate_key(partial.user_key(first_user_name(site)))
            prepare_to_join(ledger, partial.root)
        else:
            parameters = founding_parameters(build or DEFAULT_BUILD, ancestors, normalised, sites)
            _found(partial, site, ledger, parameters)
        write_config(partial, SiteConfig(site, ledger, first_user_name(site)))
        partial.root.replace(path)
    return not joins


def _require_free(path: Path) -> None:
    if SiteFolder(path).config.exists():
        raise SiteExistsError(f"{path} is a site already")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise SiteError(f"{path} exists and is not an empty folder", hint="name a new one")
    require_one_path(path)


def _is_in_a_site(ledger: str, base: Path) -> bool:
    return is_embedded(ledger) and (embedded_path(ledger, base).parent / CONFIG_NAME).exists()


@contextmanager
def _making(path: Path, partial: Path) -> Iterator[None]:
    """Hold the folder that a site is made in, and say its final name of whatever goes wrong."""
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield
    except PrecisionChainError as error:
        error.message = error.message.replace(str(partial), str(path))
        error.where = error.where and error.where.replace(str(partial), str(path))
        error.hint = error.hint and error.hint.replace(str(partial), str(path))
        raise
    except OSError as error:
        raise SiteError(
            f"the site folder cannot be made: {error.strerror}",
            where=str(path),
            hint="name a new folder, where you may write",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def founding_parameters(
    build: str,
    ancestors: str | Path | None,
    normalised: Normalised = Normalised(),
    sites: SiteFiles = SiteFiles(),
) -> NetworkParameters:
    """Return the parameters of a new network; what is not named here is at its default."""
    prefixes = _prefixes()
    chosen = default_ancestors(prefixes) if ancestors is None else _ancestors(ancestors)
    published = {
        table.name: table.published_columns
        for table in TABLES.values()
        if table.scope != "vocabulary"
        and table.published_columns
        and table.name not in _UNATTRIBUTED
    }
    return NetworkParameters.model_validate(
        {
            "nonce": new_nonce(),
            "build": fold_build(build),
            "ancestors": chosen,
            "published": published,
            **_normalisation(normalised, fold_build(build)),
            **sites.digests(fold_build(build)),
        }
    )


def _normalisation(normalised: Normalised, build: str) -> dict[str, object]:
    """Return the parameters of how variants are normalised.

    Raises:
        UsageError: steps that are none, or a FASTA without a use or a use without one.
        UnreadableFileError, BuildMismatchError: the FASTA cannot be taken.
    """
    steps = normalised.steps or NORMALISATIONS[1]
    if steps not in NORMALISATIONS:
        raise UsageError(
            f"--normalise {','.join(steps)} is none", hint="split, or split,trim[,left-align]"
        )
    if ("left-align" in steps) != (normalised.reference is not None):
        raise UsageError("left-align and --reference need each other")
    if normalised.reference is None:
        return {"normalisation": steps}
    from precisionchain.ingest.fasta import Fasta

    fasta = Fasta.open(normalised.reference)
    return {"normalisation": steps, "reference": fasta.digests_of(build)}


def _prefixes() -> list[str]:
    return [table.domain_prefix for table in TABLES.values() if table.domain_prefix]


def _ancestors(path: str | Path) -> Mapping[str, tuple[int, ...]]:
    return read_ancestors(Path(path), _prefixes())


def _found(folder: SiteFolder, site: str, ledger: str, parameters: NetworkParameters) -> None:
    user = first_user_name(site)
    create_network(
        ledger,
        parameters.body(),
        signer=generate_key(folder.site_key),
        user_keys=generate_key(folder.user_key(user)).public,
        user=user,
        site=site,
        code=FIRST_CODE,
        streams=founding_streams(parameters),
        base=folder.root,
    )


def _require_joinable(  # noqa: PLR0917
    ledger: str,
    base: Path,
    site: str,
    build: str | None,
    ancestors: str | Path | None,
    normalised: Normalised,
    sites: SiteFiles,
) -> None:
    """Check that a site of this name could join the network on a ledger.

    Raises:
        LedgerFormatError: the ledger holds no network.
        ParameterMismatchError: build, ancestors or normalisation are not those of the ledger.
        JoinTokenError: the name is taken.
    """
    with closing(open_ledger(ledger, base=base)) as opened:
        membership = LiveMembership(opened)
        if membership.network == NO_NETWORK:
            raise LedgerFormatError(
                "the ledger holds no network to join",
                where=ledger,
                hint="--ledger names the file that the network's ledger is in",
            )
        parameters = NetworkParameters.from_body(membership.parameters_body)
        if build is not None:
            parameters.require(build=fold_build(build))
        if normalised != Normalised():
            said = _normalisation(normalised, parameters.build)
            parameters.require(**said)
        parameters.require(**sites.digests(parameters.build))
        if ancestors is not None and dict(parameters.ancestors) != dict(_ancestors(ancestors)):
            raise ParameterMismatchError(
                "the chosen ancestors are not those on the ledger",
                hint="leave --ancestors out: a joining site takes the network's",
            )
        if membership.is_taken(site):
            raise JoinTokenError(
                f"the name {site} is, or was, another site's in this network",
                hint="choose another --site",
            )
