"""Stationary distribution of a Markov chain in continuous time that is given by its transitions."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, gmres, spilu, spsolve

Moves = Callable[[Any], Iterable[tuple[float, Hashable]]]
"""Transitions out of a state: (rate, next state); a rate of 0 is no transition."""

DIRECT_MOST = 3000  # states; beyond, the factors of a chain in several dimensions fill up


def solved(rows: np.ndarray, columns: np.ndarray, rates: np.ndarray, count: int) -> np.ndarray:
    """Stationary probabilities of states 0..count-1 with transitions rows -> columns.

    The balance equation of state 0 is left out, its probability set to 1 and the rest scaled, which keeps the
    matrix sparse; large ones are solved by GMRES behind an incomplete factorisation, to a relative residual
    of 1e-11.
    """
    out = np.bincount(rows, rates, count)
    balance = sparse.coo_matrix((rates, (columns, rows)), (count, count)).tocsc()
    balance = (balance - sparse.diags(out, format="csc")).tocsc()
    matrix, right = balance[1:, 1:].tocsc(), -balance[1:, 0].toarray().ravel()
    if count <= DIRECT_MOST:
        weights = spsolve(matrix, right)
    else:
        near = LinearOperator(matrix.shape, spilu(matrix, drop_tol=1e-3, fill_factor=5).solve)
        weights, failed = gmres(matrix, right, M=near, rtol=1e-11, restart=60, maxiter=50)
        if failed:
            raise RuntimeError(f"{count} states: no solution to 1e-11")
    weights = np.concatenate([[1.0], weights])
    return weights / weights.sum()


def stationary(start: Hashable, moves: Moves) -> dict[Any, float]:
    """Probability of each state that can be reached from `start`; they must be finitely many."""
    numbers, states = {start: 0}, [start]
    rows, columns, rates = [], [], []
    for state in states:  # grows while new states are found
        for rate, target in moves(state):
            if rate <= 0:
                continue
            if target not in numbers:
                numbers[target] = len(states)
                states.append(target)
            rows.append(numbers[state])
            columns.append(numbers[target])
            rates.append(rate)
    found = solved(np.array(rows), np.array(columns), np.array(rates), len(states))
    return dict(zip(states, found.tolist(), strict=True))
