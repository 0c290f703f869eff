"""A network on any ledger, whose sites take drawn tables and answer questions.

Everything but the making of the network is the package's own code: `Site` stages, validates,
publishes and syncs, `Network` asks through the gate. Only ``Site.init`` is replaced, because it
makes embedded ledgers alone; what it writes is written here the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

import polars as pl

from precisionchain.config import SiteConfig, SiteFolder, write_config
from precisionchain.founding import founding_parameters
from precisionchain.ingest.report import Ingested
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.records import (
    NO_NETWORK,
    Member,
    User,
    member_item,
    network_id,
    parameters_item,
    user_item,
)
from precisionchain.ledger.signing import Signer, generate_key, load_key
from precisionchain.network import Network
from precisionchain.opened import OpenSite
from precisionchain.replica.as_of import Moment
from precisionchain.schemas.founding import founding_streams
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.roles import ROLES
from precisionchain.site import Site
from tests.lib.ledger_places import LedgerPlace
from tests.lib.omop_builder import write_csv, write_omop
from tests.lib.tables import drawn

Settings = Mapping[str, Any]


class BuiltNetwork:
    """A network on a ledger, founded by site ``A``; other sites join when first named.

    Args:
        folder: an empty folder for sites, inputs and the ledger.
        place: the ledger.
        ancestors: a drawn table of chosen ancestors, ``domain | concept_id``; default: built-in.
        settings: network parameters that differ from the defaults.
        genetic: whether there are streams for genotypes, three quarters of all.
    """

    def __init__(
        self,
        folder: Path,
        place: LedgerPlace,
        *,
        ancestors: str | None = None,
        settings: Settings | None = None,
        genetic: bool = False,
    ) -> None:
        self.folder, self.place = folder, place
        self._sites: dict[str, BuiltSite] = {}
        self._network = NO_NETWORK
        self._founder = self._new_site("A", "a0")
        self.parameters = self._parameters(ancestors).model_copy(update=dict(settings or {}))
        ledger = place.open(self._founder.signer)
        names = founding_streams(self.parameters)
        ledger.create_streams([name for name in names if genetic or not _is_genetic(name)])
        first = parameters_item(self.parameters.body(), self._founder.signer)
        ledger.publish(ledger.prepare([first]))
        self._network = network_id(first)
        self._admit(ledger, self._founder)
        ledger.close()

    def site(self, name: str = "A") -> BuiltSite:
        """Return a site, admitted by the founder when it is new."""
        if name not in self._sites:
            joining = self._new_site(name, f"{name.lower()[0]}{len(self._sites)}")
            ledger = self.place.open(self._founder.signer)
            self._admit(ledger, joining)
            ledger.close()
        return self._sites[name]

    def stranger(self, name: str, code: str = "zz") -> BuiltSite:
        """Return a site that nobody has admitted."""
        return self._new_site(name, code)

    def revoke(self, name: str) -> None:
        """Remove a site, by the founder."""
        self.founder.site.revoke(name)

    @property
    def id(self) -> bytes:
        """The network's id."""
        return self._network

    @property
    def founder(self) -> BuiltSite:
        """Site ``A``."""
        return self._founder

    def ledger(self) -> Ledger:
        """Open the ledger, to look at what is on it."""
        return self.place.open(self._founder.signer)

    def _parameters(self, ancestors: str | None) -> NetworkParameters:
        path = None
        if ancestors is not None:
            path = write_csv(self.folder / "ancestors.csv", drawn(ancestors))
        return founding_parameters("GRCh37", path)

    def _new_site(self, name: str, code: str) -> BuiltSite:
        folder = SiteFolder(self.folder / f"site_{name.lower()}")
        folder.root.mkdir()
        config = SiteConfig(name, "embedded:elsewhere", f"admin@{name}")
        write_config(folder, config)
        self._sites[name] = BuiltSite(
            folder,
            config,
            (generate_key(folder.site_key), generate_key(folder.user_key(config.user))),
            self.place,
            code,
        )
        return self._sites[name]

    def _admit(self, ledger: Ledger, site: BuiltSite) -> None:
        name, user_keys = site.config.site, site.user_signer.public
        founds = site is self._founder
        member = Member(name, site.code, *site.signer.public, admin=founds)
        items = [
            member_item(member, self._founder.signer, self._network),
            user_item(User(site.config.user, name, *user_keys, ROLES), site.signer, self._network),
        ]
        ledger.publish(ledger.prepare(items))


