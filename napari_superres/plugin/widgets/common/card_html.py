"""Model cards as rich text. Cards come from files, so everything in them is escaped."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from napari_superres.models import ModelCard
from napari_superres.models.card_grid import Grid
from napari_superres.models.grid_map import LEGEND, grid_facts, noise_label

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
    """Return a card as a few lines of rich text, with a link to `MORE` for the rest.

    Parameters
    ----------
    card
        Card of the model.
    whole
        Whether to show the whole card, or only what matters for the choice.
    marker
        Cell of the user's image in the grid of gains.
    """
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
            *_scores(card.scores, whole),
            *(grid_html(card.grid, marker) if whole and card.grid else []),
            _line("Limits", card.limits),
        ]
    if whole:
        lines += [_line("Trained on", card.training), _line("Licence", card.license), _citation(card.citation)]
    title = f"<b>{escape(card.title or card.name)}</b> ({_dimensions(card)},\u00a0{_factor(card)})"
    words = "less" if whole else "training data, licence, citation"
    more = link(MORE, words) if card.training or card.license or card.citation else ""
    return "<br>".join(line for line in [title, *lines, more] if line)


def _line(label: str, text: str) -> str:
    return f"<b>{label}:</b> {escape(text)}" if text else ""


def _factor(card: ModelCard) -> str:
    plane = set(card.scale)
    return f"x{card.scale[0]}" if len(plane) == 1 else "x" + "x".join(str(s) for s in card.scale)


def _dimensions(card: ModelCard) -> str:
    if card.frames > 1:
        return f"{card.frames} {'views' if card.context == 'C' else 'planes'} along {card.context}"
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


def _scores(scores: Mapping[str, Mapping[str, Any]], whole: bool) -> list[str]:
    """Return a line per test set. Only the whole card shows the validation set, because training has used it."""
    lines = []
    for name, entry in sorted(scores.items()):
        parts = []
        for key, unit, form in _METRICS if whole else _METRICS[:1]:
            if isinstance(value := entry.get(key), int | float):
                baselines = ", ".join(f"{other} {score:{form}}" for other, score in _baselines(entry, key))
                parts.append(f"{value:{form}} {unit}" + (f" ({baselines})" if baselines else ""))
        if whole and isinstance(least := entry.get("least_gain_over_best_baseline_db"), int | float):
            parts.append(f"{least:+.2f} dB relative to the best baseline in the worst image")
        if parts and (whole or name != "validation" or len(scores) == 1):
            lines.append(_line(name[:1].upper() + name[1:], ", ".join(parts)))
    return lines


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
    head = "".join(f"<th>{sigma:g}</th>" for sigma in grid.psf_sigma)
    rows = []
    for row, photons in enumerate(grid.photons):
        cells = [f"{grid.sign(row, c)}&nbsp;{gain:+.1f}" for c, gain in enumerate(grid.over_bicubic[row])]
        marked = [f"<b>[{cell}]</b>" if marker == (row, c) else cell for c, cell in enumerate(cells)]
        rows.append(f"<tr><td>{noise_label(photons)}</td>{''.join(f'<td>{cell}</td>' for cell in marked)}</tr>")
    table = f'<table cellspacing="4"><tr><th>PSF sigma</th>{head}</tr>{"".join(rows)}</table>'
    yours = "; [your image]" if marker else ""
    return ["<b>Measured over blur and noise:</b>" + table + LEGEND + yours, *map(escape, grid_facts(grid))]


def _citation(text: str) -> str:
    if not text:
        return ""
    linked = _DOI.sub(lambda m: link(f"https://doi.org/{m[1]}", f"doi:{m[1]}"), escape(text))
    return f"<b>Cite:</b> {linked}"


def link(target: str, words: str) -> str:
    """Return a link in a blue that is readable on dark and on light themes."""
    return f'<a href="{target}" style="color: #4a90d9">{words}</a>'
