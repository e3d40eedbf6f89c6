"""What the camera does: counts photons, adds electrons while reading, and an offset, up to where it is full."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Camera:
    """A detector without dark current, with the same gain in every pixel.

    Attributes
    ----------
    photons
        Mean count of photons where the image has the intensity `high`; None = no photon noise.
    read_noise
        Standard deviation added while reading: electrons where `photons` is given,
        else in the image's own intensity unit. One photon frees one electron.
    offset
        Added after all noise, in the image's own intensity unit.
    saturation
        Where pixels are full, in that unit; None = nowhere.
    """

    photons: float | None = None
    read_noise: float | None = None
    offset: float = 0.0
    saturation: float | None = None

    def expose(
        self, values: npt.NDArray[np.float64], high: float, random: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """Return one recording of `values`, in the same intensity unit; the type's limits are not applied yet.

        Parameters
        ----------
        values
            Expected intensities; 0 is darkness. Negative ones (ringing of a sharp kernel) free no electrons.
        high
            Intensity at which a pixel collects `photons`; above 0.
        random
            Source of the noise.
        """
        gain = 1.0 if self.photons is None else self.photons / high
        electrons = values * gain
        if self.photons is not None:
            electrons = random.poisson(np.maximum(electrons, 0.0)).astype(np.float64)
        if self.read_noise:
            electrons = electrons + random.normal(0.0, self.read_noise, electrons.shape)
        return self.digitise(electrons / gain)

    def digitise(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return `values` with the offset, none above saturation."""
        return np.asarray(np.minimum(values + self.offset, np.inf if self.saturation is None else self.saturation))

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain numbers, for a record."""
        return {
            "photons": self.photons,
            "read_noise": self.read_noise,
            "offset": self.offset,
            "saturation": self.saturation,
        }
