"""Network parameters: the settings that shape stored data, the first item on every ledger."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from precisionchain.errors import LedgerFormatError, ParameterMismatchError
from precisionchain.schemas.canonical import canonical_json, parse_canonical
from precisionchain.schemas.items import FORMAT

Positive = Annotated[int, Field(gt=0)]

DEFAULT_MAF_EDGES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)

NORMALISATIONS = (("split",), ("split", "trim"), ("split", "trim", "left-align"))
"""What may be done to alleles before they are stored; each step needs those before it."""


class NetworkParameters(BaseModel):
    """What every member agrees on before the first batch; fixed for the life of a network.

    ``ancestors`` maps a Domain-view prefix (``CONDITION``) to its chosen ancestor concepts;
    ``published`` maps a CDM table to the columns that may leave a site. Widths are in base pairs,
    sizes in bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    nonce: str
    """16 random bytes in hex: two networks with equal settings are still two networks."""
    build: Literal["GRCh37", "GRCh38"] = "GRCh38"
    normalisation: tuple[Literal["split", "trim", "left-align"], ...] = ("split", "trim")
    reference: Mapping[str, str] = {}
    """Contig -> GA4GH refget digest of the sequence that ``left-align`` uses; else empty."""
    tile_width: Literal[16384] = 16384
    bin_width: Literal[16777216] = 16777216
    person_buckets: Positive = 20
    max_stream_items: Positive = 100_000
    max_stream_bytes: Positive = 4 * 2**30
    max_item_bytes: Positive = 2 * 2**20
    maf_edges: tuple[float, ...] = DEFAULT_MAF_EDGES
    ancestors: Mapping[str, tuple[int, ...]]
    published: Mapping[str, tuple[str, ...]]
    kinship_sites_digest: str | None = None
    pc_sites_digest: str | None = None

    def body(self) -> bytes:
        """Return the canonical JSON that is stored; the network id is a digest over it."""
        return canonical_json(self.model_dump(mode="json"))

    @classmethod
    def from_body(cls, body: bytes) -> NetworkParameters:
        """Return the parameters a body holds.

        Raises:
            LedgerFormatError: they are of another format, or not parameters.
        """
        try:
            return cls.model_validate(parse_canonical(body))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise LedgerFormatError(
                f"the network parameters' field {field!r} is not of format {FORMAT}",
                where="stream NETWORK_1",
                hint="open this network with the release that made it",
            ) from error

    def require(self, **expected: object) -> None:
        """Check settings given at opening against those on the ledger; None asks for nothing.

        Raises:
            ParameterMismatchError: naming the setting and both values.
        """
        for name, value in expected.items():
            on_ledger = getattr(self, name)
            if value is not None and value != on_ledger:
                raise ParameterMismatchError(
                    f"{name} is {on_ledger} on the ledger, not {value}",
                    hint="a network's parameters are fixed when it is created",
                )


def new_nonce() -> str:
    """Return a fresh network nonce."""
    return secrets.token_hex(16)
