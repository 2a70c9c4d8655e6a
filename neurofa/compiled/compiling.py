"""How functions are compiled, and where the result is kept for the next process."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])

#: sums may be reordered and products fused; infinite values and values that are not a number stay what they are
_FLOATING = {"reassoc", "contract", "nsz"}
_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": _FLOATING, "error_model": "numpy"}


def compiled(function: Function) -> Function:
    """
    Compile a function when it is first called, or built into another.

    Parameters
    ----------
    function : callable
        In the part of Python that numba knows.

    Returns
    -------
    callable
        Lets other threads run while it does.
    """
    return cast(Function, numba.njit(**_OPTIONS)(function))


def kept(function: Function) -> Function:
    """
    Compile a function, and keep the machine code for the next process.

    The code lies beside the package, or where that cannot be written in the user's cache (numba looks for a place;
    the environment variable ``NUMBA_CACHE_DIR`` names another one). Without any place it is compiled in every process.

    Parameters
    ----------
    function : callable
        One that closes over `fingerprint`: numba compiles anew where a value that is closed over has changed, but
        does not notice changes in functions of other files.

    Returns
    -------
    callable
        Lets other threads run while it does.
    """
    try:
        return cast(Function, numba.njit(cache=True, **_OPTIONS)(function))
    except RuntimeError:
        return compiled(function)


def fingerprint() -> str:
    """
    Fingerprint of the source of all compiled functions.

    Returns
    -------
    str
        Hexadecimal.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _piece_call(typing_context: Any, array: Any, start: Any, size: Any) -> Any:
    """Type and code of `piece`."""
    view = types.Array(array.dtype, 1, "C")
    signature = view(array, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = context.make_array(signature.args[0])(context, builder, arguments[0])
        part = context.make_array(signature.return_type)(context, builder)
        one_value = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(view.dtype)))
        context.populate_array(
            part,
            data=builder.gep(whole.data, [arguments[1]]),
            shape=[arguments[2]],
            strides=[one_value],
            itemsize=one_value,
            # the view does not keep the array alive: whoever called the compiled function does
            meminfo=None,
        )
        return part._getvalue()

    return signature, generate


#: piece(array, start, size): view of some values of a contiguous array, from a place counted through all its axes.
#: Loops over views become vector instructions, loops over places of an array do not; and a view costs nothing.
piece: Any = intrinsic(_piece_call)


def _borrowed_call(typing_context: Any, array: Any) -> Any:
    """Type and code of `borrowed`."""
    signature = array(array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(array)(context, builder, arguments[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        return view._getvalue()

    return signature, generate


#: borrowed(array): the array without counting who uses it, which costs more than the work on a small network; whoever
#: called the compiled function keeps the array
borrowed: Any = intrinsic(_borrowed_call)


@compiled
def copy(given: Any, out: Any) -> None:
    """Copy the values of one view to another: a plain loop, which is faster than an assignment to a slice."""
    for place in range(out.shape[0]):
        out[place] = given[place]


@compiled
def fill(value: Any, out: Any) -> None:
    """Give all values of a view one value."""
    for place in range(out.shape[0]):
        out[place] = value
