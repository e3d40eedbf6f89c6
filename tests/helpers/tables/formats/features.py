"""The features of images that files are asked for, each with images that have it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from helpers.tables.formats.facts import Facts
from napari_superres.core.units import SECONDS

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64")
_SIZES = {"T": 2, "C": 2, "Z": 3, "Y": 16, "X": 24, "S": 3}
_STEPS = {"Z": 2.0, "Y": 0.508, "X": 0.254}
"""Millimeters: 50 and 100 dots per inch, which formats with whole dots per inch can state."""
_ORIGIN = {"Z": -7.5, "Y": 12.5, "X": 3.25}
_STEP = (0.25, "second")
_ROUNDING = 1e-3  # part of a pixel; some formats have numbers of 32 bits, or whole pixels per meter

Check = Callable[[Facts, Facts], str]
"""Returns how a file keeps a feature, from the facts that were found and those expected: ``"yes"``, or empty."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature, images that have it (formats are asked for the first that they can hold), and its check."""

    name: str
    images: tuple[Facts, ...]
    check: Check

    def kept(self, found: Facts, expected: Facts) -> str:
        """Return how the feature is kept; empty if it is not. Colour samples may be kept as channels."""
        aligned = found.aligned(expected.axes)
        if aligned is None and "S" in expected.axes and "S" not in found.axes:
            channels = replace(found, axes=found.axes.replace("C", "S")).aligned(expected.axes)
            return "as channels" if channels is not None and self.check(channels, expected) else ""
        return "" if aligned is None else self.check(aligned, expected)


def all_features() -> list[Feature]:
    """Return all features in the order of the tables."""
    return [*_pixel_features(), *_grid_features(), *_other_features()]


def _pixel_features() -> list[Feature]:
    axes = {
        "axis Z": "ZYX",
        "axis C": "CYX",
        "axis T": "TYX",
        "axes T, Z": "TZYX",
        "axes C, Z": "CZYX",
        "axes T, C, Z": "TCZYX",
        "RGB": "YXS",
    }
    return [
        *(Feature(f"pixels, type {t}", _both(_image("YX", t)), _pixels) for t in TYPES),
        *(
            Feature(name, (*_both(_image(a)), *_both(_image(a, "uint16")), *_both(_image(a, time_step=_STEP))), _pixels)
            for name, a in axes.items()
        ),
        Feature("RGB, 16 bits", _both(_image("YXS", "uint16")), _pixels),
        Feature("RGB and alpha", _both(_image("YXS", samples=4)), _pixels),
    ]


def _grid_features() -> list[Feature]:
    plane, volume = _image("YX"), _image("ZYX")
    turn = np.eye(4)
    turn[1:3, 1:3] = [[0.8, -0.6], [0.6, 0.8]]
    oblique = replace(_placed(volume), affine=turn @ _placed(volume).matrix)
    shear = np.eye(4)
    shear[1, 2] = 0.3
    in_microns = np.diag([0.508, 0.254, 1.0])
    return [
        Feature("pixel size", (_placed(plane),), _size),
        Feature("pixel size along Z", (_placed(volume),), _size),
        Feature("unit", (replace(plane, affine=in_microns, unit="micrometer"),), _unit),
        Feature("unknown pixel size", (plane,), lambda found, _: "" if found.unit else "yes"),
        Feature("origin", (_placed(plane, origin=True), _placed(volume, origin=True)), _origin),
        Feature("descending Z", (replace(_placed(volume), affine=_placed(volume).matrix * [-1, 1, 1, 1]),), _linear),
        Feature("orientation", (oblique,), _linear),
        Feature("shear", (replace(oblique, affine=shear @ _placed(volume).matrix),), _linear),
    ]


def _other_features() -> list[Feature]:
    names, channels = ("Dye 488", "Dye 561"), _image("CYX")
    one_channel = replace(channels, data=channels.data[:1], channels=names[:1])
    holed = _image("YX", "float32")
    holed.data[:8, :8] = np.nan
    padded = _image("YX")
    return [
        Feature("channel names", (*_both(replace(channels, channels=names)), *_both(one_channel)), _channels),
        Feature("time step", (*_both(_image("TYX", time_step=_STEP)), *_both(_image("TZYX", time_step=_STEP))), _time),
        Feature("intensity scale", _both(replace(_image("YX", "int16"), scale=(0.5, -10.0))), _scaled),
        Feature("NaN", _both(holed), _pixels),
        Feature("no-data value", _both(replace(padded, no_data=float(padded.data[0, 0]))), _no_data),
        Feature("labels", _both(replace(_image("YX"), labels=True)), lambda found, _: "yes" if found.labels else ""),
    ]


