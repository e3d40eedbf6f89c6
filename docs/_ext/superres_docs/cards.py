"""Section per shipped model with the facts and scores on its card, grouped by modality."""

from collections.abc import Iterator, Mapping
from os.path import relpath
from pathlib import Path
from typing import Any

from napari_superres.models.card import ModelCard
from napari_superres.models.card_grid import Grid
from napari_superres.models.grid_map import LEGEND, grid_facts, noise_label
from napari_superres.models.library.shipped import interpolation_cards, shipped_cards, shipped_file, thumbnail_file
from napari_superres.models.model_file import digest
from superres_docs.text import plain, table

_PAGE = Path(__file__).resolve().parents[2] / "reference" / "zoo.md"
"""The page that holds the sections."""

_EXAMPLES = _PAGE.parents[1] / "images" / "examples"
"""Pictures of the median and the worst result of each grid, written by tests/benchmarks/grid.py."""

_MEASURES = {"psnr": "PSNR / dB", "ssim": "SSIM"}
_BASELINES = ("bicubic", "lanczos", "wiener", "richardson_lucy", "non_local_means", "zero_filling")
_REMARKS = {
    "intensity_over_bicubic": "Mean intensity divided by that of bicubic interpolation: {}.",
    "least_gain_over_bicubic_db": "Least gain over bicubic interpolation in any of the images: {} dB.",
    "least_gain_over_best_baseline_db": "Least gain over the best baseline in any of the images: {} dB.",
}
_COLOURS = {"luma": "network on luminance, bicubic interpolation of colour", "per-channel": "each sample separately"}


def write() -> str:
    """Return Markdown with a section per modality and model, and a table of interpolations at the end."""
    cards = shipped_cards()
    lines: list[str] = []
    for modality in dict.fromkeys(card.modality for card in cards):
        lines += [f"## {modality[:1].upper()}{modality[1:]}", ""]
        for card in (c for c in cards if c.modality == modality):
            lines += _section(card)
    lines += ["## Interpolation", ""]
    head = ["model", "at any scale", "halo", "source"]
    kernels = {card.name.rpartition("-")[0]: card for card in reversed(interpolation_cards())}
    rows = [
        [f"`{card.name}`", f"`{kernel}-xN`", f"{max(card.halo)} pixels", plain(card.citation) or "-"]
        for kernel, card in reversed(kernels.items())
    ]
    return "\n".join([*lines, *table(head, rows)])


def _section(card: ModelCard) -> Iterator[str]:
    yield from [f"### {card.name}", "", f"{plain(card.title)}.", ""]
    if picture := thumbnail_file(card.name):
        shown = relpath(picture, _PAGE.parent).replace("\\", "/")
        yield from [f"![An image before and after {card.name}]({shown})", "", f"{plain(_source(picture))}.", ""]
    for name, value in _facts(card).items():
        yield from [f"**{name}**", f": {value}", ""]
    for test, scores in sorted(card.scores.items(), key=lambda item: item[0] == "validation"):
        yield from _scores(card.name, test, scores)
    if card.grid:
        yield from _grid(card.grid)
    if (example := _EXAMPLES / f"{card.name}.png").exists():
        yield from _example(card, example)


def _source(picture: Path) -> str:
    """Return what a thumbnail shows, from its header."""
    from PIL import Image

    with Image.open(picture) as image:
        return f"Before and after: {image.info['Source']}"


def _facts(card: ModelCard) -> dict[str, str]:
    path = shipped_file(card.name)
    arguments = ", ".join(f"{key} {_short(value)}" for key, value in card.arguments.items() if key != "scale")
    return {
        "Network": plain(f"{card.architecture.upper()}{f' ({arguments})' if arguments else ''}"),
        "Scale": f"{' x '.join(map(str, card.scale))} ({'Z, Y, X' if card.ndim == 3 else 'Y, X'})",
        "Input": _input(card),
        "Pixel size of the training images": _pixels(card),
        "Noise of the training images": "not stated"
        if card.noise is None
        else f"{card.noise[0]:.3f} to {card.noise[1]:.3f} of the range",
        "Halo": f"{', '.join(map(str, card.halo))} low-resolution pixels per side",
        "Intensities": _intensities(card),
        "RGB": _COLOURS[card.color],
        "Degradation": plain(card.degradation),
        "Training": plain(card.training),
        "Limits": plain(card.limits),
        "Licence of the weights": plain(card.license),
        "Cite": plain(card.citation),
        "SHA-256": f"`{digest(path)}`" if path else "",
    }


