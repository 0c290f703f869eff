"""A network's list of sites as a batch, which any member may publish: its digest proves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from precisionchain.errors import ParameterMismatchError
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.outbox import Outbox
from precisionchain.ingest.report import Advance, Step, silent
from precisionchain.ingest.send import Published
from precisionchain.ingest.site_list_file import SiteList
from precisionchain.ingest.small_batches import seal_small, small_manifest
from precisionchain.schemas.manifest import NO_PARENT
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.site_lists import KINSHIP, LIST_KIND, PC, SOURCE_PREFIX, list_payloads
from precisionchain.schemas.streams import SITE_LISTS

if TYPE_CHECKING:
    from precisionchain.ingest.publish import Publisher


def digests_of(parameters: NetworkParameters) -> dict[str, str]:
    """Return the digests of the lists that a network has, by name."""
    digests = {KINSHIP: parameters.kinship_sites_digest, PC: parameters.pc_sites_digest}
    return {name: digest for name, digest in digests.items() if digest is not None}


def publish_site_list(
    publisher: Publisher,
    outbox: Outbox,
    listed: SiteList,
    *,
    step: Step = silent,
    advance: Advance | None = None,
) -> Published:
    """Seal a list that the network's parameters name, unless this site has.

    Args:
        publisher: the site.
        outbox: its outbox, with nothing unfinished.
        listed: the list.
        step: called with a line a step.
        advance: called with (bytes sent, bytes in all).

    Raises:
        ParameterMismatchError: the network has no such list.
    """
    digest = listed.digest
    names = [name for name, known in digests_of(publisher.parameters).items() if known == digest]
    if not names:
        known = ", ".join(f"{n} {d[:16]}" for n, d in digests_of(publisher.parameters).items())
        raise ParameterMismatchError(
            f"the list has the digest {digest[:16]}, which the network's parameters do not name",
            hint=f"they name {known or 'no list'}; lists are fixed when a network is founded",
        )
    name = names[0]
    source = f"{SOURCE_PREFIX}{name}"
    head = publisher.history().head(source)
    if head is not None:
        return Published(head.manifest.batch, source, head.manifest.items, 0, 0)
    said = {"sites": {name: {"digest": digest, "listed": len(listed.sites)}}}
    manifest = small_manifest(publisher, LIST_KIND, (source, digest, NO_PARENT), {"settings": said})
    step(f"encode {len(listed.sites)} {name} sites")
    drafts = _drafts(listed, name, digest)
    return seal_small(publisher, outbox, manifest, drafts, step=step, advance=advance)


def _drafts(listed: SiteList, name: str, digest: str) -> Iterator[Draft]:
    for payload in list_payloads(listed.sites, name, digest, oriented=listed.oriented):
        yield Draft(SITE_LISTS, (), payload)
