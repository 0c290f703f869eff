"""Words of 64 bits, for loops that numba compiles: reading bytes as words, counting set bits."""

from __future__ import annotations

from typing import Any

import numpy as np
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


def _word_at(_context: Any, text: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        first = builder.gep(array.data, [arguments[1]])
        word = builder.load(builder.bitcast(first, ir.IntType(64).as_pointer()), align=1)
        # x86 and ARM as Python runs on them are little-endian; others swap.
        return word if np.little_endian else builder.bswap(word)

    del at
    return types.uint64(text, types.int64), generate


word_at: Any = intrinsic(_word_at)
"""``word_at(text, at)`` is ``text[at:at + 8]`` as a little-endian uint64.

``at`` need not be a multiple of eight: numpy has no such view, and eight loads of a byte are not
made one by the compiler.
"""


def _marks_at(_context: Any, text: Any, at: Any, pattern: Any, mask: Any) -> Any:
    words = ir.VectorType(ir.IntType(64), 8)
    letters = ir.VectorType(ir.IntType(8), 64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def eight(word: Any) -> Any:
            word = word if np.little_endian else builder.bswap(word)
            found = ir.Constant(words, ir.Undefined)
            for k in range(8):
                found = builder.insert_element(found, word, ir.Constant(ir.IntType(32), k))
            return found

        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        first = builder.gep(array.data, [arguments[1]])
        found = builder.load(builder.bitcast(first, words.as_pointer()), align=1)
        found = builder.and_(builder.xor(found, eight(arguments[2])), eight(arguments[3]))
        zeros = ir.Constant(letters, None)
        unlike = builder.icmp_unsigned("!=", builder.bitcast(found, letters), zeros)
        marks = builder.bitcast(unlike, ir.IntType(64))
        return marks if np.little_endian else builder.bitreverse(marks)

    del at, pattern, mask
    return types.uint64(text, types.int64, types.uint64, types.uint64), generate


marks_at: Any = intrinsic(_marks_at)
"""``marks_at(text, at, pattern, mask)`` compares ``text[at:at + 64]`` with eight bytes, again and
again: bit *k* of the uint64 it gives is set if byte *k* differs from byte *k* modulo 8 of
``pattern`` in a bit that is set in that byte of ``mask``. Both are little-endian uint64.
"""
