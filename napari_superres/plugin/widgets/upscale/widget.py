"""The Super-resolve widget: reacts to its controls, plans, and runs the model on the chosen layer."""

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.plugin.host.layers import guess_layer_axes, to_image
from napari_superres.plugin.host.preferences import preferences
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.blur_noise import noise_text, told_text
from napari_superres.plugin.widgets.common.blur_noise_form import BlurNoiseForm
from napari_superres.plugin.widgets.common.card_html import MORE
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.parts.made import is_made
from napari_superres.plugin.widgets.common.source_switch import SourceSwitch
from napari_superres.plugin.widgets.common.wording import mixed_units, plan_text
from napari_superres.plugin.widgets.upscale import snippets
from napari_superres.plugin.widgets.upscale.choosing.channels_form import ChannelsForm
from napari_superres.plugin.widgets.upscale.choosing.chooser import ModelChooser
from napari_superres.plugin.widgets.upscale.choosing.fitness_form import FitnessForm
from napari_superres.plugin.widgets.upscale.crop import Crop
from napari_superres.plugin.widgets.upscale.layer_facts import facts_of
from napari_superres.plugin.widgets.upscale.layer_run import RunningControls
from napari_superres.plugin.widgets.upscale.learning.adapting import AdaptForm
from napari_superres.plugin.widgets.upscale.learning.isotropic import IsotropicForm
from napari_superres.plugin.widgets.upscale.pixel_size import PixelSizeForm, set_pixel_size
from napari_superres.plugin.widgets.upscale.preview import Preview
from napari_superres.plugin.widgets.upscale.region import RegionForm
from napari_superres.plugin.widgets.upscale.resample import ResampleButton
from napari_superres.plugin.widgets.upscale.state import LayerFacts, Request, UpscaleState
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    import napari
    from napari.layers import Image as ImageLayer

    from napari_superres.inference import Plan
    from napari_superres.inference.planning.estimate import Estimate

_PLAN_DELAY = 300  # milliseconds without a change before a new plan is made
_RETRY_DELAY = 3000  # after a refusal: memory may be free, a shape drawn or the layer in view by then
_ESTIMATING = "Estimating…"
_PLANNED = ("data", "scale", "units")
"""Events of a layer that change its plan."""


