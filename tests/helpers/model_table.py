"""The README's table of models, made from the cards. ``make tables`` writes it."""

from pathlib import Path

from napari_superres.models.library.shipped import shipped_cards

README = Path(__file__).parents[2] / "README.md"
START, END = "<!-- models -->\n", "<!-- end -->"


def table() -> str:
    lines = [
        "| model | for | network | scale | PSNR / dB | bicubic / dB | intensities |",
        "|---|---|---|---|---|---|---|",
    ]
    for card in shipped_cards():
        scores = next(s for name, s in card.scores.items() if name == "Set5" or "test " in name)
        lines.append(
            f"| `{card.name}` | {card.modality} | {card.architecture.upper()} | {_factor(card.scale)} | "
            f"{scores['psnr']:.2f} | {scores['bicubic_psnr']:.2f} | {card.intensity} |"
        )
    return "\n".join(lines) + "\n"


def _factor(scale: tuple[int, ...]) -> str:
    return f"x{scale[0]}" if len(scale) == 2 else f"x{scale[0]} along Z"


def parts() -> tuple[str, str, str]:
    before, rest = README.read_text(encoding="utf-8").split(START)
    found, after = rest.split(END, 1)
    return before, found, after


if __name__ == "__main__":
    before, _, after = parts()
    README.write_text(before + START + table() + END + after, encoding="utf-8")
