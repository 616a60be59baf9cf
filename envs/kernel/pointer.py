"""Arrays of compiled code at an address: a call then hands one number on, not every array's words.

An array argument is seven machine words or more, copied at every call that is not inlined; a
market has a dozen. Whoever hands an address on keeps the memory behind it alive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _array_at(typing_context: Any, address: Any, shape: Any, dtype: Any) -> Any:
    """C-contiguous array of ``dtype`` at an address; ``shape`` is a whole number or a tuple."""
    wide = isinstance(shape, types.BaseTuple)
    kinds = list(shape) if wide else [shape]
    result = types.Array(dtype.dtype, len(kinds), "C")

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        where, sizes, _ = arguments
        tools: Any = cgutils
        parts = tools.unpack_tuple(builder, sizes, len(kinds)) if wide else [sizes]
        parts = [
            context.cast(builder, part, kind, types.intp)
            for part, kind in zip(parts, kinds, strict=True)
        ]
        item = context.get_constant(
            types.intp, context.get_abi_sizeof(context.get_data_type(result.dtype))
        )
        strides, count = [], context.get_constant(types.intp, 1)
        for part in reversed(parts):
            strides.append(builder.mul(item, count))
            count = builder.mul(count, part)
        array = context.make_array(result)(context, builder)
        array.meminfo = tools.get_null_value(array.meminfo.type)
        array.parent = tools.get_null_value(array.parent.type)
        array.nitems = count
        array.itemsize = item
        array.data = builder.inttoptr(where, array.data.type)
        array.shape = tools.pack_array(builder, parts)
        array.strides = tools.pack_array(builder, strides[::-1])
        return array._getvalue()

    return result(address, shape, dtype), codegen


array_at: Any = intrinsic(_array_at)
"""``array_at(address, shape, dtype)`` in compiled code."""


def _prefetch(typing_context: Any, address: Any) -> Any:
    """Ask for the cache line at an address; it is only a hint, and any address will do."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        tools: Any = cgutils
        hint = tools.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        # Read, keep in all levels, data.
        options = [ir.Constant(word, n) for n in (0, 3, 1)]
        builder.call(hint, [builder.inttoptr(arguments[0], pointer), *options])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


prefetch: Any = intrinsic(_prefetch)
"""``prefetch(address)`` in compiled code."""
CACHE_LINE = 64


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros that begin on a cache line.

    Written once at the start, not left to the system's zero pages: large arrays then lie on huge
    pages where the system has them, and random reads spare most address translations.
    """
    kind = np.dtype(dtype)
    size = int(np.prod(shape)) * kind.itemsize
    room = np.full(size + CACHE_LINE, 0, dtype=np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    return room[start : start + size].view(kind).reshape(shape)


def address_of(array: np.ndarray[Any, Any]) -> int:
    """Address of a contiguous array's first element."""
    if not array.flags.c_contiguous:
        raise ValueError(f"an array of shape {array.shape} is not C-contiguous")
    return int(array.ctypes.data)
