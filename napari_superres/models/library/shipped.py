"""Models that come with the program: shipped weights, and interpolation by name."""

import re
from importlib.resources import files
from pathlib import Path

from napari_superres.core.kernels import AREA_SPLINE, REACH
from napari_superres.models.card import ModelCard
from napari_superres.models.card_checks import LARGEST_SCALE
from napari_superres.models.model_file import SUFFIX, read_card

_INTERPOLATION = re.compile(r"(nearest|bicubic|lanczos|area-spline)-x(\d{1,9})(?:x(\d{1,9}))?(?:x(\d{1,9}))?")
_KERNELS = ("nearest", "bicubic", "lanczos", AREA_SPLINE)
_CITATIONS = {
    "nearest": "",
    "bicubic": "Keys: Cubic convolution interpolation for digital image processing. 1981. "
    "doi:10.1109/TASSP.1981.1163711",
    "lanczos": "Duchon: Lanczos filtering in one and two dimensions. 1979. "
    "doi:10.1175/1520-0450(1979)018<1016:LFIOAT>2.0.CO;2",
    AREA_SPLINE: "Boneva, Kendall, Stefanov: Spline transformations: three new diagnostic aids for the statistical "
    "data-analyst. 1971. doi:10.1111/j.2517-6161.1971.tb00855.x",
}


def shipped_folder() -> Path:
    """Return the folder of the weights that come with the package."""
    return Path(str(files("napari_superres") / "weights"))


def shipped_file(name: str) -> Path | None:
    """Return the file of a shipped model; None if no shipped model has this name."""
    path = shipped_folder() / f"{name}{SUFFIX}"
    # A name with a separator, or one too long for a file, would lead elsewhere or raise.
    return path if len(name) <= 100 and "/" not in name and "\\" not in name and path.is_file() else None


def thumbnail_folder() -> Path:
    """Return the folder of the thumbnails of shipped models."""
    return shipped_folder() / "thumbnails"


def thumbnail_file(name: str) -> Path | None:
    """Return the picture of an image before and after a shipped model; None if there is none."""
    path = thumbnail_folder() / f"{name}.png"
    return path if shipped_file(name) and path.is_file() else None


def shipped_names() -> frozenset[str]:
    """Return the names of the shipped models."""
    return frozenset(path.name.removesuffix(SUFFIX) for path in shipped_folder().glob(f"*{SUFFIX}"))


def shipped_cards() -> list[ModelCard]:
    """Return the cards of the shipped models, by name."""
    return [read_card(path) for path in sorted(shipped_folder().glob(f"*{SUFFIX}"))]


def interpolation_cards() -> list[ModelCard]:
    """Return the cards of interpolation at x2 to x4."""
    cards = [interpolation_card(f"{kernel}-x{s}") for kernel in _KERNELS for s in (2, 3, 4)]
    return [card for card in cards if card is not None]


def interpolation_card(name: str) -> ModelCard | None:
    """Return the card of an interpolation such as ``bicubic-x2`` or ``lanczos-x2x1x1``; None for other names."""
    match = _INTERPOLATION.fullmatch(name)
    if match is None:
        return None
    kernel, *factors = match.groups()
    per_axis = tuple(int(f) for f in factors if f is not None)
    scale = per_axis * 2 if len(per_axis) == 1 else per_axis
    if min(scale) < 1 or max(scale) > LARGEST_SCALE or max(scale) == 1:
        return None
    return ModelCard(
        name=name,
        title=f"{kernel.capitalize()} interpolation",
        architecture="interpolation",
        arguments={"kernel": kernel},
        scale=scale,
        halo=tuple(REACH[kernel] if s > 1 else 0 for s in scale),
        intensity="none",
        color="per-channel",
        degradation="none: a baseline without learning",
        license="BSD-3-Clause",
        citation=_CITATIONS[kernel],
    )
