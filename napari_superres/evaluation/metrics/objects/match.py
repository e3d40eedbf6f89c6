"""Pair the objects of two label images one to one, and tell what became of those without a partner.

Average precision of objects at a threshold of intersection over union, TP / (TP + FP + FN): Caicedo et al.,
Nat. Methods 2019, doi:10.1038/s41592-019-0612-7.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer[Any]]

_MOST = 0.5
"""Share of an object's pixels inside another one above which it is part of that one."""


@dataclass(frozen=True, slots=True)
class ObjectMatch:
    """Which objects of a candidate are which of the reference.

    Attributes
    ----------
    reference, candidate
        Numbers of the objects, in rising order.
    pairs
        ``(N, 2)``: the objects that have a partner, reference first, as indices into these.
    iou
        ``(N,)``: intersection over union of each pair.
    merged
        For each object of the reference without a partner, whether one object of the candidate holds most of it and
        most of a second one.
    split
        For each, whether most of at least two objects of the candidate lie in it.
    joins, fragments
        For each object of the candidate without a partner, whether it merges objects, or is a part of a split one.
    """

    reference: Integers
    candidate: Integers
    pairs: Integers
    iou: npt.NDArray[np.float64]
    merged: npt.NDArray[np.bool_]
    split: npt.NDArray[np.bool_]
    joins: npt.NDArray[np.bool_]
    fragments: npt.NDArray[np.bool_]

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """For each object of the reference, whether it has a partner."""
        return _at(self.pairs[:, 0], self.reference.size)

    @property
    def lost(self) -> npt.NDArray[np.bool_]:
        """For each object of the reference, whether nothing accounts for it."""
        return ~(self.kept | self.merged | self.split)

    @property
    def invented(self) -> npt.NDArray[np.bool_]:
        """For each object of the candidate, whether nothing in the reference accounts for it."""
        return ~(_at(self.pairs[:, 1], self.candidate.size) | self.joins | self.fragments)


def match_objects(reference: Integers, candidate: Integers, least_iou: float) -> ObjectMatch:
    """Pair objects so that as many as possible have a partner, and among such pairings the overlaps are largest.

    Parameters
    ----------
    reference, candidate
        Label images of one shape; 0 is background.
    least_iou
        Least intersection over union of a pair, above 0.

    Returns
    -------
    ObjectMatch
        Every object of the reference is kept, merged, split or lost; every one of the candidate is kept, joins others,
        is a fragment, or invented.
    """
    names, sizes, at, common = _overlaps(reference, candidate)
    union = sizes[0][at[0]] + sizes[1][at[1]] - common
    pairs, iou = _assign(at, common / union, least_iou)
    taken = [_at(pairs[:, i], names[i].size) for i in (0, 1)]
    inside = common > _MOST * sizes[0][at[0]]  # most of the reference's object lies in the candidate's
    holds = common > _MOST * sizes[1][at[1]]
    joins = (np.bincount(at[1][inside], minlength=names[1].size) >= 2) & ~taken[1]
    split = (np.bincount(at[0][holds], minlength=names[0].size) >= 2) & ~taken[0]
    # An object that has its own partner, and swallowed a second one, merges that one too.
    swallows = np.bincount(at[1][inside], minlength=names[1].size) >= 2
    merged = _at(at[0][inside & swallows[at[1]]], names[0].size) & ~taken[0] & ~split
    broken = np.bincount(at[0][holds], minlength=names[0].size) >= 2
    fragments = _at(at[1][holds & broken[at[0]]], names[1].size) & ~taken[1] & ~joins
    return ObjectMatch(names[0], names[1], pairs, iou, merged, split, joins, fragments)


def average_precision(reference: Integers, candidate: Integers, thresholds: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return TP / (TP + FP + FN) at each threshold of intersection over union; NaN where neither has objects."""
    names, sizes, at, common = _overlaps(reference, candidate)
    iou = common / (sizes[0][at[0]] + sizes[1][at[1]] - common)
    counts = np.array([len(_assign(at, iou, float(t))[0]) for t in np.atleast_1d(thresholds)])
    with np.errstate(invalid="ignore"):
        return np.asarray(counts / (names[0].size + names[1].size - counts), np.float64)


def _overlaps(reference: Integers, candidate: Integers) -> tuple[Any, ...]:
    """Return numbers and sizes of the objects of both, the indices of those that overlap, and their common pixels."""
    names, sizes, positions = [], [], []
    for labels in (reference, candidate):
        found, inverse, count = np.unique(labels, return_inverse=True, return_counts=True)
        # The background, if there is any, comes first: it gets the index -1.
        first = int(np.searchsorted(found, 1))
        names.append(found[first:])
        sizes.append(count[first:])
        positions.append(inverse.reshape(labels.shape) - first)
    both = (positions[0] >= 0) & (positions[1] >= 0)
    codes, common = np.unique(positions[0][both] * max(names[1].size, 1) + positions[1][both], return_counts=True)
    at = np.divmod(codes, max(names[1].size, 1))
    return names, sizes, at, common


def _assign(at: tuple[Integers, Integers], iou: npt.NDArray[np.float64], least: float) -> tuple[Any, Any]:
    """Return the best one-to-one pairs of at least this overlap, and their overlaps."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    good = iou >= least
    rows, columns, values = at[0][good], at[1][good], iou[good]
    if not rows.size:
        return np.zeros((0, 2), int), np.zeros(0)
    shift = int(rows.max()) + 1
    size = shift + int(columns.max()) + 1
    _, group = connected_components(coo_array((values, (rows, columns + shift)), shape=(size, size)), directed=False)
    pairs, overlaps = [], []
    order = np.argsort(group[rows], kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(group[rows][order])) + 1):
        r, i = np.unique(rows[members], return_inverse=True)
        c, j = np.unique(columns[members], return_inverse=True)
        gain = np.zeros((r.size, c.size))
        gain[i, j] = 1 + values[members] / (1 + min(r.size, c.size))  # one more pair is worth more than any overlap
        for a, b in zip(*linear_sum_assignment(gain, maximize=True), strict=True):
            if gain[a, b] > 0:
                pairs.append((r[a], c[b]))
                overlaps.append((gain[a, b] - 1) * (1 + min(r.size, c.size)))
    return np.array(pairs), np.array(overlaps)


def _at(indices: Integers, size: int) -> npt.NDArray[np.bool_]:
    flags = np.zeros(size, bool)
    flags[indices] = True
    return flags