class UpscaleWidget(RunningControls):
    """The Super-resolve widget.

    Parameters
    ----------
    viewer
        napari viewer whose layers can be chosen.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:  # napari looks for this very annotation
        super().__init__(viewer)
        viewer = self.viewer
        self.state = UpscaleState(message="Loading PyTorch. The window may not respond for a moment…")
        self._plan_job: Job | None = None
        self._is_layer_by_hand = False
        self._followed: ImageLayer | None = None
        # It is selected again after each result or preview that is added: that is no choice of the user.
        self._last_active = viewer.layers.selection.active
        self._plan_timer = QTimer(self)
        self._plan_timer.setSingleShot(True)
        self._plan_timer.timeout.connect(self._plan)
        self.pixel_size = PixelSizeForm(self._set_pixel_size)
        self.resample = ResampleButton(viewer, self.session, lambda layer: setattr(self.layer, "value", layer))
        self.isotropic = IsotropicForm(self.session, self._learn, self._run_learnt)
        self.adapting = AdaptForm(self.session, self._adapt, self._offer_adapted)
        self.chooser = ModelChooser(self.session, self.models, self._read_controls)
        self.channels = ChannelsForm(viewer, self.session, self.models, self.chooser, self._read_controls)
        self.fitness = FitnessForm(viewer, self.model, self.intensity_range, self._read_controls)
        self.region = RegionForm(viewer, self._read_controls, lambda: self.layer.value)
        self.source_switch = SourceSwitch(viewer)
        cover = self.source_switch.cover
        self.preview = Preview(viewer, self.session, self._request_for_preview, self._measure_again, cover)
        self.crop = Crop(viewer, self.session, self._request_for_preview)
        self.blur_noise = BlurNoiseForm(self._update)
        self._seen: dict[Any, Any] = {}  # in the layer's pixels, which neither a moved slider nor a preview reads again
        choosing = self.chooser, self.channels, self.fitness, self.resample, self.isotropic
        looks = self.crop, self.blur_noise, self.adapting
        live = self.preview, self.preview.note, self.source_switch
        self.arrange(self.pixel_size, choosing, looks, self.region, live)
        self.precision.value = preferences().precision
        self._connect()
        self._choose_layer()
        # The window gets a moment to show the message before torch's import blocks it.
        QTimer.singleShot(50, self._load_torch)

    def _connect(self) -> None:
        self.card.linkActivated.connect(self._follow_card_link)
        self.add_model.clicked.connect(lambda: self.models.ask_for_file(self))
        self.run.clicked.connect(self._start_or_cancel)
        self.keep.clicked.connect(lambda: self._cancel(keep=True))
        self.copy_python.clicked.connect(lambda: self._copy(snippets.script))
        self.copy_command.clicked.connect(lambda: self._copy(snippets.command))
        self.layer.changed.connect(self._choose_layer_by_hand)
        self.model.changed.connect(self._choose_model_by_hand)
        self.axes.changed.connect(self._look_again)
        for control in (self.intensity_range, self.device, self.precision, self.tile, self.tta, self.place):
            control.changed.connect(self._read_controls)
        library.follow(self, self._refresh_models)

    def show_state(self, state: UpscaleState) -> None:
        """Show a state in all parts of the panel."""
        super().show_state(state)
        self.pixel_size.setVisible(state.asks_for_pixel_size)
        self.isotropic.button.setEnabled(state.can_plan)
        self.adapting.button.setEnabled(state.can_plan)
        self.region.show_state(state)
        self.blur_noise.say(state.noise_text, state.told_text)

    @property
    def is_ready(self) -> bool:
        """Whether torch is loaded and the devices are known."""
        return self.state.is_ready

    @property
    def is_asking(self) -> bool:
        """Whether the user must say what a channel shows that is computed, or its pixels are still looked at."""
        return self.channels.is_looking or (self.chooser.is_asking and self.channels.is_open)

    # Layers

    def layers_changed(self) -> None:
        """Follow the viewer's layers. A run is cancelled if its source or its result was removed."""
        if self._run is not None and not self._run.job.is_cancelled and (removed := self._run.removed_layer):
            self._cancel(f"The {removed} layer was removed. Cancelling…")
        self.source_switch.apply()
        self._forget_removed_result()
        self.next_steps.refresh()
        is_changed = forms.refresh(self.layer)
        hidden = self.source_switch.hidden
        if is_changed or (not self._is_layer_by_hand and forms.prefer_visible(self.layer, hidden)):
            self._choose_layer()
        else:
            self.channels.follow(self.layer.value, self._chosen_image(), self.models.card)
            self._set_state(replace(self.state, layer=self._layer_facts()))

    def leave(self) -> None:
        """Remove the unfinished result and the preview."""
        if self._run is not None:
            self._run.discard()
        self.preview.setChecked(False)
        self.crop.end()
        self.source_switch.end()
        self._follow(None)

    def active_changed(self) -> None:
        """Choose the layer that is selected in napari's list, unless it was made of another one."""
        active = self.viewer.layers.selection.active
        if active is None or active is self._last_active or is_made(active):
            return
        self._last_active = active
        if any(active is choice for choice in self.layer.choices):
            self.layer.value = active

    def _choose_layer_by_hand(self) -> None:
        self._is_layer_by_hand = True
        self._choose_layer()

    def _follow(self, layer: "ImageLayer | None") -> None:
        """Make a new plan when the data, pixel size or units of the chosen layer change."""
        if layer is not self._followed:
            for one, act in ((self._followed, "disconnect"), (layer, "connect")):
                for event in [] if one is None else [getattr(one.events, name) for name in _PLANNED]:
                    getattr(event, act)(self._look_again)
            self._followed = layer

    def _choose_layer(self) -> None:
        layer = self.layer.value
        self._follow(layer)
        axes = ""
        with suppress(SuperResError):  # The plan will say what is wrong.
            axes = "" if layer is None else guess_layer_axes(layer)
        with self.axes.changed.blocked():
            self.axes.value = axes
        with self.intensity_range.changed.blocked():
            self.intensity_range.value = ""
        self._look_again()

    def _look_again(self, _: Any = None) -> None:
        self.chooser.follow(self.layer.value, self._chosen_image())
        self._read_controls()

    def _image(self, layer: "ImageLayer") -> Image:
        return to_image(layer, self.axes.value or None)

    def _chosen_image(self) -> Image | None:
        with suppress(SuperResError):  # The plan will say what is wrong.
            return None if self.layer.value is None else self._image(self.layer.value)
        return None

    def _layer_facts(self) -> LayerFacts | None:
        layer = self.layer.value
        return None if layer is None else facts_of(layer, self._chosen_image(), self.axes.value)

    def _set_pixel_size(self, size: float, unit: str) -> None:
        layer = self.layer.value
        if layer is not None:
            set_pixel_size(layer, self._image(layer).axes, size, unit)
            self._look_again()

    # Models

    def _refresh_models(self) -> None:
        self.channels.refresh()
        if self.models.refresh():
            self._read_controls()

    def _choose_model_by_hand(self, _: Any = None) -> None:
        self.chooser.choose_by_hand()
        self._read_controls()

    def _follow_card_link(self, target: str) -> None:
        if target == MORE:
            self._set_state(replace(self.state, is_card_whole=not self.state.is_card_whole))
        elif target.startswith("https://doi.org/"):
            QDesktopServices.openUrl(QUrl(target))

    # Plan

    def _read_controls(self, _: Any = None) -> None:
        """Read all controls, look at the pixels again, show what follows, and ask for a plan and a preview."""
        self._seen = {}
        self._update()

    def _update(self) -> None:
        layer, card = self._layer_facts(), self.models.card
        pixels = (layer.pixel_size[1], layer.pixel_unit) if layer and layer.pixel_size else (None, None)
        self.blur_noise.fit(card, *pixels, lens=None if layer is None else layer.lens)
        self.channels.follow(self.layer.value, self._chosen_image(), card)
        self._set_state(
            replace(
                self.state,
                layer=layer,
                model=self.model.value or "",
                card=card,
                is_asking=self.is_asking,
                intensity_range=self.intensity_range.value,
                region=self.region.kind.value,
                channels=self.channels.along_axis,
                device=self.device.value,
                precision=self.precision.value,
                tile=self.tile.value,
                tta=self.tta.value,
                scheduler=self.place.scheduler,
                blur_noise=self.blur_noise.value,
                units_notice=mixed_units(self.viewer.layers),
                plan=_ESTIMATING if layer is not None and self.state.can_plan else "",
                is_refused=False,
                grid_cell=None if layer is None or self.state.model != self.model.value else self.state.grid_cell,
            )
        )
        can_look = bool(self.model.value) and not self.is_asking
        self.fitness.look_at(self.layer.value if can_look else None)
        self.resample.offer(self.layer.value, self._chosen_image(), self.state.card)
        self.isotropic.offer(self.layer.value, self._chosen_image())
        sigma = 0.0 if self.state.blur_noise is None else self.state.blur_noise.psf_sigma
        self.adapting.offer(self.layer.value, self._chosen_image(), self.state.card, sigma)
        self._plan_soon()
        self.preview.ask()

    def _load_torch(self) -> None:
        self.session.add(Job(tasks.devices, stepped=self._show_devices, ended=self._finish_loading))

    def _show_devices(self, devices: list[str]) -> None:
        self.device.choices = ["auto", *devices]
        preferred = preferences().device
        self.device.value = next((d for d in self.device.choices if d.startswith(preferred)), "auto")
        self._set_state(replace(self.state, is_ready=True))

    def _finish_loading(self, complete: bool) -> None:
        if self._run is None:
            message = "" if complete else "PyTorch could not be loaded; see the notification."
            self._set_state(replace(self.state, message=message))
        if not complete:
            self.fitness.look_at(None)
        self._plan_soon()
        self.preview.ask()  # It may be on already: samples open with it.

    def _request(self, layer: "ImageLayer") -> Request:
        """Return the run of a layer.

        Raises
        ------
        SuperResError
            If the layer cannot be an image, or its region or channels are not there.
        """
        image = self._image(layer)
        return self.state.request(image, self.region.roi(layer, image.axes), self.channels.model_of_layer(layer))

    def _request_for_preview(self) -> "tuple[ImageLayer, Request] | None":
        if not self.state.can_plan:
            return None
        return self.layer.value, replace(self._request(self.layer.value), seen=self._seen)

    def _measure_again(self) -> None:
        self._seen = {}
        self._plan_soon()

    def _layers_to_run(self) -> "list[ImageLayer]":
        return self.channels.layers()

    def _forget_plan(self) -> None:
        self.session.forget(self._plan_job)
        self._plan_job = None

    def _plan_soon(self) -> None:
        self._plan_timer.start(_PLAN_DELAY)

    def _plan(self) -> None:
        """Ask for the plan of what is chosen. The job of an older plan is dropped."""
        self._forget_plan()
        if not self.state.can_plan:
            self.crop.stop()
            self.crop.setVisible(self.is_running)
            return
        try:
            groups = [(self._request(layers[0]), layers) for layers in self.channels.by_model().values()]
        except SuperResError as error:
            self._refuse(str(error))
            return
        found: dict[int, tuple[str, list[Plan]]] = {}

        def steps() -> "Generator[tuple[int, list[Plan], Estimate], None, None]":
            for number, (request, layers) in enumerate(groups):
                seen = self._seen if layers[0] is self.layer.value else None
                for plans, expected in tasks.plan(request.image, request.model, request.options, seen):
                    yield number, plans, expected

        def show(result: "tuple[int, list[Plan], Estimate]") -> None:
            number, plans, expected = result
            request, layers = groups[number]
            text = plan_text(request.image, plans[0], expected, runs=len(layers))
            found[number] = (f"{request.model}: {text}" if len(groups) > 1 else text), plans
            if len(found) == len(groups):
                texts, plans_of = zip(*(found[number] for number in sorted(found)), strict=True)
                self._show_plan("\n".join(texts), [plan for plans in plans_of for plan in plans])

        self._plan_job = Job(steps, stepped=show, failed=self._refuse)
        self.session.add(self._plan_job)

    def _show_plan(self, text: str, plans: "Sequence[Plan]") -> None:
        plan = plans[0]
        self._show_fitness(plans)
        self.crop.ask(plan.scale.get("X", 1))
        state = replace(self.state, noise_text=noise_text(plan), told_text=told_text(plan))
        self._set_state(replace(state, plan=text, is_refused=False, grid_cell=plan.grid_cell))

    def _refuse(self, reason: str) -> None:
        """Show why a run is impossible, and try again a little later."""
        self._show_fitness(())
        self.crop.clear()
        self._set_state(replace(self.state, plan=reason, is_refused=True, noise_text="", told_text="", grid_cell=None))
        self._plan_timer.start(_RETRY_DELAY)

    def _show_fitness(self, plans: "Sequence[Plan]") -> None:
        known = () if self.is_asking else plans
        self._known_notes = tuple(dict.fromkeys(doubt for plan in known for doubt in plan.doubts))
        self.fitness.show_fitness(
            [plan.fitness for plan in known],
            self._known_notes,
            self.layer.value,
            self._chosen_image(),
            self.chooser.choice,
        )

    def _copy(self, write: Callable[..., str]) -> None:
        if self.layer.value is None:
            return
        try:
            texts = []
            for layers in self.channels.by_model().values():
                request = self._request(layers[0])
                texts.append(write(layers, request.image, request.model, request.options))
        except SuperResError as error:
            forms.show_error(str(error))
            return
        QApplication.clipboard().setText("\n".join(texts))
        self._set_state(replace(self.state, message="Copied to the clipboard."))
