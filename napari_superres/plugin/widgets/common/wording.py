"""Plans, progress, durations and sizes in words."""

from math import prod
from typing import TYPE_CHECKING

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Layer

    from napari_superres.inference import Plan, Progress
    from napari_superres.inference.planning.estimate import Estimate


def mixed_units(layers: "Iterable[Layer]") -> str:
    """Return a warning if some layers have units and others are in pixels, otherwise an empty text."""
    units = [{str(u) for u in layer.units[-2:]} for layer in layers]
    pixels = [u == {"pixel"} for u in units]
    if any(pixels) and not all(pixels):
        return (
            "Some open layers have units and others are in pixels: napari then ignores all units, "
            "and layers may be shown at wrong sizes."
        )
    return ""


def plan_text(image: Image, plan: "Plan", expected: "Estimate", *, runs: int = 1) -> str:
    """Return the size of a result, and the time and memory it takes.

    Parameters
    ----------
    image
        Input of the run.
    plan
        Plan of the run, or of its first channel.
    expected
        Estimate of the run.
    runs
        Number of layers that are computed in this way.
    """
    before, after = (
        [n for a, n in zip(image.axes, s, strict=True) if a in "ZYX"] for s in (image.shape, expected.shape)
    )
    part = [stop - start for a, (start, stop) in plan.region.items() if a in "ZYX"]
    taken = "" if part == before else f"{' × '.join(map(str, part))} of "
    size = prod(expected.shape) * image.dtype.itemsize
    time = "" if expected.seconds is None else f"{duration(expected.seconds)} and "
    return (
        f"{_planes(image, expected)}{taken}{' × '.join(map(str, before))} to {' × '.join(map(str, after))} pixels "
        f"({byte_count(size)}). "
        f"Takes about {time}{byte_count(float(f'{expected.memory_bytes:.2g}'))} of memory on {plan.device}, in "
        f"{expected.tiles} {'step' if expected.tiles == 1 else 'steps'}"
        f"{f', for each of {runs} channels' if runs > 1 else ''}."
    )


def parse_range(text: str) -> list[tuple[float, float]] | None:
    """Return the ranges in a text such as ``0, 4095``, or per channel ``0, 4095; 100, 2000``; None if it is empty.

    Raises
    ------
    SettingsError
        If the text cannot be understood.
    """
    if not text.strip():
        return None
    try:
        pairs = [tuple(float(value) for value in part.split(",")) for part in text.split(";") if part.strip()]
        return [(low, high) for low, high in pairs]
    except ValueError as error:
        raise SettingsError(
            f"`intensity_range` must be two numbers, got {text.strip()!r}.",
            remedy="Type 0, 4095, or one pair per channel: 0, 4095; 100, 2000.",
        ) from error


def _planes(image: Image, expected: "Estimate") -> str:
    """Return how many frames and channels a run computes, where there are several."""
    counts = dict(zip(image.axes, expected.shape, strict=True))
    words = [f"{counts[a]} {word}" for a, word in (("T", "frames"), ("C", "channels")) if counts.get(a, 1) > 1]
    return f"{' of '.join(words)}, each " if words else ""


def progress_text(progress: "Progress") -> str:
    """Return the progress of a run and the time left."""
    if progress.remaining is None or progress.done == 0:
        return "Computing…"
    return f"{progress.done} of {progress.total}, about {duration(progress.remaining)} left"


def duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours, of at least a tenth of a second."""
    if seconds < 10:
        return f"{max(seconds, 0.1):.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def byte_count(count: float) -> str:
    """Return a number of bytes in B, kB, MB or GB."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
