"""What a conditioned network is told of an image: a width that is known, and noise that is measured or known.

A point-spread function told too wide costs far more than one told too narrow, so nothing is sharpened by a width that
is not known, and a known one is told a little narrower. Noise is measured over the whole image, per channel, because a
network that is told too little of it takes it for detail.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_superres.core import invalid
from napari_superres.core.conditions import SHADE, encode
from napari_superres.core.image import Image
from napari_superres.core.intensity import Normalisation
from napari_superres.core.noise import Noise, measure_noise, rounding_error
from napari_superres.errors import SettingsError
from napari_superres.inference.options import UpscaleOptions
from napari_superres.inference.planning.lens import (
    APERTURES,
    WAVELENGTHS,
    Lens,
    find_lens,
    find_lenses,
    offer,
    result_pixel_um,
)
from napari_superres.inference.planning.seen import Seen, once
from napari_superres.models.card import ModelCard
from napari_superres.models.choice.suitability import noise_level
from napari_superres.models.grid_map import grid_marker

_STRONGEST = 1.5
"""Largest `strength`."""

_OPTIONS = ("psf_sigma", "psf", "numerical_aperture", "wavelength", "noise", "strength")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a network is told of an image.

    Attributes
    ----------
    values
        Per channel of the image, one value per condition of the card, as in `core.conditions`.
    psf_sigma
        Per channel of the image, sigma of the point-spread function in pixels of the result, as it is known;
        0 = unknown, nothing is sharpened.
    noise
        Noise per channel, in intensities of the image, before `strength`.
    is_measured
        Whether the noise was measured on the image.
    strength
        Factor of the standard deviation of the noise.
    doubts
        Where the training had no such blur or noise, and what could not be measured, in sentences.
    psf_source
        Per channel, the lens that the sigma was taken from, in words; empty if the sigma was given or is unknown.
    offer
        What the file states of a lens while the sigma is unknown, and how to use it, in a sentence; empty if nothing.
    """

    values: tuple[tuple[float, ...], ...]
    psf_sigma: tuple[float, ...]
    noise: tuple[Noise, ...]
    is_measured: bool
    strength: float
    doubts: tuple[str, ...] = ()
    psf_source: tuple[str, ...] = ()
    offer: str = ""

    def planes(self, names: Sequence[str], channel: int) -> tuple[float, ...]:
        """Return the values of the planes of a channel."""
        return tuple(float(encode(n, v)) for n, v in zip(names, self.values[channel], strict=True))

    def find_cell(self, card: ModelCard, channel: int) -> tuple[int, int] | None:
        """Return the cell of the card's grid that is nearest to a channel; None if there is no grid."""
        values = dict(zip(card.conditions, self.values[channel], strict=True))
        return grid_marker(card, self.psf_sigma[channel], (values.get("gain", 0.0), values.get("read_noise", 0.0)))

    def describe(self, channel: int = 0) -> str:
        """Return what is told of a channel in one sentence."""
        noise = self.noise[channel]
        of = "measured" if self.is_measured else "given"
        words = (
            f"noise {of}: gain {noise.gain:.3g}, read noise {noise.read_noise:.3g}"
            if noise.gain or noise.read_noise
            else f"no noise ({of})"
        )
        strength = "" if self.strength == 1 else f", removed at {100 * self.strength:.0f} %"
        sigma, source = self.psf_sigma[channel], self.psf_source[channel] if self.psf_source else ""
        psf = f"PSF sigma {sigma:.3g} pixels of the result" if sigma else "PSF unknown, not sharpened"
        psf += f", from {source}" if source else ""
        return f"{words}{strength}; {psf}"


