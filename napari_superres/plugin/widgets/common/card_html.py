"""Model cards as rich text. Cards come from files, so everything in them is escaped."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from napari_superres.models import ModelCard
from napari_superres.models.card_grid import Grid
from napari_superres.models.grid_map import LEGEND, grid_facts

MORE = "#more"
"""Target of the link that shows or hides the rest of a card."""

_METRICS = (("psnr", "dB", ".2f"), ("ssim", "SSIM", ".4f"))
_DOI = re.compile(r"doi:(10\.\d{4,}/[^\s,;]+)")


def model_label(card: ModelCard) -> str:
    """Return the entry of a model in a list: its name and modality."""
    return f"{card.name} · {'interpolation' if card.is_interpolation else card.modality}"


def in_groups(cards: Sequence[ModelCard]) -> list[list[ModelCard]]:
    """Group cards by modality, in alphabetical order with interpolation last."""
    groups: dict[str, list[ModelCard]] = {}
    for card in cards:
        groups.setdefault("" if card.is_interpolation else card.modality, []).append(card)
    return [groups[key] for key in sorted(groups, key=lambda key: (key == "", key))]


def card_html(card: ModelCard, *, whole: bool, marker: tuple[int, int] | None = None) -> str:
    """Return a card as rich text, with a link to `MORE` that shows or hides the rest.

    Parameters
    ----------
    card
        Card of the model.
    whole
        Whether to show the whole card, or one sentence of it.
    marker
        Cell of the user's image in the grid of gains.
    """
    title = f"<b>{escape(card.title or card.name)}</b> ({_dimensions(card)},\u00a0{factor_text(card)})"
    if not whole:
        return f"{title} {escape(_sentence(card))} {link(MORE, 'more')}"
    if card.is_interpolation:
        lines = [
            _line("For", "any image: a baseline to judge models by"),
            _line("Detail", "none is added: interpolation only"),
        ]
    else:
        lines = [
            _line("For", f"{card.modality}, {_pixels(card)}"),
            _line("Trained against", card.degradation),
            _line("Adapts to", _conditions(card)),
            *_scores(card.scores),
            *(grid_html(card.grid, marker) if card.grid else []),
            _line("Limits", card.limits),
        ]
    lines += [_line("Trained on", card.training), _line("Licence", card.license), _citation(card.citation)]
    return "<br>".join(line for line in [title, *lines, link(MORE, "less")] if line)


def _sentence(card: ModelCard) -> str:
    """Return what a model is for and its score on the first of its test sets, as words that follow its title."""
    if card.is_interpolation:
        return "adds no detail: a baseline to judge models by."
    tests = [name for name in sorted(card.scores) if name != "validation"]
    scores = [f"{name}: {text}" for name in tests[:1] if (text := _score(card.scores[name], *_METRICS[0]))]
    return f"for {card.modality}. {'. '.join(score[:1].upper() + score[1:] for score in scores)}".rstrip(". ") + "."


def _line(label: str, text: str) -> str:
    return f"<b>{label}:</b> {escape(text)}" if text else ""


def factor_text(card: ModelCard) -> str:
    """Return the factor of a model, such as x2, or x4x1x1 for volumes."""
    plane = set(card.scale)
    return f"x{card.scale[0]}" if len(plane) == 1 else "x" + "x".join(str(s) for s in card.scale)


def _dimensions(card: ModelCard) -> str:
    if card.frames > 1:
        return f"{card.frames} planes along {card.context}"
    return "planes" if card.ndim == 2 else "volumes"


def _pixels(card: ModelCard) -> str:
    if card.pixel_size is None:
        return "pixel size not stated"
    return f"pixels of {card.pixel_size[0]:g} to {card.pixel_size[1]:g} µm"


def _conditions(card: ModelCard) -> str:
    noise = ["noise"] if {"gain", "read_noise"} & card.conditions.keys() else []
    blur = [
        f"a known PSF with a sigma of up to {most:g} pixels of the result"
        for name, (_, most) in card.conditions.items()
        if name == "psf_sigma"
    ]
    return " and ".join(noise + blur)


def _scores(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line per test set."""
    lines = []
    for name, entry in sorted(scores.items()):
        parts = [text for metric in _METRICS if (text := _score(entry, *metric))]
        if isinstance(least := entry.get("least_gain_over_best_baseline_db"), int | float):
            parts.append(f"{least:+.2f} dB relative to the best baseline in the worst image")
        if parts:
            lines.append(_line(name[:1].upper() + name[1:], ", ".join(parts)))
    return lines


def _score(entry: Mapping[str, Any], key: str, unit: str, form: str) -> str:
    """Return a score next to those of the baselines; empty if there is none."""
    if not isinstance(value := entry.get(key), int | float):
        return ""
    baselines = ", ".join(f"{other} {score:{form}}" for other, score in _baselines(entry, key))
    return f"{value:{form}} {unit}" + (f" ({baselines})" if baselines else "")


def _baselines(entry: Mapping[str, Any], metric: str) -> list[tuple[str, float]]:
    """Return bicubic interpolation with its score, and the best baseline if that is better."""
    ending = f"_{metric}"
    scores = {k.removesuffix(ending): v for k, v in entry.items() if k.endswith(ending) and isinstance(v, int | float)}
    best = max(scores, key=lambda name: scores[name], default="")
    return [(name.replace("_", "-"), scores[name]) for name in dict.fromkeys(("bicubic", best)) if name in scores]


def grid_html(grid: Grid, marker: tuple[int, int] | None = None) -> list[str]:
    """Return the gains of a model by blur and noise as rich text: a table, what its signs mean, and other facts.

    Parameters
    ----------
    grid
        Grid of a card.
    marker
        Cell of the user's image, which is marked, as row and column.
    """
    # Levels of noise are fewer than widths, and columns of small type fit into a narrow panel.
    head = "".join(f"<th><small>{_noise(photons)}</small></th>" for photons in grid.photons)
    rows = []
    for c, sigma in enumerate(grid.psf_sigma):
        cells = [f"{grid.sign(row, c)} {gains[c]:+.1f}" for row, gains in enumerate(grid.over_bicubic)]
        marked = [f"<b>[{cell}]</b>" if marker == (row, c) else cell for row, cell in enumerate(cells)]
        texts = "".join(f"<td><small>{text}</small></td>" for text in (f"{sigma:g}", *marked))
        rows.append(f"<tr>{texts}</tr>")
    table = f'<table cellspacing="3"><tr><th></th>{head}</tr>{"".join(rows)}</table>'
    yours = "; [your image]" if marker else ""
    title = "<b>Measured by PSF sigma (rows) and photons (columns):</b>"
    return [title + table + LEGEND + yours, *map(escape, grid_facts(grid))]


def _noise(photons: float | None) -> str:
    return "no noise" if photons is None else f"{photons:g}"


def _citation(text: str) -> str:
    if not text:
        return ""
    linked = _DOI.sub(lambda m: link(f"https://doi.org/{m[1]}", f"doi:{m[1]}"), escape(text))
    return f"<b>Cite:</b> {linked}"


def link(target: str, words: str) -> str:
    """Return a link in a blue that is readable on dark and on light themes."""
    return f'<a href="{target}" style="color: #4a90d9">{words}</a>'
