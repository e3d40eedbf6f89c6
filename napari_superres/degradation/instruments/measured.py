"""Blur by a measured point-spread function, made a little narrower or wider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.core.image import Image
from napari_superres.degradation.psf.kernel import from_record, psf_kernel, psf_sigma

_STEP = 0.02
"""Share by which the widths differ that kernels are computed for."""


@dataclass(frozen=True, slots=True)
class MeasuredShape:
    """Shape of a measured point-spread function in focus, for any width.

    Attributes
    ----------
    psf
        As `degradation.psf.measure_psf` returns it.
    """

    psf: Image
    _kernels: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "MeasuredShape":
        """Return the shape of a record, as `degradation.psf.kernel.to_record` makes it.

        Raises
        ------
        SettingsError
            If the record is damaged.
        """
        return cls(from_record(record))

    def kernel(self, sigma: float) -> Tensor:
        """Return the kernel ``(Y, X)`` of odd edges and sum 1 whose sigma is that many pixels, to a hundredth."""
        step = round(float(np.log(max(sigma, 1e-3)) / _STEP))
        if step not in self._kernels:
            own = psf_sigma(self.psf)
            pixel = (own["Y"] + own["X"]) / 2 / float(np.exp(step * _STEP))
            self._kernels[step] = torch.from_numpy(psf_kernel(self.psf, [pixel, pixel]).astype(np.float32))
        return self._kernels[step]

    def blur(self, hr: Tensor, sigma: Tensor) -> Tensor:
        """Return planes ``(B, 1, H, W)``, each blurred to its own sigma in pixels."""
        blurred = []
        for plane, width in zip(hr, sigma.tolist(), strict=True):
            kernel = self.kernel(width)
            rows, columns = (n // 2 for n in kernel.shape)
            wide = F.pad(plane[None], (columns, columns, rows, rows), mode="replicate")
            # conv2d correlates.
            blurred.append(F.conv2d(wide, kernel.flip(0, 1)[None, None])[0])
        return torch.stack(blurred)
