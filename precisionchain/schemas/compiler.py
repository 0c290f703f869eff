"""Loading numba, which compiles our loops, and pyarrow without what we never use of them."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

_CACHED_LOAD_KNOWN: Final = "0.68."
"""Versions of numba that load a compiled function from its cache as `_load_cached` does."""


def load_lean() -> None:
    """Load numba, if nobody has, to run functions compiled before, and pyarrow without pandas.

    In this process, numba then learns what it compiles from (1,500 implementations, and scipy and
    cffi, which are imported for ``np.dot`` and functions of C) when it first compiles something,
    not when it first loads something compiled: 0.3 s of CPU less. For a program of our own, not for
    one that imports the library and may have loops of its own.
    """
    if "numba" in sys.modules:
        leave_pandas()
        return
    with _kept_for_good():
        leave_pandas()
        _load_numba()


def _load_numba() -> None:
    import numba
    from numba.core import caching

    if numba.__version__.startswith(_CACHED_LOAD_KNOWN):
        caching.Cache.load_overload = _load_cached  # type: ignore[method-assign]


def _load_cached(cache: Any, signature: Any, context: Any) -> Any:
    """Do as numba's ``Cache.load_overload`` does, but for learning what functions are made from.

    Machine code takes of it the symbols of the runtime alone. Who compiles, because nothing is in
    the cache, refreshes the context first.
    """
    from numba.core.runtime.nrt import rtsys

    rtsys.initialize(context)
    with cache._guard_against_spurious_io_errors():  # noqa: SLF001 - numba has no other way
        return cache._load_overload(signature, context)  # noqa: SLF001


@contextmanager
def _kept_for_good() -> Iterator[None]:
    """Let the garbage collector pass over what is loaded meanwhile and before, now and at the end.

    The 100,000 objects of these libraries live until the process ends. Looking for garbage among
    them, while they are loaded and as Python shuts down, takes 0.2 s of CPU. DuckDB's must be
    collected: it prints which of its own are left at the end.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
    if "duckdb" not in sys.modules:
        gc.freeze()


def leave_pandas() -> None:
    """Let pyarrow look for pandas once, and find none that is recent enough.

    Otherwise it imports pandas, where that is installed, when it meets the first Python list: 0.2 s
    of CPU. Who asks for pandas itself (``to_pandas``) still gets it.
    """
    if "pandas" in sys.modules:
        return
    old = ModuleType("pandas")
    old.__version__ = "0"  # type: ignore[attr-defined]
    sys.modules["pandas"] = old
    try:
        import pyarrow as pa

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that pandas is old
            pa.array([0])
    finally:
        del sys.modules["pandas"]
