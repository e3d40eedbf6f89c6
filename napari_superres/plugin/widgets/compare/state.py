"""What is chosen in the Compare widget, what follows from it, and the texts to show; without Qt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from napari_superres.plugin.host.layers import channel_names_of, other_channels
from napari_superres.plugin.widgets.common.parts.made import MAP, is_result

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

CONVENTIONS = ("microscopy", "sr-paper")
RANGES = ("reference-percentile", "reference-range", "dtype")
PARTNERS = ("reference", "input", "interpolation")
"""What the result can be shown next to."""
PREFERRED = ("reference", "interpolation", "input")
"""The same, the most telling first."""

Activity = Literal["idle", "job", "interpolation"]
"""What is being computed."""

Needs = Literal["reference", "input", "model"]
"""What a map needs besides the result: ``"model"`` is the input and the model that made the result."""


@dataclass(frozen=True, slots=True)
class CompareState:
    """State of the Compare widget at one moment.

    Attributes
    ----------
    result, reference, lr
        The chosen layers: the result, its reference and the low-resolution image it was made from.
    convention, data_range
        As for `evaluate`.
    register
        Whether to register the reference before anything is measured or mapped.
    activity
        ``"job"`` while something is measured or mapped, ``"interpolation"`` while the input is interpolated.
    """

    result: "ImageLayer | None" = None
    reference: "ImageLayer | None" = None
    lr: "ImageLayer | None" = None
    convention: str = "microscopy"
    data_range: str = "reference-percentile"
    register: bool = False
    activity: Activity = "idle"

    @property
    def layers(self) -> "dict[str, ImageLayer]":
        """The chosen layers by role; a layer that is the result is left out of the other roles."""
        others = {"reference": self.reference, "input": self.lr}
        distinct = {role: layer for role, layer in others.items() if layer is not None and layer is not self.result}
        return distinct if self.result is None else {"result": self.result, **distinct}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being computed."""
        return self.activity == "idle"

    @property
    def is_same_layer(self) -> bool:
        """Whether one layer is chosen as result and reference."""
        return self.result is not None and self.result is self.reference

    @property
    def can_press_measure(self) -> bool:
        """Whether the button that measures or cancels can be pressed."""
        return self.activity == "job" or self.can_map("reference") or self.can_map("input")

    @property
    def measure_label(self) -> str:
        """Text of the button that measures or cancels."""
        return "Cancel" if self.activity == "job" else "Measure"

    def can_map(self, needs: Needs) -> bool:
        """Whether a map that needs this can be computed."""
        needed = "reference" if needs == "reference" else "input"
        return self.is_idle and {"result", needed} <= self.layers.keys()

    @property
    def can_save(self) -> bool:
        """Whether a report can be saved."""
        return self.is_idle

    @property
    def can_choose_range(self) -> bool:
        """Whether the convention leaves the data range open."""
        return self.convention != "sr-paper"

    @property
    def can_draw_profile(self) -> bool:
        """Whether a line can be drawn for a profile."""
        return "result" in self.layers

    @property
    def can_plot_spectra(self) -> bool:
        """Whether power spectra can be plotted."""
        return self.is_idle and "result" in self.layers

    @property
    def can_correlate(self) -> bool:
        """Whether result and reference can be correlated."""
        return self.is_idle and {"result", "reference"} <= self.layers.keys()

    def partner(self, role: str) -> "ImageLayer | None":
        """Return the layer that the result is shown next to, or the input for its interpolation; None without one."""
        layers = self.layers
        return layers.get("input" if role == "interpolation" else role) if "result" in layers else None

    @property
    def has_reference(self) -> bool:
        """Whether there is a reference to measure against."""
        return {"result", "reference"} <= self.layers.keys()

    @property
    def given_range(self) -> str | None:
        """Data range to compute with; None where the convention fixes it."""
        return self.data_range if self.can_choose_range else None

    @property
    def evaluate_options(self) -> dict[str, Any]:
        """Keyword arguments of `evaluate`, except the low-resolution image; none without a reference."""
        if not self.has_reference:
            return {}
        return {"convention": self.convention, "data_range": self.given_range, "register": self.register}

    @property
    def hint(self) -> str:
        """What to do before anything can be measured; empty when nothing is missing."""
        if self.is_same_layer:
            return "Result and reference are the same layer: choose another one."
        if self.result is None:
            return "Open a result, and its input or a reference scan of the same field."
        if not self.has_reference and "input" not in self.layers:
            return "Choose the input of the result, or a reference scan of the same field."
        return ""


class Suggestion(NamedTuple):
    """Layers to choose first.

    Attributes
    ----------
    result
        The newest result, or the newest layer.
    reference
        A layer of the same size that is neither a result nor a map; None for no suggestion.
    lr
        The layer that the result was made from; None where it is not open.
    """

    result: "ImageLayer"
    reference: "ImageLayer | None"
    lr: "ImageLayer | None"


def results_of_other_channels(
    viewer: "Viewer", result: "ImageLayer", lr: "ImageLayer | None"
) -> "dict[str, ImageLayer]":
    """Return the results of the other channels of a file, by the names of their channels.

    Parameters
    ----------
    viewer
        napari viewer of the layers.
    result, lr
        Result of one channel, and the layer that it was made from. Without that layer, the other channels of the
        result's own file are returned.
    """
    if lr is None:
        found = other_channels(viewer, result)
    else:
        made = [layer for layer in reversed(viewer.layers) if is_result(layer)]
        sources = [layer.name for layer in other_channels(viewer, lr)]
        found = [layer for name in sources for layer in made if layer.name.startswith(f"{name} [")]
    named = {"".join(channel_names_of(layer)) or layer.name: layer for layer in reversed(found)}  # the newest of each
    return dict(sorted(named.items(), key=lambda one: one[1].metadata.get("channel", 0)))


def suggest_layers(layers: "Sequence[ImageLayer]") -> Suggestion | None:
    """Return the layers that a user most probably wants to compare.

    Parameters
    ----------
    layers
        Image layers, the newest first.
    """
    if not layers:
        return None
    result = next((layer for layer in layers if "provenance" in layer.metadata), layers[0])
    others = [layer for layer in layers if layer is not result]
    same_size = [
        layer
        for layer in others
        if layer.data.shape == result.data.shape and not {"provenance", MAP} & layer.metadata.keys()
    ]
    named = [layer for layer in same_size if "reference" in layer.name.lower()]
    sources = [layer for layer in others if result.name.startswith(f"{layer.name} [")]
    return Suggestion(result, next(iter(named or same_size), None), next(iter(sources), None))
