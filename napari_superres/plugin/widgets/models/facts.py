"""What was measured of a model, and where it comes from, in words."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from napari_superres.models import ModelCard
from napari_superres.plugin.widgets.common.card_html import MORE, card_html
from napari_superres.plugin.widgets.models.work import Listed

_UNUSABLE = "This model cannot be used. Check tells why; remove it and add it again."


def whole_card_html(model: Listed) -> str:
    """Return all of a model's card as rich text, or that the model has none that can be used."""
    if model.card is None:
        return _UNUSABLE
    # Without the link that folds it.
    return "<br>".join(line for line in card_html(model.card, whole=True).split("<br>") if f'href="{MORE}"' not in line)


def origin(model: Listed) -> str:
    """Return where a model comes from and how its sha256 begins."""
    entry = model.entry
    words = "Comes with the program." if entry is None else f"Added on {entry.added[:10]} from {entry.file}."
    return f"{words} sha256 {model.sha256[:12]}…" if model.sha256 else words


def facts_html(card: ModelCard) -> str:
    """Return what was measured of a model when it was made or added, and what it does not state, as rich text."""
    facts = {"Halo": _pixels(card.halo), "Tiles": "exact"}
    if card.global_statistics:
        facts["Tiles"] = "exact, once statistics of the whole image are measured"
    if not card.bounded:
        error = card.tile_error
        facts["Tiles"] = (
            "each image must fit in one" if error is None else f"of large images may show ({error:.1g} of the range)"
        )
    if not card.license:  # the card has no line of it then
        facts["Licence"] = "not stated"
    facts["Half precision"] = ", ".join(f"{kind} {value:.0f} dB" for kind, value in card.precision.items())
    return "<br>".join(f"<b>{key}:</b> {escape(value)}" for key, value in facts.items() if value)


def findings_text(found: Mapping[str, Any]) -> str:
    """Return what `inference.check.check_model` measured, in lines."""
    exact = "tiles are exact" if found["exact"] else "tiles are not exact"
    lines = [
        f"Measured here: {exact} (largest error {found['max_tiling_error']:.1g} of the range).",
        f"Halo: {_pixels(found['halo_measured'])} measured, {_pixels(found['halo_on_card'])} on the card.",
    ]
    if found["statistics_layers"]:
        kinds = ", ".join(found["statistics_kinds"])
        lines.append(f"Layers that look at the whole image: {found['statistics_layers']} ({kinds}).")
    if not found["bounded"]:
        lines.append("No halo suffices.")
    for key, value in found.items():
        if key.endswith("_megapixels_per_second"):
            lines.append(f"Speed on {key.split('_')[0]}: {value:.3g} megapixels of the result per second.")
        elif key.endswith("_psnr_db"):
            device, kind = key.split("_")[:2]
            lines.append(f"{kind} on {device}: {value:.0f} dB against fp32.")
    return "\n".join(lines)


def _pixels(sizes: Iterable[int]) -> str:
    return f"{' × '.join(map(str, sizes))} px"