def _scores(name: str, test: str, scores: Mapping[str, Any]) -> Iterator[str]:
    """Yield the protocol of a test set, a row of scores per candidate, and other measurements as remarks."""
    count = scores.get("images", 0)
    images = f" ({count} {'image' if count == 1 else 'images'})" if count else ""
    measures = [m for m in _MEASURES if m in scores]
    without = "" if measures else " The card has no score."
    yield from [f"**{plain(test)}**{images}: {plain(scores['protocol'])}.{without}", ""]
    if not measures:
        return
    others = [k.removesuffix("_psnr") for k in scores if k.endswith("_psnr")]
    others.sort(key=lambda other: _BASELINES.index(other) if other in _BASELINES else len(_BASELINES))
    rows = [[f"**{name}**", *(f"{scores[m]}" for m in measures)]]
    for other in others:
        rows.append([other.replace("_", "-"), *(f"{scores.get(f'{other}_{m}', '-')}" for m in measures)])
    yield from table(["", *(_MEASURES[m] for m in measures)], rows)
    remarks = [text.format(scores[key]) for key, text in _REMARKS.items() if key in scores]
    if remarks:
        yield from [" ".join(remarks), ""]


def _grid(grid: Grid) -> Iterator[str]:
    """Yield the map of gains over blur and noise, and what it does not show."""
    yield from [f"**Blur and noise** ({grid.images} images): {plain(grid.protocol)}.", ""]
    head = ["noise, PSF sigma", *(f"{sigma:g}" for sigma in grid.psf_sigma)]
    rows = [
        [noise_label(photons), *(f"{grid.sign(row, c)} {gain:+.2f}" for c, gain in enumerate(grid.over_bicubic[row]))]
        for row, photons in enumerate(grid.photons)
    ]
    yield from table(head, rows)
    yield from [f"Each cell: {plain(LEGEND)}.", "", *(f"- {plain(line)}" for line in grid_facts(grid)), ""]


def _example(card: ModelCard, picture: Path) -> Iterator[str]:
    """Yield the median and the worst result of a grid, with what the header of the picture says of each."""
    from PIL import Image

    with Image.open(picture) as image:
        words = {rule: image.info[rule] for rule in ("median", "worst")}
    panels = "input, " if card.scale[0] == 1 else "input, bicubic interpolation, "
    shown = relpath(picture, _PAGE.parent).replace("\\", "/")
    yield from [f"![The median and the worst result of {card.name}]({shown})", ""]
    yield from [
        "Chosen by rule, where the model errs most in the median image (above) and in the worst (below). From the"
    ]
    yield from [f"left: {panels}best classical method, model, truth.", ""]
    yield from [f"- {rule}: {plain(text)}" for rule, text in words.items()]
    yield ""


def _input(card: ModelCard) -> str:
    if card.ndim == 3:
        return "volumes"
    if card.frames == 1:
        return "planes"
    return f"{card.frames} neighbouring planes along {card.context}, of which the middle one is computed"


def _pixels(card: ModelCard) -> str:
    if card.pixel_size is None:
        return "not stated; superres does not warn about other pixel sizes"
    smallest, largest = card.pixel_size
    return f"{smallest:g} µm" if smallest == largest else f"{smallest:g} to {largest:g} µm"


def _intensities(card: ModelCard) -> str:
    low, high = card.percentiles
    fitted = f"percentiles {low:g} and {high:g} of each channel map to 0 and 1"
    if card.intensity == "unit":
        return f"`unit`: 0 to 255 of 8-bit images map to 0 and 1; of other types {fitted}"
    return f"`{card.intensity}`: {fitted}"


def _short(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
