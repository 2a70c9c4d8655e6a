"""Matrix products on pieces of flat arrays, by the BLAS that scipy brings along."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from neurofa.compiled.compiling import compiled

#: products of this many factors and fewer take a faster way through OpenBLAS, which does not copy matrices first
_AT_ONCE = 1_000_000
#: columns of a product are divided at multiples of this
_COLUMNS = 16


def blas_addresses() -> tuple[int, int]:
    """
    Where the products of matrices stand in memory.

    Returns
    -------
    tuple of int
        Address of sgemm and of dgemm.
    """
    names = ("sgemm", "dgemm")
    single, double = (get_cython_function_address("scipy.linalg.cython_blas", name) for name in names)
    return int(single), int(double)


def _gemm_call(
    typing_context: Any,
    address: Any,
    turn_a: Any,
    turn_b: Any,
    sizes: Any,
    alpha: Any,
    a: Any,
    b: Any,
    beta: Any,
    c: Any,
    starts: Any,
    strides: Any,
) -> Any:
    """Call gemm of Fortran: C = alpha op(A) op(B) + beta C; sizes (m, n, k), row by row contiguous pieces of arrays."""
    three = types.UniTuple(types.int64, 3)
    signature = types.void(types.int64, types.boolean, types.boolean, three, a.dtype, a, b, a.dtype, c, three, three)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, turn_a, turn_b, sizes, alpha, a, b, beta, c, starts, strides = arguments
        kinds = signature.args
        whole, letter = ir.IntType(32), ir.IntType(8)
        real = context.get_value_type(kinds[5].dtype)

        def behind(value: Any) -> Any:
            return cgutils.alloca_once_value(builder, value)

        def integer(tuple_of_three: Any, place: int) -> Any:
            return behind(builder.trunc(builder.extract_value(tuple_of_three, place), whole))

        def turned(flag: Any) -> Any:
            is_on = builder.icmp_unsigned("!=", flag, ir.Constant(flag.type, 0))
            return behind(builder.select(is_on, ir.Constant(letter, ord("T")), ir.Constant(letter, ord("N"))))

        def piece(kind: Any, value: Any, place: int) -> Any:
            data = context.make_array(kind)(context, builder, value).data
            return builder.gep(data, [builder.extract_value(starts, place)])

        letters, wholes, reals = letter.as_pointer(), whole.as_pointer(), real.as_pointer()
        call = [letters, letters, wholes, wholes, wholes, reals, reals, wholes, reals, wholes, reals, reals, wholes]
        gemm = builder.inttoptr(address, ir.FunctionType(ir.VoidType(), call).as_pointer())
        # row by row is column by column of the transpose: C^T = op(B)^T op(A)^T
        m, n, k = (integer(sizes, place) for place in range(3))
        a_stride, b_stride, c_stride = (integer(strides, place) for place in range(3))
        first = [turned(turn_b), turned(turn_a), n, m, k, behind(alpha)]
        second = [piece(kinds[6], b, 1), b_stride, piece(kinds[5], a, 0), a_stride]
        builder.call(gemm, [*first, *second, behind(beta), piece(kinds[8], c, 2), c_stride])
        return context.get_dummy_value()

    return signature, generate


_gemm: Any = intrinsic(_gemm_call)


@compiled
def multiply(blas, turn_a, turn_b, m, n, k, alpha, a, a_start, b, b_start, beta, c, c_start):
    """C (m, n) = alpha op(A) op(B) + beta C; op turns the matrix where asked for, B is (k, n) after that."""
    a_stride = m if turn_a else k
    b_stride = k if turn_b else n
    columns = n
    if m * n * k > _AT_ONCE:
        columns = max(_COLUMNS, _AT_ONCE // (m * k) // _COLUMNS * _COLUMNS)
    for start in range(0, n, columns):
        size = min(columns, n - start)
        places = (a_start, b_start + (start * k if turn_b else start), c_start + start)
        _gemm(blas, turn_a, turn_b, (m, size, k), alpha, a, b, beta, c, places, (a_stride, b_stride, n))


@compiled
def onward(blas, turned, n_trials, post, pre, given, g_start, matrix, m_start, beta, out, o_start):
    """Out (trial, post) = given (trial, pre) M^T + beta out, with M (post, pre)."""
    one = out.dtype.type(1)
    multiply(blas, False, turned == 0, n_trials, post, pre, one, given, g_start, matrix, m_start, beta, out, o_start)


@compiled
def back(blas, turned, n_trials, post, pre, given, g_start, matrix, m_start, out, o_start):
    """Out (trial, pre) = given (trial, post) M, with M (post, pre)."""
    one, zero = out.dtype.type(1), out.dtype.type(0)
    multiply(blas, False, turned != 0, n_trials, pre, post, one, given, g_start, matrix, m_start, zero, out, o_start)


@compiled
def gather(blas, turned, n_trials, post, pre, alpha, above, a_start, below, b_start, beta, matrix, m_start):
    """M (post, pre) = alpha sum over trials of above (trial, post) below (trial, pre)^T + beta M."""
    if turned:
        multiply(blas, True, False, pre, post, n_trials, alpha, below, b_start, above, a_start, beta, matrix, m_start)
    else:
        multiply(blas, True, False, post, pre, n_trials, alpha, above, a_start, below, b_start, beta, matrix, m_start)
