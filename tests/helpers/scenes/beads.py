"""Images of beads with known light: Gaussians, integrated over pixels along Y and X, with photon noise."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erf


def bead_positions(rng: np.random.Generator, count: int, shape: Sequence[int]) -> list[tuple[float, ...]]:
    """Return positions ``(Z, Y, X)`` on a jittered grid, in the middle plane, apart from each other and the borders."""
    columns = int(np.ceil(count**0.5))
    steps = [n / columns for n in shape[1:]]
    cells = [divmod(i, columns) for i in range(count)]
    return [
        (
            (shape[0] // 2 + rng.uniform(-0.5, 0.5)) if shape[0] > 1 else 0.0,
            *((c + 0.5) * s + rng.uniform(-1.5, 1.5) for c, s in zip(cell, steps, strict=True)),
        )
        for cell in cells
    ]


def record_beads(
    rng: np.random.Generator,
    places: Sequence[Sequence[float]],
    sigma: Sequence[float],
    *,
    photons: float,
    shape: Sequence[int],
    background: float = 0.0,
) -> npt.NDArray[Any]:
    """Return photon counts ``(Z, Y, X)`` of beads at some places, each of `photons` in all."""
    light = np.full(shape, float(background))
    for place in places:
        lines = []
        for axis, (n, c, s) in enumerate(zip(shape, place, sigma, strict=True)):
            offset = np.arange(n) - c
            if n == 1:
                lines.append(np.ones(1))
            elif axis == 0:
                lines.append(np.exp(-0.5 * (offset / s) ** 2) / (s * np.sqrt(2 * np.pi)))
            else:
                lines.append((erf((offset + 0.5) / (2**0.5 * s)) - erf((offset - 0.5) / (2**0.5 * s))) / 2)
        light += photons * lines[0][:, None, None] * lines[1][:, None] * lines[2]
    return rng.poisson(light)
