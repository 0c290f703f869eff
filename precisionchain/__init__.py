"""PrecisionChain: clinical and genetic data of several institutions on append-only streams.

The public names are these; each is loaded when it is first used, so that ``import
precisionchain`` costs no engine::

    import precisionchain as pc

    site = pc.Site("site_a/")  # stage, inspect and publish
    with pc.connect("site_a/") as net:  # ask
        net.domain(201826)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from precisionchain.errors import PrecisionChainError as PrecisionChainError
    from precisionchain.network import Network as Network
    from precisionchain.network import connect as connect
    from precisionchain.site import Site as Site

__version__ = "0.1.0.dev0"

_HOME_OF = {
    "Network": "precisionchain.network",
    "PrecisionChainError": "precisionchain.errors",
    "Site": "precisionchain.site",
    "connect": "precisionchain.network",
}

__all__ = ["Network", "PrecisionChainError", "Site", "__version__", "connect"]


def __getattr__(name: str) -> object:
    """Load a public name from its module on first use (PEP 562).

    Raises:
        AttributeError: the name is not public.
    """
    if name not in _HOME_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
