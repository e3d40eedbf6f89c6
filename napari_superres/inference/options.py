"""The options of a run: one place that says what they are called, what they mean, and what they are by default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from napari_superres.core.image import Image
from napari_superres.core.intensity import Ranges
from napari_superres.core.options import check_names
from napari_superres.degradation.psf.kernel import psf_sigma
from napari_superres.models.model import Model


@dataclass(frozen=True, slots=True)
class AutoModels:
    """A model that is chosen for each image; those of several images are loaded once.

    Attributes
    ----------
    name
        ``auto``, ``isotropic``, or either with ``:KIND``.
    loaded
        Models by name; a run adds what it loads.
    """

    name: str
    loaded: dict[str, Model] = field(default_factory=dict)


ModelChoice = str | Path | Model | AutoModels | Mapping[int | str, str | Path | Model]
"""A model's name, its file or the model itself; or one of these per channel."""

PrecisionOption = Literal["auto", "fp32", "fp16", "bf16", "fp64"]

NoiseOption = Literal["measured"] | float | Sequence[float] | Sequence[Sequence[float]]

PsfOption = Image | Mapping[str, float] | Literal["metadata"] | None


class UpscaleOptions(TypedDict, total=False):
    """Options of every run.

    Attributes
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : str
        ``"auto"``, ``"fp32"``, ``"fp16"`` or ``"bf16"``; ``"fp64"`` for verification.
    tile : int, sequence of int or "auto"
        Edge of the tile given to the model, in low-resolution pixels. The result does not depend on it.
    batch : int or "auto"
        Number of tiles given to the model at once.
    channels : sequence of int, optional
        Indices of the channels to compute; all by default.
    roi : mapping of str to (int, int), optional
        ``{axis: (start, stop)}`` in pixels of the image. The result equals that part of the whole result.
    tta : bool
        Average the results of the eight flips and quarter turns of the image: eight times slower, a little better.
    max_passes : int
        Largest number of passes over the image that may go into the statistics of layers that look at all of it.
        The record states the remaining error where these are too few.
    intensity_range : (float, float) or sequence of (float, float), optional
        Intensities that become 0 and 1 for the model, one pair for all channels or one per channel, instead of a fit.
    psf_sigma : float or sequence of float, optional
        Known standard deviation of the point-spread function along Y and X, in pixels of the result, as `degrade`
        counts it; one for all channels or one per channel. By default nothing is sharpened. For models that are told
        blur, as the next four.
    psf : Image, mapping of str to float or "metadata", optional
        Point-spread function measured on beads, instead of `psf_sigma`; or its sigma per axis in micrometres, as
        `psf_sigma` of `degradation.psf` returns it. ``"metadata"`` takes aperture, emission wavelengths and kind of
        microscope from the image's file. The pixel size must be known.
    numerical_aperture, wavelength : float, optional
        Of a widefield microscope, instead of `psf_sigma`; wavelength in micrometres. The pixel size must be known.
    noise : "measured", 0 or sequence of float
        Noise of the image. ``(gain, read_noise)`` or ``(gain, read_noise, offset)`` in its intensities: the variance at
        intensity I is ``gain * (I - offset) + read_noise**2``; or one of these per channel. 0 = none.
    strength : float
        How much of the noise is removed, 0 to 1.5: the factor of its standard deviation that the model is told.
    """

    device: str
    precision: PrecisionOption
    tile: int | Sequence[int] | Literal["auto"]
    batch: int | Literal["auto"]
    channels: Sequence[int] | None
    roi: Mapping[str, tuple[int, int]] | None
    tta: bool
    max_passes: int
    intensity_range: Ranges | None
    psf_sigma: float | Sequence[float] | None
    psf: PsfOption
    numerical_aperture: float | None
    wavelength: float | None
    noise: NoiseOption
    strength: float


class ReadingOptions(TypedDict, total=False):
    """What a file does not say of its image, or says wrongly.

    Attributes
    ----------
    axes : str, optional
        Axes of the array in the file, such as ``"TCYX"``.
    series : int, optional
        Index of the image in a file that holds several.
    pixel_size : float or sequence of float, optional
        Size of a pixel, for Y and X or for every spatial axis.
    unit : str
        Unit of `pixel_size`.
    skip_bad : bool
        Fill chunks of a zarr that are missing or damaged and list them in the record, instead of failing.
    trust : bool
        Also read data that a file names outside its own folder.
    """

    axes: str | None
    series: int | None
    pixel_size: Sequence[float] | float | None
    unit: str
    skip_bad: bool
    trust: bool


class WritingOptions(TypedDict, total=False):
    """What may happen to files that exist, and to what a format cannot hold.

    Attributes
    ----------
    overwrite : bool
        Replace an existing target.
    resume : bool
        Keep a target that was made from the same input with the same model and settings; continue an unfinished
        OME-Zarr.
    allow_loss : bool
        Write what the format of the target can hold and warn of the rest, instead of refusing.
    """

    overwrite: bool
    resume: bool
    allow_loss: bool


class FileOptions(ReadingOptions, WritingOptions, UpscaleOptions, total=False):
    """Options of a run from files to files: those of all three kinds."""


UPSCALE_DEFAULTS: UpscaleOptions = {
    "device": "auto",
    "precision": "auto",
    "tile": "auto",
    "batch": "auto",
    "channels": None,
    "roi": None,
    "tta": False,
    "max_passes": 8,
    "intensity_range": None,
    "psf_sigma": None,
    "psf": None,
    "numerical_aperture": None,
    "wavelength": None,
    "noise": "measured",
    "strength": 1.0,
}
READING_DEFAULTS: ReadingOptions = {
    "axes": None,
    "series": None,
    "pixel_size": None,
    "unit": "micrometer",
    "skip_bad": False,
    "trust": False,
}
WRITING_DEFAULTS: WritingOptions = {"overwrite": False, "resume": False, "allow_loss": False}
FILE_DEFAULTS: FileOptions = {**READING_DEFAULTS, **WRITING_DEFAULTS, **UPSCALE_DEFAULTS}


def complete(options: UpscaleOptions) -> UpscaleOptions:
    """Return the options of a run with the defaults of those that were not given.

    Raises
    ------
    SettingsError
        If a name is not that of an option.
    """
    check_names(options, UPSCALE_DEFAULTS)
    every: UpscaleOptions = {**UPSCALE_DEFAULTS, **options}
    if isinstance(every["psf"], Image):
        every["psf"] = psf_sigma(every["psf"])  # plain numbers, which records and workers can carry
    return every


def split(options: FileOptions) -> tuple[ReadingOptions, WritingOptions, UpscaleOptions]:
    """Return the options that concern the input file, the target file, and the run between them.

    Those of the files are complete; those of the run are the ones that were given.
    """
    check_names(options, FILE_DEFAULTS)
    given: Mapping[str, Any] = options
    reading = {**READING_DEFAULTS, **{k: v for k, v in given.items() if k in READING_DEFAULTS}}
    writing = {**WRITING_DEFAULTS, **{k: v for k, v in given.items() if k in WRITING_DEFAULTS}}
    run = {k: v for k, v in given.items() if k in UPSCALE_DEFAULTS}
    return cast("ReadingOptions", reading), cast("WritingOptions", writing), cast("UpscaleOptions", run)
