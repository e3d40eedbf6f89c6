"""State of the Super-resolve widget: what is chosen, what may be pressed and what is shown.

Nothing here knows Qt or napari. The widget replaces its state at every event and shows the new one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.models import ModelCard, find_card
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.common.blur_noise import BlurNoise
from napari_superres.plugin.widgets.common.card_html import card_html
from napari_superres.plugin.widgets.common.wording import duration, parse_range, progress_text

if TYPE_CHECKING:
    from napari_superres.inference import Progress
    from napari_superres.inference.planning.lens import Lens

WHOLE, VISIBLE, SHAPE, SLICE = "whole layer", "visible field", "drawn shape", "current slice"
"""Regions of a layer that can be computed."""

_SHARES = 1000
"""Steps of the bar while something is learnt from a layer."""


class Phase(Enum):
    """What the widget is doing."""

    IDLE = "idle"
    RUNNING = "running"
    CANCELLING = "cancelling"


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """Facts of the chosen layer.

    Attributes
    ----------
    axes
        As in the widget's field, one letter per axis of the array.
    unit
        napari's unit of the last axis, "pixel" where the layer has none.
    is_rgb
        Whether the layer is a colour image.
    pixel_size
        Along Y and X, in `pixel_unit`. None if the layer is no image with these axes.
    pixel_unit
        Unit of length; None if the pixel size is unknown.
    axes_guessed
        Whether neither the file nor the user named the axes.
    lens
        Lens that the layer's file states; None if it states none.
    """

    axes: str
    unit: str = "pixel"
    is_rgb: bool = False
    pixel_size: tuple[float, float] | None = None
    pixel_unit: str | None = None
    axes_guessed: bool = False
    lens: "Lens | None" = None


@dataclass(frozen=True, slots=True)
class Request:
    """Image, model and options of a run, as `napari_superres.upscale` takes them; and what was seen in the pixels."""

    image: Image
    model: str | Mapping[int, str]
    options: Mapping[str, Any]
    seen: dict[Any, Any] = field(default_factory=dict, compare=False)

    @property
    def channels(self) -> list[int]:
        """Indices of the channels that are computed; none if the image has no such axis."""
        if isinstance(self.model, Mapping):
            return list(self.model)
        every = range(self.image.size("C")) if "C" in self.image.axes else ()
        return list(self.options.get("channels") or every)

    @property
    def first(self) -> dict[str, int]:
        """Where the result begins along time and channels, as `to_layer` takes it."""
        roi: Mapping[str, tuple[int, int]] = self.options.get("roi") or {}
        first = {"T": roi["T"][0]} if "T" in roi else {}
        channels = self.channels
        # Channels that are not neighbours have no place of their own along the axis.
        is_run = bool(channels) and channels == list(range(channels[0], channels[0] + len(channels)))
        return {**first, "C": channels[0]} if is_run and channels[0] else first

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models, each once."""
        names = (self.model,) if isinstance(self.model, str) else self.model.values()
        return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class UpscaleState:
    """State of the Super-resolve widget.

    Attributes
    ----------
    layer
        Facts of the chosen layer; None without one.
    model
        Name or file of the chosen model.
    card
        Card of the model; None if it cannot be read.
    is_asking
        Whether nothing tells what the layer shows, and the user has not said it.
    is_card_whole
        Whether the whole card is shown.
    region
        Which part of the layer is computed.
    channels
        Model of each computed channel, by its index; None if the layer has no axis of channels.
    device, precision, tile, tta
        As the options of `napari_superres.upscale`; the tile as text.
    scheduler
        Address of the cluster that computes; None for this computer.
    intensity_range
        Text of the field for the intensities that become 0 and 1; empty to fit them.
    blur_noise
        What a conditioned network shall be told; None for other models.
    noise_text, told_text
        The noise of the plan in words, and what its model is told of blur and noise.
    grid_cell
        Row and column of the card's grid of gains that are nearest to the layer; None until there is a plan.
    units_notice
        Warning about layers in pixels among layers with units.
    plan
        Summary of the plan, or why there is none.
    is_refused
        Whether the plan says that the run is impossible.
    is_ready
        Whether torch is loaded.
    phase
        What the widget is doing.
    has_partial_result
        Whether the running computation has shown a tile.
    progress
        Finished and all tiles of the run; None while it prepares.
    message
        The status line.
    """

    layer: LayerFacts | None = None
    model: str = ""
    card: ModelCard | None = None
    is_asking: bool = False
    is_card_whole: bool = False
    region: str = WHOLE
    channels: Mapping[int, str] | None = None
    device: str = "auto"
    precision: str = "auto"
    tile: str = "auto"
    tta: bool = False
    scheduler: str | None = None
    intensity_range: str = ""
    blur_noise: BlurNoise | None = None
    noise_text: str = ""
    told_text: str = ""
    grid_cell: tuple[int, int] | None = None
    units_notice: str = ""
    plan: str = ""
    is_refused: bool = False
    is_ready: bool = False
    phase: Phase = Phase.IDLE
    has_partial_result: bool = False
    progress: tuple[int, int] | None = None
    message: str = ""

    # What may be pressed

    @property
    def is_running(self) -> bool:
        """Whether a result is being computed."""
        return self.phase is not Phase.IDLE

    @property
    def can_press_run(self) -> bool:
        """Whether the Run button, which cancels while a result is computed, may be pressed."""
        can_start = self.phase is Phase.IDLE and self.layer is not None
        return self.phase is Phase.RUNNING or (can_start and not self.is_asking and not self.is_refused)

    @property
    def can_keep(self) -> bool:
        """Whether the run can be stopped and its finished part kept."""
        return self.phase is Phase.RUNNING and self.has_partial_result

    @property
    def can_plan(self) -> bool:
        """Whether there is something to plan or preview."""
        return self.is_ready and self.phase is Phase.IDLE and self.layer is not None and bool(self.model)

    # What is shown

    @property
    def run_label(self) -> str:
        """Text of the Run button."""
        return {Phase.IDLE: "Run", Phase.RUNNING: "Cancel", Phase.CANCELLING: "Cancelling…"}[self.phase]

    @property
    def run_tooltip(self) -> str:
        """Tooltip of the Run button."""
        if self.is_refused:
            return "The line above says why this cannot be computed, and what to do."
        if self.phase is Phase.IDLE:
            return "Compute the finer image. It appears as a new layer over this one, tile by tile (Ctrl+Enter)."
        return "Stop after the current tile and remove the unfinished layer."

    @property
    def card_text(self) -> str:
        """The model's card as rich text."""
        return "" if self.card is None else card_html(self.card, whole=self.is_card_whole, marker=self.grid_cell)

    @property
    def notice(self) -> str:
        """Reasons to doubt what is known of the layer, one per line."""
        doubts, layer = list[str](), self.layer
        if layer is not None:
            doubts.append(self.units_notice)
            doubts.append(f"The axes {layer.axes} are a guess: correct them if they are others." * layer.axes_guessed)
        return "\n".join(window_text(text) for text in doubts if text)

    @property
    def estimate(self) -> str:
        """What a run will make and take, or what to do first."""
        if self.layer is None:
            return "Open an image (File > Open, or File > Open Sample > Super-Resolution)."
        elsewhere = "The cluster computes it; device and time are those of this computer."
        return "\n".join(
            text for text in (window_text(self.plan), elsewhere * bool(self.plan and self.scheduler)) if text
        )

    @property
    def asks_for_pixel_size(self) -> bool:
        """Whether the form for an unknown pixel size is shown."""
        layer = self.layer
        return layer is not None and layer.pixel_size is not None and layer.pixel_unit is None

    # What a run is asked for

    @property
    def options(self) -> dict[str, Any]:
        """Options of the engine, without channels and region.

        Raises
        ------
        SettingsError
            If the text of the noise or of the intensity range cannot be understood.
        """
        tile = self.tile if self.tile == "auto" else int(self.tile)
        told = {} if self.blur_noise is None else self.blur_noise.options()
        computing = {"device": self.device, "precision": self.precision, "tile": tile, "tta": self.tta}
        return {**computing, "scheduler": self.scheduler, "intensity_range": parse_range(self.intensity_range), **told}

    def request(self, image: Image, roi: Mapping[str, tuple[int, int]], model: str = "") -> Request:
        """Return the run that is chosen.

        Parameters
        ----------
        image
            A layer as an image.
        roi
            Region in pixels of the image; empty for all of it.
        model
            Model of the layer; by default the chosen one.

        Raises
        ------
        SettingsError
            If a text field cannot be understood, or no channel is ticked.
        ModelFileError
            If a model cannot be read.
        """
        channels = self.channels if "C" in image.axes else None
        models: str | Mapping[int, str] = model or self.model
        indices = None
        if channels is not None:
            if not channels:
                raise no_channel()
            is_one = len(set(channels.values())) == 1
            models = next(iter(channels.values())) if is_one else dict(channels)
            indices = list(channels) if is_one and len(channels) < image.size("C") else None
        options = {**self.options, "channels": indices, "roi": dict(roi) or None}
        request = Request(image, models, options)
        if self.blur_noise is not None and not any(find_card(name).conditions for name in request.model_names):
            told = self.blur_noise.options()
            return replace(request, options={k: v for k, v in options.items() if k not in told})
        return request

    # What happens

    def start(self) -> "UpscaleState":
        """Return the state in which a run prepares."""
        return replace(self, phase=Phase.RUNNING, has_partial_result=False, progress=None, message="Preparing…")

    def advance(self, step: "Progress") -> "UpscaleState":
        """Return the state after a step of the run; a run that is being cancelled keeps its message.

        Parameters
        ----------
        step
            As `napari_superres.iter_upscale` yields it.
        """
        state = replace(self, progress=(step.done, step.total))
        if self.phase is not Phase.RUNNING:
            return state
        has_result = self.has_partial_result or step.region is not None
        return replace(state, has_partial_result=has_result, message=progress_text(step))

    def learn(self, share: float, remaining: float) -> "UpscaleState":
        """Return the state after a step of learning from the layer.

        Parameters
        ----------
        share
            What is done, from 0 to 1; at 0 it is still being prepared, and at 1 only checked.
        remaining
            Seconds that learning takes from now on.
        """
        state = replace(self, progress=(round(_SHARES * share), _SHARES))
        if self.phase is not Phase.RUNNING or share == 0:
            return state
        left = f"about {duration(remaining)} left" if share < 1 else "comparing on parts that were held out…"
        return replace(state, message=f"Learning from the layer: {left}")

    def cancel(self, message: str = "") -> "UpscaleState":
        """Return the state in which the run is stopping.

        Parameters
        ----------
        message
            New status line; the old one stays by default.
        """
        return replace(self, phase=Phase.CANCELLING, message=message or self.message)

    def finish(self, message: str) -> "UpscaleState":
        """Return the state after a run, with a line about its result."""
        return replace(self, phase=Phase.IDLE, has_partial_result=False, progress=None, message=message)


def no_channel() -> SettingsError:
    """Return the error of a run without a channel."""
    return SettingsError("no channel is ticked.", remedy="Tick a channel to compute it.")


def complete_message(
    *, seconds: float, layers: Sequence[str], source_change: str, precision: str = "", warnings: Sequence[str] = ()
) -> str:
    """Return the status line after a complete run.

    Parameters
    ----------
    seconds
        Duration of the run.
    layers
        Names of the layers of the results.
    source_change
        Whether the source's pixels were ``"replaced"`` or ``"edited"`` in place during the run; empty if neither.
    precision
        Format of 16 bits that the result was computed in, if any.
    warnings
        What the run warned of. napari shows only the beginning of a long notification.
    """
    above = "its source" if len(layers) == 1 else "their sources"
    done = f"Done in {duration(seconds)}{precision and f' in {precision}'}."
    message = f"{done} Added above {above}: {', '.join(layers)}"
    if source_change:
        mixed = " Parts of the result may be of the pixels before: run again." if source_change == "edited" else ""
        message = f"{message}. The source's pixels were {source_change} during the run.{mixed}"
    return "\n".join([message, *map(window_text, warnings)])