class BuiltSite:
    """A site of a `BuiltNetwork`: work, questions and upkeep, a line each."""

    def __init__(
        self,
        folder: SiteFolder,
        config: SiteConfig,
        keys: tuple[Signer, Signer],
        place: LedgerPlace,
        code: str,
    ) -> None:
        self.folder, self.config, self.code = folder, config, code
        self.signer, self.user_signer = keys
        self._place = place
        self._inputs = 0

    @cached_property
    def site(self) -> Site:
        """The door for work."""
        return _SiteOn(self.folder.root, self._place)

    def as_user(self, name: str) -> Site:
        """The door for work, for another user of the site."""
        return _SiteOn(self.folder.root, self._place, name)

    @contextmanager
    def network(self, user: str | None = None, *, as_of: Moment | None = None) -> Iterator[Network]:
        """Open the door for questions."""
        with Network(open_on(self._place, self.folder.root, user), as_of=as_of) as network:
            yield network

    # --------------------------------------------------------------------------------- work

    def ingest(self, text: str, *, source: str = "ehr", allow_shrinking: bool = False) -> Ingested:
        """Ingest the OMOP tables that a text draws."""
        return self.site.ingest_omop(
            write_omop(self.new_folder(), text), source=source, allow_shrinking=allow_shrinking
        )

    def ingest_files(self, *, source: str = "ehr", **files: str | bytes) -> Ingested:
        """Ingest OMOP files of these contents, each named by its table."""
        folder = self.new_folder()
        for table, content in files.items():
            stored = content if isinstance(content, bytes) else content.encode()
            (folder / f"{table}.csv").write_bytes(stored)
        return self.site.ingest_omop(folder, source=source)

    def new_folder(self) -> Path:
        """Return a new folder for input files."""
        self._inputs += 1
        folder = self.folder.root.parent / f"inputs_{self.config.site}_{self._inputs}"
        folder.mkdir()
        return folder

    # ---------------------------------------------------------------------------- questions

    def domain(
        self,
        concept: int,
        *,
        table: str | None = None,
        since: date | str | None = None,
        until: date | str | None = None,
        descendants: bool = True,
    ) -> pl.DataFrame:
        """Ask for the rows of a concept."""
        with self.network() as network:
            return network.domain(
                concept, table=table, since=since, until=until, descendants=descendants
            )

    def person(self, person: str | int, *, table: str | None = None) -> dict[str, pl.DataFrame]:
        """Ask for a person's record."""
        with self.network() as network:
            return network.person(person, table=table)

    def entries(self) -> pl.DataFrame:
        """Read the access log, without what reading it adds."""
        with self.network() as network:
            answer = network.audit.entries()
        return answer.filter(pl.col("operation") != "audit-entries")


class _SiteOn(Site):
    """A `Site` whose ledger is at a place."""

    def __init__(self, path: Path, place: LedgerPlace, user: str | None = None) -> None:
        super().__init__(path, user=user)
        self._place = place

    @contextmanager
    def _opened(self) -> Iterator[OpenSite]:
        opened = open_on(self._place, self.folder.root, self.user)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def without_scruples(site: BuiltSite, user: str | None = None) -> Iterator[None]:
    """Let a site's program do what its keys no longer, or never, may: a changed program."""
    name = user or site.config.user
    keys = load_key(site.folder.user_key(name)).public
    believes = Member(site.config.site, site.code, *site.signer.public, admin=True)
    asks = User(name, site.config.site, *keys, ROLES)
    with (
        mock.patch("precisionchain.opened.site_now", return_value=believes),
        mock.patch("precisionchain.opened.user_now", return_value=asks),
        mock.patch("precisionchain.access.gate.user_now", return_value=asks),
    ):
        yield


def _is_genetic(stream: str) -> bool:
    return stream.startswith(("VAR", "CNT_", "MAF_", "MAP_VARIANT", "MAP_SAMPLE", "ASSAY"))


def open_on(place: LedgerPlace, root: Path, user: str | None = None) -> OpenSite:
    """Open a site folder with the ledger of a place instead of the one its settings name."""

    def opener(_url: str, *, signer: Signer, base: Path) -> Ledger:
        return place.open(signer)

    with mock.patch("precisionchain.opened.open_ledger", opener):
        return OpenSite(root, user)
