"""The optimal brain surgeon (Hassibi and Stork 1992) on a linear map: drop inputs, fit the rest.

The error of a linear map is quadratic, so the surgeon is exact here: after each removal the rest is
the least-squares fit. Both networks lose channels this way: in front of a projection in
:mod:`masklens.training.prune`, between units in :mod:`masklens.training.finder.slim`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

#: Of the mean square of the inputs: keeps the inverse finite where some are silent.
_RIDGE = 1e-5


def mean_products(rows: npt.NDArray[np.floating]) -> Matrix:
    """Mean products of columns in pairs, and of each with the constant 1.

    Args:
        rows: (N, C), what the inputs of the map were.

    Returns:
        (C + 1, C + 1); the last row and column are the means, and 1.
    """
    rows = np.pad(rows, ((0, 0), (0, 1)), constant_values=1)
    return np.asarray(rows.T @ rows, np.float64) / len(rows)


def surgeon(
    products: Matrix, weights: npt.NDArray[np.floating], width: int
) -> tuple[npt.NDArray[np.intp], Matrix]:
    """Remove inputs of a linear map one by one, each time the one that is missed least.

    Args:
        products: (C + 1, C + 1), see :func:`mean_products`; of many sets of rows their mean.
        weights: (C + 1, M), the map; its last row is the bias, which stays.
        width: how many inputs to keep, 1…C.

    Returns:
        Rising indices of the kept inputs, (width,), and the map from them, (width + 1, M).
    """
    count = len(products) - 1
    ridge = _RIDGE * np.trace(products[:-1, :-1]) / count
    inverse = np.linalg.inv(products + ridge * np.eye(count + 1))
    rows: Matrix = weights.astype(np.float64)
    kept = np.arange(count + 1)
    while len(kept) - 1 > width:
        missed = (rows**2).sum(axis=1) / np.diag(inverse)
        out = int(missed[:-1].argmin())
        share = inverse[:, out] / inverse[out, out]
        rows = np.delete(rows - np.outer(share, rows[out]), out, axis=0)
        inverse = inverse - np.outer(share, inverse[out])
        inverse = np.delete(np.delete(inverse, out, axis=0), out, axis=1)
        kept = np.delete(kept, out)
    return kept[:-1], rows
