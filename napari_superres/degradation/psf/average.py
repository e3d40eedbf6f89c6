"""Align boxes around beads to a fraction of a pixel, and average them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def cut(volume: Floats, centre: Sequence[float], reach: Sequence[int]) -> tuple[Floats, tuple[float, ...]] | None:
    """Return the box around the pixel nearest to a position, and the position in it; None if the image ends there."""
    middle = [int(np.floor(c + 0.5)) for c in centre]
    if any(m - r < 0 or m + r >= n for m, r, n in zip(middle, reach, volume.shape, strict=True)):
        return None
    box = volume[tuple(slice(m - r, m + r + 1) for m, r in zip(middle, reach, strict=True))]
    return box, tuple(c - m + r for c, m, r in zip(centre, middle, reach, strict=True))


def align(box: Floats, centre: Sequence[float]) -> Floats:
    """Return a box shifted so that `centre` comes to lie in its middle pixel.

    The shift multiplies the spectrum by a phase ramp, which neither blurs nor colours the noise. The box is padded with
    its own border values first, because the spectrum is periodic.
    """
    pads = [(0, 0) if n == 1 else (n // 4 + 2,) * 2 for n in box.shape]
    wide = np.pad(box, pads, mode="edge")
    waves = np.fft.fftn(wide)
    for axis, (n, c) in enumerate(zip(box.shape, centre, strict=True)):
        frequency = np.fft.fftfreq(wide.shape[axis])
        ramp = np.exp(-2j * np.pi * frequency * ((n - 1) / 2 - c))
        if wide.shape[axis] % 2 == 0:
            ramp[wide.shape[axis] // 2] = ramp[wide.shape[axis] // 2].real
        waves *= ramp.reshape([-1 if a == axis else 1 for a in range(3)])
    inside = tuple(slice(low, low + n) for (low, _), n in zip(pads, box.shape, strict=True))
    return np.asarray(np.fft.ifftn(waves).real[inside])
