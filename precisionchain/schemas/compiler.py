"""Loading numba, which compiles our loops, and pyarrow without what we never use of them."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final

_NEVER_USED: Final = ("scipy.linalg", "cffi")
"""What numba looks for when it learns what it compiles from: for ``np.dot`` and the like, and for
functions of C. Both are imported whole for it."""

_ARROW_MEMORY: Final = "ARROW_DEFAULT_MEMORY_POOL"
"""Arrow reads it as it is loaded, and says on stderr where it lacks what is asked for."""
_WITH_JEMALLOC: Final = ("linux", "darwin")

_CACHED_LOAD_KNOWN: Final = "0.68."
"""Versions of numba that load a compiled function from its cache as `_load_cached` does."""


def load_lean(*others: str) -> None:
    """Load numba, if nobody has, to run functions compiled before, and pyarrow without pandas.

    In this process, numba then learns what it compiles from, thousands of implementations, when it
    first compiles something, not when it first loads something compiled; and without `_NEVER_USED`,
    so that it compiles no linear algebra: 0.3 s of CPU less. For a program of our own, not for one
    that imports the library and may have loops of its own.

    Args:
        others: names of modules that the program will load anyway, and may as well load here, where
            nothing looks for garbage: 0.1 s of CPU for those that ingest genotypes.
    """
    if "numba" in sys.modules:
        leave_pandas()
        return
    with _kept_for_good():
        leave_pandas()
        _load_numba()
        for name in others:
            import_module(name)


def give_back_memory() -> None:
    """Have Arrow take memory from jemalloc, where it can, before threads make tables in it.

    Its own choice keeps what each thread has let go of: a fifth more memory at the most. To touch
    pages for the first time costs, too: 0.4 s of CPU of the 6 s that encode 2 million rows twice.

    To be called first: once pyarrow is loaded, what Arrow takes for itself, as where it compresses,
    stays where it is, another 100 MB.
    """
    asked = sys.platform in _WITH_JEMALLOC and "pyarrow" not in sys.modules
    with _kept_for_good(), _environment({_ARROW_MEMORY: "jemalloc"} if asked else {}):
        import pyarrow as pa

    if "jemalloc" in pa.supported_memory_backends():
        pa.set_memory_pool(pa.jemalloc_memory_pool())


def _load_numba() -> None:
    import numba
    from numba.core import caching

    if numba.__version__.startswith(_CACHED_LOAD_KNOWN):
        caching.Cache.load_overload = _load_cached  # type: ignore[method-assign]
    else:
        from numba.core.registry import cpu_target

        with _without_never_used():
            cpu_target.target_context.refresh()


@contextmanager
def _without_never_used() -> Iterator[None]:
    """Let imports of `_NEVER_USED` fail that are not there yet."""
    absent = [name for name in _NEVER_USED if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def _load_cached(cache: Any, signature: Any, context: Any) -> Any:
    """Do as numba's ``Cache.load_overload`` does, which learns first, but learn only to compile.

    Machine code needs the symbols of the runtime alone.
    """
    from numba.core.runtime.nrt import rtsys

    rtsys.initialize(context)
    with _without_never_used():
        with cache._guard_against_spurious_io_errors():  # noqa: SLF001 - numba has no other way
            found = cache._load_overload(signature, context)  # noqa: SLF001
            if found is not None:
                return found
        context.refresh()
        return None


@contextmanager
def _environment(asked: Mapping[str, str]) -> Iterator[None]:
    """Have variables of the environment for a while, but for those that somebody has set."""
    ours = {name: value for name, value in asked.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


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
