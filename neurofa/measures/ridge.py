"""Ridge regression of targets on the repeats of one session: sums, solutions, and errors on repeats left out."""

from typing import NamedTuple

import numpy as np

from neurofa.measures.kernels import Bools, Floats
from neurofa.measures.repeats import Repeats


class SessionData(NamedTuple):
    """Sums over the training repeats of a session, and its test repeats; the first column of the samples is 1."""

    gram: Floats
    product: Floats
    n: int
    test: Floats
    target: Floats


def session_data(repeats: Repeats, targets: Floats, session: int, units: Bools, every: bool = False) -> SessionData:
    """
    Prepare a session for linear decoders: train on repeats 0, 2, 4, ..., test on 1, 3, 5, ...

    Parameters
    ----------
    repeats : Repeats
        Single repeats.
    targets : (stimulus, output)
        Targets.
    session : int
        Which session.
    units : (unit,) bool
        Units that are used.
    every : bool
        Train on every repeat.

    Returns
    -------
    SessionData
        Means over training samples of products; test samples.
    """
    values, shown = repeats.values[session], repeats.weights[session] > 0
    parts = (slice(None),) if every else (slice(0, None, 2), slice(1, None, 2))
    found = [_samples(values[:, part], shown[:, part], targets, units) for part in parts]
    (used, aims), (test, wanted) = found[0], found[-1]
    n = len(used)
    gram = used.T @ used
    gram /= max(n, 1)
    return SessionData(gram, used.T @ aims / max(n, 1), n, test, wanted)


def _samples(values: Floats, shown: Bools, targets: Floats, units: Bools) -> tuple[Floats, Floats]:
    """Samples (sample, 1 + unit), the first column 1, of responses (stimulus, repeat, unit), and their targets."""
    stimulus = np.nonzero(shown)[0]
    samples = np.empty((len(stimulus), 1 + int(units.sum())))
    samples[:, 0] = 1.0
    if shown.all() and units.all():
        samples[:, 1:].reshape(*shown.shape, -1)[...] = values
    else:
        samples[:, 1:] = values[shown][:, units]
    return samples, targets[stimulus]


def ridge_penalty(gram: Floats, penalty: float) -> Floats:
    """
    Diagonal of the penalty: `penalty` times the mean variance of the units; 0 for the intercept.

    Parameters
    ----------
    gram : (1 + unit, 1 + unit)
        Mean products of samples whose first column is 1.
    penalty : float
        Strength.

    Returns
    -------
    (1 + unit,)
        The diagonal.
    """
    variance = np.diag(gram)[1:] - gram[0, 1:] ** 2
    diagonal = np.full(len(gram), penalty * max(float(variance.mean()) if variance.size else 0.0, 1e-300))
    diagonal[0] = 0.0
    return diagonal


def solve_ridge(data: SessionData, penalty: float) -> Floats:
    """
    Fit a decoder to a session.

    Parameters
    ----------
    data : SessionData
        The session.
    penalty : float
        Strength of the penalty.

    Returns
    -------
    (1 + unit, output)
        Intercept and weights.
    """
    from scipy.linalg import lapack

    system = data.gram.copy()
    system[np.diag_indices(len(system))] += ridge_penalty(data.gram, penalty)
    # symmetric: its transpose, which nobody has to copy, is the same
    _, weights, failed = lapack.dposv(system.T, data.product, lower=1, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError("the sums of a session are not positive definite")
    return np.ascontiguousarray(weights)


def invert_positive(matrix: Floats) -> None:
    """
    Put the inverse of a symmetric positive definite matrix in its place, by the Cholesky factor.

    Parameters
    ----------
    matrix : (row, row)
        Contiguous, in the order of rows. Only its upper triangle is read, and holds the inverse afterwards, for
        `times_symmetric`; what stands below the diagonal becomes 0.
    """
    from scipy.linalg import lapack

    # the order of columns that LAPACK wants is the transpose: its lower triangle is our upper one, and is overwritten
    lapack.dpotrf(matrix.T, lower=1, overwrite_a=1)
    lapack.dpotri(matrix.T, lower=1, overwrite_c=1)


def times_symmetric(matrix: Floats, columns: Floats) -> Floats:
    """
    Multiply a symmetric matrix, of which the upper triangle is known, with columns.

    Parameters
    ----------
    matrix : (row, row)
        In the order of rows; nothing below the diagonal is read.
    columns : (row, column)
        Columns.

    Returns
    -------
    (row, column)
        The product.
    """
    from scipy.linalg import blas

    product: Floats = blas.dsymm(1.0, matrix.T, columns, lower=1)
    return product


def errors_of(weights: Floats, data: SessionData) -> Floats:
    """
    Root mean squared errors of several decoders on the test repeats of a session, in one product.

    Parameters
    ----------
    weights : (decoder, 1 + unit, output)
        Decoders.
    data : SessionData
        The session.

    Returns
    -------
    (decoder,)
        In the unit of the targets; NaN without test repeats.
    """
    n_decoders, n_rows, n_outputs = weights.shape
    if not len(data.test):
        return np.full(n_decoders, np.nan)
    read = data.test @ np.ascontiguousarray(weights.transpose(1, 0, 2)).reshape(n_rows, -1)
    missed = data.target[:, None] - read.reshape(len(data.test), n_decoders, n_outputs)
    return np.asarray(np.sqrt(np.einsum("tdo,tdo->d", missed, missed) / (len(data.test) * n_outputs)))
