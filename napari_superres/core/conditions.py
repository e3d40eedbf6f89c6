"""What a network may be told about an image, besides its pixels: blur and noise.

A conditioned network takes one constant plane per condition after the planes of the image. It so serves sharp and
blurred, clean and noisy images alike, as long as it is told the truth: Zhang, Zuo, Zhang: Learning a Single
Convolutional Super-Resolution Network for Multiple Degradations (SRMD), CVPR 2018, doi:10.1109/CVPR.2018.00344, and
FFDNet, IEEE TIP 2018, doi:10.1109/TIP.2018.2839891.

========== ==============================================================================================
psf_sigma  standard deviation of the Gaussian point-spread function along Y and X, in pixels of the result
gain       variance of the noise per intensity, on the model's scale of intensities (1 / photons at 1)
read_noise standard deviation of the noise at the intensity 0, on that scale
========== ==============================================================================================

The noise of a low-resolution pixel of intensity x has the variance ``gain * x + read_noise ** 2``.
"""

from typing import Any

CONDITIONS = ("psf_sigma", "gain", "read_noise")
"""Names of all conditions."""

TOLD = "half the sigma of the PSF in pixels of the result, 3 times the root of the gain, 5 times the read noise"
"""The planes in words."""

SHADE = 0.2
"""A known sigma is told narrower by this much, in pixels of the result."""

SIGMA_PER_AIRY = 0.21
"""Sigma of the Gaussian core of a widefield microscope, in units of wavelength / NA (doi:10.1364/AO.46.001819)."""

SIGMA_PER_AIRY_CONFOCAL = 0.15
"""The same of a confocal microscope with a closed pinhole (same source)."""


def encode(name: str, value: Any) -> Any:
    """Return the value of the plane that tells a condition, about 0 to 1; for numbers, arrays and tensors alike."""
    if name == "psf_sigma":
        return value / 2
    return 3 * value**0.5 if name == "gain" else 5 * value