def _image(axes: str, dtype: str = "uint8", *, samples: int = 3, time_step: tuple[float, str] | None = None) -> Facts:
    """Return an image of blocks of 8 x 8 pixels, which JPEG keeps but for rounding."""
    shape = [samples if a == "S" else _SIZES[a] // (8 if a in "YX" else 1) for a in axes]
    kind = np.dtype(dtype)
    low, high = (-1000, 1000) if kind.kind == "f" else (np.iinfo(kind).min, np.iinfo(kind).max)
    values: npt.NDArray[Any] = np.linspace(float(low) * 0.9, float(high) * 0.9, int(np.prod(shape)))
    blocks = np.random.default_rng(1).permutation(values).reshape(shape).astype(kind)
    return Facts(blocks.repeat(8, axes.index("Y")).repeat(8, axes.index("X")), axes, time_step=time_step)


def _placed(facts: Facts, *, origin: bool = False) -> Facts:
    affine = np.diag([*(_STEPS[a] for a in facts.spatial), 1.0])
    affine[:-1, -1] = [_ORIGIN[a] if origin else 0.0 for a in facts.spatial]
    return replace(facts, affine=affine, unit="millimeter")


def _both(facts: Facts) -> tuple[Facts, ...]:
    """Return an image with a grid and without one: some formats must have one, others have none."""
    return _placed(facts), facts


def _pixels(found: Facts, expected: Facts) -> str:
    same = found.data.shape == expected.data.shape and found.data.dtype == expected.data.dtype.newbyteorder("=")
    return (
        "yes" if same and np.array_equal(found.data, expected.data, equal_nan=expected.data.dtype.kind == "f") else ""
    )


def _scaled(found: Facts, expected: Facts) -> str:
    return "yes" if found.data.size and np.allclose(found.values, expected.values, rtol=1e-6) else ""


def _size(found: Facts, expected: Facts) -> str:
    if found.unit is None:
        return ""
    sizes, wanted = found.sizes_in("millimeter"), expected.sizes_in("millimeter")
    return "yes" if all(abs(sizes[a] / wanted[a] - 1.0) < _ROUNDING for a in wanted) else ""


def _unit(found: Facts, expected: Facts) -> str:
    if not _size(found, expected):
        return ""
    return "yes" if found.unit == expected.unit else f"as {found.unit}"


def _origin(found: Facts, expected: Facts) -> str:
    if not _size(found, expected):
        return ""
    origin, wanted, sizes = (f("millimeter") for f in (found.origin_in, expected.origin_in, expected.sizes_in))
    return "yes" if all(abs(origin[a] - wanted[a]) < _ROUNDING * sizes[a] for a in wanted) else ""


def _linear(found: Facts, expected: Facts) -> str:
    """Compare directions; planes may be in the other order, if their positions are."""
    if found.unit is None or found.affine is None:
        return ""
    wanted = expected.matrix_in("millimeter")[:-1, :-1]
    for data, flip in ((found.data, 1.0), (found.data[::-1], -1.0)):
        matrix = found.matrix_in("millimeter")[:-1, :-1] * [flip, *[1.0] * (len(wanted) - 1)]
        same = not data.size or np.array_equal(data, expected.data)
        if same and np.abs(matrix - wanted).max() < _ROUNDING * min(_STEPS.values()):
            return "yes" if flip > 0 else "as ascending"
    return ""


def _channels(found: Facts, expected: Facts) -> str:
    return "yes" if found.channels == expected.channels != () else ""


def _time(found: Facts, expected: Facts) -> str:
    if found.time_step is None or expected.time_step is None:
        return ""
    (step, unit), (wanted, wanted_unit) = found.time_step, expected.time_step
    return "yes" if abs(step * SECONDS[unit] / (wanted * SECONDS[wanted_unit]) - 1.0) < _ROUNDING else ""


def _no_data(found: Facts, expected: Facts) -> str:
    return "yes" if found.no_data is not None and found.no_data == expected.no_data else ""