def find_told(
    image: Image,
    card: ModelCard,
    normalisation: Normalisation,
    channels: Sequence[int],
    options: UpscaleOptions,
    seen: Seen,
) -> Told | None:
    """Find what a network is told of an image; None if it is told nothing.

    Parameters
    ----------
    image
        Image to upscale. At most 16 squares of 512 pixels per channel are read where noise is measured.
    card
        Card of the model.
    normalisation
        Intensity map per channel.
    channels
        Channels that are computed: only they are doubted.
    options
        Complete options of the run.
    seen
        What was seen in the image: its noise is measured once.

    Raises
    ------
    SettingsError
        If an option is out of range, needs a pixel size that is unknown, or belongs to another kind of model.
    """
    if not card.conditions:
        _refuse(card, options)
        return None
    psf_sigma, psf_source = _psf_sigma(image, card, options, channels)
    strength = _strength(options["strength"])
    given = _given_noise(image, options["noise"])
    # Of all channels, so that the record can repeat a run of others.
    numbers = range(image.size("C"))
    measured = [] if given else [once(seen, ("noise", c), partial(_measured, image, c)) for c in numbers]
    noise = given or tuple(each for each, _ in measured)
    doubts_of = [[] for _ in numbers] if given else [list(doubts) for _, doubts in measured]
    values = []
    for channel, (each, doubts) in enumerate(zip(noise, doubts_of, strict=True)):
        gain, read_noise = each.scaled(strength).on_scale(normalisation.low[channel], normalisation.high[channel])
        truth = {"psf_sigma": max(0.0, psf_sigma[channel] - SHADE), "gain": gain, "read_noise": read_noise}
        values.append(tuple(_within(card, name, truth[name], doubts) for name in card.conditions))
    return Told(
        values=tuple(values),
        psf_sigma=psf_sigma,
        noise=noise,
        is_measured=given is None,
        strength=strength,
        doubts=tuple(dict.fromkeys(doubt for channel in channels for doubt in doubts_of[channel])),
        psf_source=psf_source,
        offer=_offer(image, card, options, channels),
    )


def told_record(told: Told | None) -> dict[str, Any] | None:
    """Return what was told as plain values for the record of a result; None if nothing was told."""
    if told is None:
        return None
    return {
        "psf_sigma": list(told.psf_sigma),
        **({"psf_source": list(told.psf_source)} if told.psf_source else {}),
        "noise": [{"gain": n.gain, "read_noise": n.read_noise, "offset": n.offset} for n in told.noise],
        "noise_measured": told.is_measured,
        "strength": told.strength,
        "values": [list(v) for v in told.values],
    }


_COARSE = 2.0
"""Least noise that is told of whole numbers, in multiples of their error of rounding."""

_SQUARES, _EDGE = 16, 512
"""Squares in which noise is measured, per channel, and their edge in pixels."""


def _refuse(card: ModelCard, options: UpscaleOptions) -> None:
    given: Mapping[str, Any] = options
    idle: Mapping[str, Any] = _IDLE
    for name in _OPTIONS:
        if given[name] != idle[name]:
            raise SettingsError(
                f"{card.name} is not told blur and noise, got {name}={given[name]!r}.",
                remedy=f"Leave out `{name}`, or use a model whose card states conditions.",
            )


_IDLE: UpscaleOptions = {
    "psf_sigma": None,
    "psf": None,
    "numerical_aperture": None,
    "wavelength": None,
    "noise": "measured",
    "strength": 1.0,
}
"""Options that leave all to the program."""


def untold(options: UpscaleOptions) -> UpscaleOptions:
    """Return the options for a network that is told nothing, of a run in which networks of other channels are."""
    return {**options, **_IDLE}


