"""The grid of a card as a small map: which cell an image falls into, and the lines that draw it."""

from collections.abc import Iterator, Sequence
from math import sqrt

from napari_superres.models.card import ModelCard
from napari_superres.models.card_grid import Grid

_MIDDLE = 0.5
"""Intensity, on the model's scale, at which the noise of an image is compared with that of the grid."""

LEGEND = (
    "mean gain over bicubic in dB; ++ at least 0.5 dB above the best classical method of each image, + above it, "
    "- below it, -- below bicubic"
)


def grid_marker(card: ModelCard, psf_sigma: float, noise: tuple[float, float]) -> tuple[int, int] | None:
    """Return the cell of a card's grid that is nearest to an image.

    Parameters
    ----------
    card
        Card of a model.
    psf_sigma
        Standard deviation of the point-spread function of the image, in pixels of the result; 0 where it is unknown.
    noise
        Gain and read noise of the image on the model's scale, as in `core.conditions`.

    Returns
    -------
    tuple of int or None
        Row and column; None if the card has no grid.
    """
    if card.grid is None:
        return None
    gain, read_noise = noise
    deviation = sqrt(gain * _MIDDLE + read_noise**2)
    rows = [0.0 if photons is None else sqrt(_MIDDLE / photons) for photons in card.grid.photons]
    return _nearest(rows, deviation), _nearest(card.grid.psf_sigma, psf_sigma)


def _nearest(values: Sequence[float], value: float) -> int:
    return min(range(len(values)), key=lambda i: abs(values[i] - value))


def noise_label(photons: float | None) -> str:
    """Return the label of a row."""
    return "no noise" if photons is None else f"{photons:g} photons"


def grid_lines(grid: Grid, marker: tuple[int, int] | None = None) -> Iterator[str]:
    """Yield a grid as lines of text: the map, with the cell of an image in brackets, then the worst image and sources.

    Parameters
    ----------
    grid
        Grid of a card.
    marker
        Row and column of the cell that is marked.
    """
    yield "PSF sigma".ljust(12) + "".join(f"{sigma:^12g}" for sigma in grid.psf_sigma).rstrip()
    for row, photons in enumerate(grid.photons):
        cells = [f"{grid.sign(row, c):>2} {gain:+.2f}" for c, gain in enumerate(grid.over_bicubic[row])]
        marked = [f"[{cell}]" if marker == (row, c) else cell for c, cell in enumerate(cells)]
        yield noise_label(photons).ljust(12) + "".join(f"{cell:^12}" for cell in marked).rstrip()
    yield f"({LEGEND}{'; [your image]' if marker else ''})"
    yield from grid_facts(grid)


def grid_facts(grid: Grid) -> Iterator[str]:
    """Yield what a map does not show: the worst image, gains by default, and on seen and unseen sources."""
    yield f"worst of {grid.images} images: {grid.worst:+.2f} dB relative to bicubic ({grid.worst_image})"
    if grid.by_default:
        cells = [gain for row in grid.by_default for gain in row]
        yield f"with default settings: {sum(cells) / len(cells):+.2f} dB over bicubic on average"
    for words, names, gain in (
        ("unseen", grid.unseen, grid.unseen_over_classical),
        ("partly seen in training", grid.seen, grid.seen_over_classical),
    ):
        if gain is not None:
            yield f"{words}: {gain:+.2f} dB over the best classical method ({', '.join(names)})"
