"""Which results are drawn, by rule, and what is drawn next to them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from grid_parts.crops import Crop, Input, conditions_of, inputs_of
from grid_parts.methods import Row, classical_results, condition
from grid_parts.pictures import choose, write_picture, write_pixels

Restore = Callable[[Input], np.ndarray]


def input_of(row: Row, scale: int, crops: Sequence[Crop]) -> Input:
    """Return the low-resolution image that a row scores."""
    crop = next(c for c in crops if (c.name, c.source.name) == (row.crop, row.source))
    return next(low for low in inputs_of(crop, scale) if (low.sigma, low.photons) == (row.sigma, row.photons))


def panels(restore: Restore, low: Input, row: Row) -> list[tuple[str, np.ndarray]]:
    """Return the names and pixels of the input, of bicubic interpolation, the best classical method and the model."""
    others = classical_results(low)
    return [
        ("input", np.kron(low.pixels, np.ones((low.scale, low.scale)))),
        ("bicubic", others["bicubic"]),
        (f"best classical: {row.best_method} ({row.best - row.classical['bicubic']:+.2f} dB)", others[row.best_method]),
        (f"model ({row.over_bicubic:+.2f} dB)", restore(low)),
    ]


def draw(restore: Restore, scale: int, crops: Sequence[Crop], rows: Sequence[Row], folder: Path) -> None:
    """Write a picture of the worst image of each condition, and of the median one."""
    sigmas, numbers = conditions_of(scale)
    for photons in numbers:
        for sigma in sigmas:
            some = [row for row in rows if (row.sigma, row.photons) == (sigma, photons)]
            for rule, row in choose(some, lambda r: r.over_bicubic).items():
                low = input_of(row, scale, crops)
                named = panels(restore, low, row)
                title = f"{rule} of {len(some)}: {row.source}, {row.crop}, {condition(sigma, photons)}"
                name = condition(sigma, photons).replace(" ", "_").replace(",", "")
                write_picture(named, low.crop.pixels, title, folder / f"{name}_{rule}.png")


def write_examples(restore: Restore, scale: int, crops: Sequence[Crop], rows: Sequence[Row], path: Path) -> None:
    """Write the median and the worst image of all conditions as one picture, with a sentence on each in its header.

    Sources whose licence does not allow that are left out.
    """
    shown = {crop.source.name for crop in crops if crop.source.may_be_shown}
    lines, words = [], {}
    for rule, row in reversed(choose([r for r in rows if r.source in shown], lambda r: r.over_bicubic).items()):
        low = input_of(row, scale, crops)
        named = panels(restore, low, row)
        del named[: int(scale == 1)]  # bicubic interpolation is the input then
        lines.append([*(pixels for _, pixels in named), low.crop.pixels])
        gains = f"best classical method ({row.best_method}) {row.best - row.classical['bicubic']:+.2f} dB, "
        gains += f"model {row.over_bicubic:+.2f} dB over {'bicubic' if scale > 1 else 'the input'}"
        words[rule] = f"{row.source}, {condition(row.sigma, row.photons)}: {gains}"
    write_pixels(lines, words, path)
