"""A camera: photon noise, read noise, offset and saturation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Camera:
    """A detector without dark current and with one gain for all pixels.

    Attributes
    ----------
    photons
        Mean number of photons in a pixel of the intensity `high`; None = no photon noise.
    read_noise
        Standard deviation of the noise of reading: in electrons if `photons` is given, else in the intensity unit of
        the image. One photon frees one electron.
    offset
        Constant added after all noise, in the intensity unit of the image.
    saturation
        Largest intensity that a pixel can hold, in that unit; None = no limit.
    """

    photons: float | None = None
    read_noise: float | None = None
    offset: float = 0.0
    saturation: float | None = None

    def expose(
        self, values: npt.NDArray[np.float64], high: float, random: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """Return one recording of `values`, in the same intensity unit.

        The limits of the image's data type are not applied here.

        Parameters
        ----------
        values
            Expected intensities; 0 is darkness. Negative ones, from the ringing of a sharp kernel, free no electrons.
        high
            Intensity at which a pixel collects `photons`; above 0.
        random
            Generator of the noise.
        """
        gain = 1.0 if self.photons is None else self.photons / high
        electrons = values * gain
        if self.photons is not None:
            electrons = random.poisson(np.maximum(electrons, 0.0)).astype(np.float64)
        if self.read_noise:
            electrons = electrons + random.normal(0.0, self.read_noise, electrons.shape)
        return self.digitise(electrons / gain)

    def digitise(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return `values` plus the offset, limited by saturation."""
        return np.asarray(np.minimum(values + self.offset, np.inf if self.saturation is None else self.saturation))

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain numbers, for the record in the image's metadata."""
        return {
            "photons": self.photons,
            "read_noise": self.read_noise,
            "offset": self.offset,
            "saturation": self.saturation,
        }
