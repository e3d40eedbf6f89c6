"""Whether a model can run on an image at all."""

from napari_superres.core.image import Image
from napari_superres.models.card import ModelCard


def refusal(card: ModelCard, image: Image) -> tuple[str, str]:
    """Return why a model cannot run on an image because of its axes, and what to do; empty texts if it can."""
    if card.ndim == 3 and "Z" not in image.axes:
        return f"{card.name} works on volumes and needs a Z axis, got axes {image.axes}.", "Use a 2-D model."
    if card.frames > 1 and card.context == "C" and image.size("C") < card.frames:
        return (
            f"{card.name} takes {card.frames} views of one scene as channels, got {image.size('C')} along C.",
            "Join the views along C, for example with axes CYX.",
        )
    if card.frames > 1 and card.context not in image.axes:
        return (
            f"{card.name} looks at {card.frames} neighbouring planes and needs the axis {card.context}, got axes "
            f"{image.axes}.",
            "State the axes with `axes`, or use a model that looks at one plane.",
        )
    return "", ""
