"""What the tour says. Each step is about one control of Super-resolve."""

from typing import NamedTuple


class Step(NamedTuple):
    """One step of the tour.

    Attributes
    ----------
    control
        Accessible name of the control.
    text
        What the user can do there.
    """

    control: str
    text: str


STEPS = (
    Step("Layer", "Super-resolve works on one layer. It follows the layer that you select in napari's list."),
    Step("Model", "The model is chosen for your image, and a line says why. Choose another one here."),
    Step("Fitness", "This line says whether the model fits your image. If it does not, a button below it helps."),
    Step("Live preview", "The preview shows the result for what you see. Zoom in; switch it off and on to compare."),
    Step(
        "Run",
        "Run computes the whole layer. Below it, Compare then tells how far to believe the result, and Save keeps it.",
    ),
)
