"""The table of all models, made from their cards."""

from helpers.tables import ROOT, write_table
from napari_superres.models.library.shipped import shipped_cards

PAGE = ROOT / "docs" / "reference" / "zoo-table.md"
NAME = "models"


def table() -> str:
    """Return the table, a line per shipped model."""
    lines = [
        "| model | for | network | scale | PSNR / dB | bicubic / dB | intensities |",
        "|---|---|---|---|---|---|---|",
    ]
    for card in shipped_cards():
        scores = next((s for name, s in card.scores.items() if name == "Set5" or "test " in name), None)
        psnr = "- | -" if scores is None else f"{scores['psnr']:.2f} | {scores['bicubic_psnr']:.2f}"
        lines.append(
            f"| `{card.name}` | {card.modality} | {card.architecture.upper()} | {_factor(card.scale)} | "
            f"{psnr} | {card.intensity} |"
        )
    return "\n".join(lines) + "\n"


def _factor(scale: tuple[int, ...]) -> str:
    return f"x{scale[0]}" if len(scale) == 2 else f"x{scale[0]} along Z"


if __name__ == "__main__":
    write_table(PAGE, NAME, table())
