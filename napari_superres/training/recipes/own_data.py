"""Recipes for your own images and your own instrument."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.intensity import COLOURS
from napari_superres.core.options import checks_names
from napari_superres.degradation.fit import fit_camera
from napari_superres.degradation.psf import psf_sigma
from napari_superres.errors import TrainingError
from napari_superres.io import find_images, read_image
from napari_superres.models.library.shipped import shipped_cards
from napari_superres.training.images.fields_of_view import pixel_size_um
from napari_superres.training.recipes.recipe import Recipe

_SPREAD = 0.1
"""Share by which blur is simulated above and below what was measured: no two specimens have quite the same."""

_MOVIE_NETWORKS = ("edsr",)
"""Networks that take several frames."""

_PRESETS: Mapping[str, tuple[str, Mapping[str, Any]]] = {"photo": ("edsr", {"blocks": 8, "features": 32})}
"""Names of network sizes that two CPU cores can train: each is the network of the shipped models of that name."""


@checks_names
def make_recipe(
    name: str,
    high: Sequence[Path],
    *,
    architecture: str,
    arguments: Mapping[str, Any] | None = None,
    scale: int | Sequence[int],
    low: Path | None = None,
    degradation: Mapping[str, Any] | None = None,
    loss: Mapping[str, Any] | None = None,
    card: Mapping[str, Any] | None = None,
) -> Recipe:
    """Make a recipe for your own images.

    Parameters
    ----------
    name
        Name of the model.
    high
        Folders of high-resolution images.
    architecture
        Name of a network, or ``"photo"`` for the network of the shipped models photo-x2, photo-x3 and photo-x4.
    arguments
        Arguments that build the network; those of its usual size by default.
    scale
        Factor along Y and X, or one per axis of volumes.
    low
        Folder of low-resolution images of the same fields of view, if an instrument recorded them; or of second
        recordings with ``degradation={"kind": "recorded", "repeats": True}``.
    degradation
        Instrument that simulates low-resolution images otherwise, as for `degradation.instruments.make_instrument`;
        bicubic reduction by default. ``{"kind": "splits"}`` learns from noisy images alone, split by their measured
        noise, ``{"kind": "neighbours"}`` by their pixels.
    loss
        Loss that training minimises, as for `training.losses.make_loss`; by default L1, then MSE.
    card
        Fields of the model card: title, modality, license, ...

    Returns
    -------
    Recipe
        Patch and batch suit two CPU cores.

    Raises
    ------
    TrainingError
        If the settings do not fit together.
    """
    network, usual = _PRESETS.get(architecture, (architecture, {}))
    arguments = usual if arguments is None else arguments
    instrument = dict(degradation or {"kind": "bicubic" if low is None else "recorded"})
    if low is not None and instrument["kind"] != "recorded":
        raise TrainingError("recorded images are not degraded.", remedy="Leave `degradation` or `low` out.")
    is_noisy = instrument["kind"] in ("splits", "neighbours") or bool(instrument.get("repeats"))
    if instrument["kind"] == "bicubic":
        instrument = {"eight_bit": "jpeg" in instrument, **instrument}
    factors = (scale, scale) if isinstance(scale, int) else tuple(scale)
    if instrument["kind"] == "movie":
        if network not in _MOVIE_NETWORKS:
            raise TrainingError(
                f"{architecture} takes single images, and the degradation is a movie.",
                remedy=f"Use {' or '.join(_MOVIE_NETWORKS)} (or photo) as `architecture`.",
            )
        instrument = {"frames": 5, **instrument}
        arguments = {**arguments, "frames": instrument["frames"]}
    facts = {"title": name, "intensity": "percentile", "color": "per-channel", "license": "", **(card or {})}
    return Recipe(
        name=name,
        architecture=network,
        arguments=arguments,
        scale=factors,
        channel="each",
        data=tuple(str(Path(h).resolve()) for h in high),
        low=() if low is None else (str(Path(low).resolve()),),
        degradation=instrument,
        # Against noise, only the squared error has its minimum at the truth.
        loss=loss or ({"kind": "mse"} if is_noisy else {}),
        card=facts,
        batch=8 if len(factors) == 2 else 4,
        patch=(48 if instrument["kind"] == "neighbours" else 24) if len(factors) == 2 else (8, 24, 24),
    )


def find_start(modality: str, scale: int | Sequence[int]) -> str | None:
    """Return the shipped model that noisy images of a modality best refine; None if there is none.

    Networks that are told the noise know it already, and need a twentieth of the steps.

    Parameters
    ----------
    modality
        As on the model card; empty = unknown.
    scale
        Factor along Y and X, or one per axis.
    """
    factors = (scale, scale) if isinstance(scale, int) else tuple(scale)
    fitting = (card for card in shipped_cards() if card.conditions and card.scale == factors)
    return next((card.name for card in fitting if modality and card.modality == modality), None)


def measured_sigma(psf: Image, folders: Sequence[Path]) -> tuple[float, float]:
    """Return the range of the sigma of a measured point-spread function in pixels of high-resolution images.

    Parameters
    ----------
    psf
        As `degradation.psf.measure_psf` returns it.
    folders
        Folders of high-resolution images, all of known pixel size.

    Returns
    -------
    tuple of float
        From a tenth below the measured width to a tenth above it, over all images.

    Raises
    ------
    TrainingError
        If no image can be read, or the pixel size of one is unknown.
    """
    paths = [path for folder in folders for path in find_images(folder)]
    return sigma_in_pixels(psf, [pixel_size_um(read_image(path)) for path in paths])


def sigma_in_pixels(psf: Image | Mapping[str, float], sizes: Sequence[float | None]) -> tuple[float, float]:
    """Return the range of the sigma of a point-spread function in pixels of such sizes in micrometres.

    `psf` may also be its sigma per axis in micrometres. Otherwise as `measured_sigma`.
    """
    width = psf if isinstance(psf, Mapping) else psf_sigma(psf)
    sigma = (width["Y"] + width["X"]) / 2
    known = [size for size in sizes if size is not None]
    if not known or len(known) < len(sizes):
        raise TrainingError(
            f"a measured blur depends on the pixel size, and that of {len(sizes) - len(known)} of {len(sizes)} images "
            "is unknown.",
            remedy="Choose images whose files state it.",
        )
    return (1 - _SPREAD) * sigma / max(known), (1 + _SPREAD) * sigma / min(known)


@checks_names
def fit_instrument(folder: Path, psf_sigma: tuple[float, float]) -> dict[str, Any]:
    """Measure the noise of your instrument and return the degradation that simulates it.

    Parameters
    ----------
    folder
        A few raw low-resolution images, neither denoised nor interpolated.
    psf_sigma
        Range of the sigma of the point-spread function in high-resolution pixels, which noise does not reveal.

    Returns
    -------
    dict
        A recipe's ``[degradation]``, as for `make_recipe`.

    Raises
    ------
    SettingsError
        If the images have too few pixels, or no noise.
    UnreadableImageError
        If the folder has no images, or one cannot be read.
    """
    planes = []
    for path in find_images(folder):
        image = read_image(path)
        values = np.asarray(image.data)
        values = np.moveaxis(values, image.axes.index("S"), 0)[:COLOURS] if "S" in image.axes else values
        planes += list(values.reshape(-1, *values.shape[-2:]))
    return fit_camera(planes).optics(psf_sigma)
