"""Loading numba, which compiles our loops, without what they never use."""

from __future__ import annotations

import sys
from typing import Final

_NEVER_USED: Final = ("scipy.linalg", "cffi")
"""What numba looks for when it loads its first compiled function: for ``np.dot`` and the like, and
for functions of C. Both are imported whole for it, a third of the CPU of loading numba."""


def load_lean() -> None:
    """Load numba, if nobody has, without `_NEVER_USED` (0.2 s of CPU less).

    In this process, numba then compiles no linear algebra: for a program of our own, not for one
    that imports the library and may have loops of its own.
    """
    if "numba" in sys.modules:
        return
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
