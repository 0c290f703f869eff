"""Loading numba, which compiles our loops, and pyarrow without what we never use of them."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final

_NEVER_USED: Final = ("scipy.linalg", "cffi")
"""What numba looks for when it loads its first compiled function: for ``np.dot`` and the like, and
for functions of C. Both are imported whole for it, a third of the CPU of loading numba."""


def load_lean() -> None:
    """Load numba, if nobody has, without `_NEVER_USED` (0.2 s of CPU less), pyarrow without pandas.

    In this process, numba then compiles no linear algebra: for a program of our own, not for one
    that imports the library and may have loops of its own.
    """
    if "numba" in sys.modules:
        _leave_pandas()
        return
    with _kept_for_good():
        _leave_pandas()
        _load_numba()


def _load_numba() -> None:
    absent = [name for name in _NEVER_USED if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it fails
    try:
        from numba.core.registry import cpu_target

        cpu_target.typing_context.refresh()
        cpu_target.target_context.refresh()
    finally:
        for name in absent:
            del sys.modules[name]


@contextmanager
def _kept_for_good() -> Iterator[None]:
    """Let the garbage collector pass over what is loaded meanwhile and before, now and at the end.

    The 150,000 objects of these libraries live until the process ends. Looking for garbage among
    them, while they are loaded and as Python shuts down, takes 0.3 s of CPU. DuckDB's must be
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


def _leave_pandas() -> None:
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
