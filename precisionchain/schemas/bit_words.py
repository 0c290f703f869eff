"""Counting the set bits of words, for loops that numba compiles."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _set_bits(_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> ir.Value:
        del context, signature
        return builder.ctpop(arguments[0])

    return types.uint64(word), generate


set_bits: Any = intrinsic(_set_bits)
"""``set_bits(word)`` is how many bits of a uint64 are set, as uint64.

One instruction where the processor has it, and for many words at once where it has that; a loop of
shifts and masks is not made one by the compiler.
"""
