"""Card, measurements and origin of a model as text; without Qt."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from napari_superres.models import ModelCard
from napari_superres.plugin.widgets.common.card_html import MORE, card_html
from napari_superres.plugin.widgets.models.work import ListedModel

_UNUSABLE = "This model cannot be used. Press Check to see why; remove it and add it again."


def whole_card_html(model: ListedModel) -> str:
    """Return the whole card of a model as rich text, or that the model cannot be used."""
    if model.card is None:
        return _UNUSABLE
    # The line with the link that folds the card is left out.
    return "<br>".join(line for line in card_html(model.card, whole=True).split("<br>") if f'href="{MORE}"' not in line)


def origin(model: ListedModel) -> str:
    """Return where a model comes from, and the first digits of its sha256."""
    entry = model.entry
    source = "Comes with the program." if entry is None else f"Added on {entry.added[:10]} from {entry.file}."
    return f"{source} sha256 {model.sha256[:12]}…" if model.sha256 else source


def properties_html(card: ModelCard) -> str:
    """Return the properties that were measured when a model was made or added, as rich text."""
    properties = {"Halo": _pixels(card.halo), "Tiles": "exact"}
    if card.global_statistics:
        properties["Tiles"] = "exact, after measuring statistics of the whole image"
    if not card.bounded:
        error = card.tile_error
        properties["Tiles"] = (
            "not possible: each image must fit into one"
            if error is None
            else f"may be visible in large images ({error:.1g} of the range)"
        )
    if not card.license:  # The card has no line on the licence then.
        properties["Licence"] = "not stated"
    properties["Half precision"] = ", ".join(f"{kind} {value:.0f} dB" for kind, value in card.precision.items())
    return "<br>".join(f"<b>{key}:</b> {escape(value)}" for key, value in properties.items() if value)


def measurement_text(measured: Mapping[str, Any]) -> str:
    """Return what `check_model` measured, in lines."""
    exact = "tiles are exact" if measured["exact"] else "tiles are not exact"
    error = measured["max_tiling_error"]
    size = "error not measured" if error is None else f"largest error {error:.1g} of the range"
    lines = [
        f"Measured here: {exact} ({size}).",
        f"Halo: {_pixels(measured['halo_measured'])} measured, {_pixels(measured['halo_on_card'])} on the card.",
    ]
    if measured["statistics_layers"]:
        kinds = ", ".join(measured["statistics_kinds"])
        lines.append(f"Layers that depend on the whole image: {measured['statistics_layers']} ({kinds}).")
    if not measured["bounded"]:
        lines.append("No halo is large enough for exact tiles.")
    for key, value in measured.items():
        if key.endswith("_megapixels_per_second"):
            lines.append(f"Speed on {key.split('_')[0]}: {value:.3g} megapixels of the result per second.")
        elif key.endswith("_psnr_db"):
            device, kind = key.split("_")[:2]
            lines.append(f"{kind} on {device}: {value:.0f} dB compared with fp32.")
    return "\n".join(lines)


def _pixels(sizes: Iterable[int]) -> str:
    return f"{' × '.join(map(str, sizes))} px"