def _psf_sigma(
    image: Image, card: ModelCard, options: UpscaleOptions, channels: Sequence[int]
) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return the known sigma of each channel in pixels of the result, or 0; and the lenses it was taken from."""
    sigma, aperture, wavelength = options["psf_sigma"], options["numerical_aperture"], options["wavelength"]
    if (aperture is None) != (wavelength is None):
        raise SettingsError("the width of a lens needs both `numerical_aperture` and `wavelength`.")
    psf, count = options["psf"], image.size("C")
    if sum(value is not None for value in (sigma, aperture, psf)) > 1:
        raise SettingsError(
            "`psf_sigma`, `psf` and `numerical_aperture` state the same.", remedy="Leave all but one of them out."
        )
    if isinstance(psf, str):
        return _stated(image, card, psf, channels)
    factor = card.scale[-1]
    if psf is not None:
        assert not isinstance(psf, Image)  # `complete` has taken its width
        return ((psf["Y"] + psf["X"]) / 2 / result_pixel_um(image, factor),) * count, ()
    if aperture is not None and wavelength is not None:
        _check_number("numerical_aperture", aperture, *APERTURES)
        _check_number("wavelength", wavelength, *WAVELENGTHS)
        return (Lens(aperture, wavelength).sigma / result_pixel_um(image, factor),) * count, ()
    if sigma is None:
        return (0.0,) * count, ()
    sigmas: list[Any] = [sigma] if np.isscalar(sigma) else list(sigma)  # type: ignore[arg-type]
    if len(sigmas) not in (1, count):
        raise SettingsError(f"`psf_sigma` must be one number, or one for each of {count} channels, got {sigma!r}.")
    for each in sigmas:
        _check_number("psf_sigma", each, 0.0, 100.0)
    known = tuple(float(each) for each in sigmas)
    return known * count if len(known) == 1 else known, ()


def _stated(
    image: Image, card: ModelCard, psf: str, channels: Sequence[int]
) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Return the sigma of each channel by the lens that the file states, and the lens; 0 where no lens is needed.

    Raises
    ------
    SettingsError
        If the file does not state the lens of one of `channels`, or the pixel size is unknown.
    """
    if psf != "metadata":
        raise SettingsError(
            f"`psf` must be 'metadata', or a point-spread function measured on beads, got {psf!r}.",
            remedy="Read the file of the point-spread function, and give its image.",
        )
    for channel in channels:
        find_lens(image, channel)
    pixel = result_pixel_um(image, card.scale[-1])
    lenses = [find_lenses(image, [channel]) for channel in range(image.size("C"))]
    return (
        tuple(lens[0].sigma / pixel if lens else 0.0 for lens in lenses),
        tuple(lens[0].describe() if lens else "" for lens in lenses),
    )


def _offer(image: Image, card: ModelCard, options: UpscaleOptions, channels: Sequence[int]) -> str:
    is_unknown = options["psf_sigma"] is None and options["psf"] is None and options["numerical_aperture"] is None
    return offer(image, card.scale[-1], channels) if is_unknown and "psf_sigma" in card.conditions else ""


def _strength(value: Any) -> float:
    _check_number("strength", value, 0.0, _STRONGEST)
    return float(value)


def _check_number(name: str, value: Any, least: float, most: float) -> None:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool) and isfinite(value)
    if not is_number or not least <= value <= most:
        raise SettingsError(f"`{name}` must be a number from {least:g} to {most:g}, got {value!r}.")


def _given_noise(image: Image, noise: Any) -> tuple[Noise, ...] | None:
    """Return the noise of each channel that the option states; None if it is to be measured."""
    if isinstance(noise, str) and noise == "measured":
        return None
    channels = image.size("C")
    several = np.iterable(noise) and not isinstance(noise, str) and all(map(np.iterable, noise))
    rows = [_noise_values(each) for each in (noise if several else [noise])]
    noises = [row for row in rows if row is not None]
    if len(noises) not in (1, channels) or len(noises) < len(rows):
        raise SettingsError(
            f"`noise` must be 'measured', 0, or gain and read noise of at least 0, and the offset of darkness if it is "
            f"not 0; once, or once for each of {channels} channels; got {noise!r}.",
            remedy="Leave it out to have the noise measured.",
        )
    return tuple(noises * channels if len(noises) == 1 else noises)


def _noise_values(noise: Any) -> Noise | None:
    """Return the noise that gain, read noise and offset state, or a single 0; None if they state none."""
    try:
        values = [0.0, 0.0] if np.isscalar(noise) and noise == 0 else [float(v) for v in noise]
    except (TypeError, ValueError):
        return None
    if len(values) not in (2, 3) or not all(map(isfinite, values)) or min(values[:2]) < 0:
        return None
    gain, read_noise, offset = (*values, 0.0)[:3]
    return Noise(gain, read_noise, offset)


