"""The table of spandrel's architectures in docs/models.md; measuring them takes minutes."""

import warnings
from pathlib import Path

import torch

from helpers.checkpoints.spandrel_networks import EXTRA_LEFT_OUT, EXTRA_NAMES, LEFT_OUT, NAMES, checkpoint
from helpers.tables import ROOT, write_table
from napari_superres.errors import ModelFileError
from napari_superres.models.foreign.loaders.spandrel_models import build_spandrel, detect_spandrel
from napari_superres.models.foreign.measure_card import measure_card

PAGE = ROOT / "docs" / "models.md"


def row(name: str) -> str:
    try:
        weights = checkpoint(name)
        found = detect_spandrel(Path(f"{name}.pth"), weights)
        assert found is not None
        card = measure_card(found.card, build_spandrel(name, found.card, weights).eval())
    except ModelFileError as error:
        return f"| {name} | | | | | | refused: {str(error).split(': ', 1)[-1]} |"
    whole = "yes" if card.global_statistics else ""
    if card.bounded:
        tiles = "exact"
    elif card.tile_error is None:
        tiles = "one tile only"
    else:
        tiles = f"not exact: {card.tile_error:.1g} of the range"
    half = ", ".join(f"{k} {v:.0f}" for k, v in card.precision.items())
    cells = (name, f"x{card.scale[0]}", card.channels, card.multiple[0], card.halo[0], whole, tiles, half)
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    torch.set_num_threads(1)
    lines = [
        "| architecture | scale | channels | multiple | halo | whole-image statistics | tiles | half precision, dB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in sorted((*NAMES, *EXTRA_NAMES), key=str.lower):
        lines.append(row(name))
        print(lines[-1], flush=True)
    for name, reason in {**LEFT_OUT, **EXTRA_LEFT_OUT}.items():
        lines.append(f"| {name} | | | | | | not tried: {reason} | |")
    write_table(PAGE, "spandrel", "\n".join(lines) + "\n")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
