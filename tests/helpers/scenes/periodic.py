"""Scenes of periodic specimens, whose honest results must not be called wrong for the pattern that they show."""

from collections.abc import Callable

import numpy as np

from helpers.scenes.drill import Floats, Scene, make_scene

_EDGE = 192


def _grid() -> tuple[Floats, Floats]:
    y, x = np.mgrid[:_EDGE, :_EDGE].astype(float)
    return y, x


def _lattice() -> Floats:
    y, x = _grid()
    return np.asarray(1 + 0.4 * np.sin(2 * np.pi * x / 8) * np.sin(2 * np.pi * y / 8))


def _stripes() -> Floats:
    y, x = _grid()
    return np.asarray(2 + 1.5 * np.sin(2 * np.pi * (x + 0.2 * y) / 7))


def _bars() -> Floats:
    _, x = _grid()
    return np.asarray(0.2 + (x % 12 < 6))


def _hexagons() -> Floats:
    y, x = _grid()
    turns = np.deg2rad([10, 70, 130])
    waves = [np.cos(2 * np.pi * (x * np.cos(t) + y * np.sin(t)) / 6.3) for t in turns]
    return np.asarray(1.2 + 0.3 * np.sum(waves, axis=0))


def _squares() -> Floats:
    y, x = _grid()
    return np.asarray(0.3 + ((x // 32 + y // 32) % 2))


PERIODIC: dict[str, Callable[[], Scene]] = {
    "lattice": lambda: make_scene("lattice", _lattice(), "YX", photons=600),
    "stripes": lambda: make_scene("stripes", _stripes(), "YX", photons=600),
    "bars": lambda: make_scene("bars", _bars(), "YX", photons=600),
    "hexagons": lambda: make_scene("hexagons", _hexagons(), "YX", photons=600),
    "squares": lambda: make_scene("squares", _squares(), "YX", photons=1500),
}
"""Periodic scenes by name."""