def _measured(image: Image, channel: int) -> tuple[Noise, tuple[str, ...]]:
    """Return the noise of a channel, and doubts of it."""
    squares = list(_sample_squares(image, channel))
    values = np.concatenate([square[np.isfinite(square)] for square in squares])
    if not values.size or values.min() == values.max():
        if sum(square.size for square in squares) == np.prod(image.shape) // image.size("C"):
            doubt = "The image is constant: all its pixels have one value, and there is nothing to enhance."
        else:
            doubt = (
                "Noise was not measured, and is told as 0: the parts of the image that were looked at have one value. "
                "Give it with `noise` if you know it."
            )
        return Noise(0.0, 0.0, 0.0), (doubt,)
    try:
        noise = measure_noise(squares)
        # Told less, networks take the steps between few grey levels for structure.
        coarse = _COARSE * rounding_error(squares)
        if coarse and noise.sigma(max(float(square.max()) for square in squares)) < coarse:
            return Noise(0.0, coarse, noise.offset), ()
        return noise, ()
    except SettingsError as error:
        finite = [invalid.fill(square, 0.0) if square.dtype.kind == "f" else square for square in squares]
        level = float(np.median([noise_level(square) for square in finite]))
        doubt = (
            f"Noise is measured roughly, from differences of neighbouring pixels ({level:.3g}), because "
            f"{error.message.rstrip('.')}. Give it with `noise` if you know it."
        )
        return Noise(0.0, level, 0.0), (doubt,)


def _within(card: ModelCard, name: str, value: float, doubts: list[str]) -> float:
    """Return a value within the range of the training, and add a doubt if it was beyond."""
    most = card.conditions[name][1]
    if value > most:
        doubts.append(
            f"The image does not fit {card.name}: {_WORDS[name]} of {value:.3g} is more than the training had "
            f"({most:.3g}), which the network is told instead. Bin the pixels or average planes first."
        )
    return min(value, most)


_WORDS = {
    "psf_sigma": "a PSF sigma, in pixels of the result,",
    "gain": "photon noise with a variance per intensity, on the model's scale,",
    "read_noise": "read noise, as a share of the range,",
}


def _sample_squares(image: Image, channel: int) -> Iterator[NDArray[Any]]:
    """Yield squares of planes ``YX``, spread evenly over T, Z, Y and X; of colour images, of each sample."""
    outer = [a for a in image.axes if a in "TZ"]
    counts = [image.size(a) for a in outer]
    planes = int(np.prod(counts, dtype=np.int64))
    rows, columns = (max(1, min(4, image.size(a) // _EDGE)) for a in "YX")
    count = min(_SQUARES, planes * rows * columns)
    for number in range(count):
        # Steps of 5 reach every place of at most 4 x 4.
        n, (row, column) = number * planes // count, divmod(number * 5 % (rows * columns), columns)
        at = dict(zip(outer, np.unravel_index(n, counts) if outer else (), strict=True)) | {"C": channel}
        box = {"Y": _part(image.size("Y"), row, rows), "X": _part(image.size("X"), column, columns)}
        index = tuple(box[a] if a in box else slice(None) if a == "S" else int(at[a]) for a in image.axes)
        values = np.asarray(image.data[index])
        if (missing := invalid.find_missing(values, image.no_data)) is not None:
            values = np.where(missing, np.float32(np.nan), values)
        if "S" not in image.axes:
            yield values if image.axes.index("Y") < image.axes.index("X") else values.T
            continue
        axis = [a for a in image.axes if a in "YXS"].index("S")
        for sample in range(min(3, values.shape[axis])):
            yield values.take(sample, axis)


def _part(size: int, number: int, count: int) -> slice:
    """Return the middle of one of `count` equal parts of an axis, at most an edge long."""
    start = size * number // count
    room = max(0, size * (number + 1) // count - start - _EDGE)
    return slice(start + room // 2, start + room // 2 + min(_EDGE, size))
