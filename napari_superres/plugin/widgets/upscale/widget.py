"""Super-resolve: an image layer in, a finer layer exactly over it."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_superres.core.image import Image
from napari_superres.errors import ModelFileError, SuperResError
from napari_superres.models import ModelCard, find_card, list_models
from napari_superres.models.suitability import pixel_size_doubt, plane_size
from napari_superres.plugin.host import field
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import guess_layer_axes, other_channels, pixels_of, to_image
from napari_superres.plugin.host.preferences import preferences
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.activity import Activity
from napari_superres.plugin.widgets.common.card_html import MORE, card_html, in_groups, model_label
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.wording import duration, mixed_units, plan_text, progress_text
from napari_superres.plugin.widgets.upscale import snippets
from napari_superres.plugin.widgets.upscale.controls import RUN_TIP, UpscaleForms
from napari_superres.plugin.widgets.upscale.growing import Growing
from napari_superres.plugin.widgets.upscale.pixel_size import PixelSizeForm, set_pixel_size
from napari_superres.plugin.widgets.upscale.preview import Preview
from napari_superres.plugin.widgets.upscale.region import RegionForm
from napari_superres.plugin.widgets.upscale.resample import ResampleButton
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_ESTIMATE_DELAY = 300  # milliseconds without a change before the plan is made anew


class UpscaleWidget(UpscaleForms):
    """The Super-resolve widget.

    Parameters
    ----------
    viewer
        napari viewer whose layers are worked on.
    """

    _added_cards: tuple[tuple[ModelCard, str], ...] = ()

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__(viewer)
        self._job: Job | None = None
        self._estimate_job: Job | None = None
        self._growing: Growing | None = None
        self._result: Image | None = None
        self._activity = activity = Activity("Super-resolving")
        self._waiting: list[ImageLayer] = []
        self._ready = self._card_whole = self._keeping = False
        self._estimate_timer = QTimer(self)
        self._estimate_timer.setSingleShot(True)
        self._estimate_timer.setInterval(_ESTIMATE_DELAY)
        self._estimate_timer.timeout.connect(self._estimate)
        self.pixel_size = PixelSizeForm(self._pixel_size_set)
        self.resample = ResampleButton(viewer, self.session, lambda layer: setattr(self.layer, "value", layer))
        self.region = RegionForm(viewer, self._plan_changed)
        self.preview = Preview(viewer, self.session, self._chosen_for_preview)
        self.destroyed.connect(lambda: activity.close())  # noqa: PLW0108 - a bound method would not keep it alive
        self.arrange(self.pixel_size, self.resample, self.region, self.preview)
        self.precision.value = preferences().precision
        self._connect()
        self._layer_chosen()
        self._model_chosen()
        forms.say(self.status, "Loading PyTorch: the window may stop for a moment…")
        # A moment for the window to show the line before torch's import holds everything.
        QTimer.singleShot(50, self._warm_up)

    def _connect(self) -> None:
        self.card.linkActivated.connect(self._card_link)
        self.add_model.clicked.connect(self._choose_model_file)
        self.run.clicked.connect(self._run_or_cancel)
        self.keep.clicked.connect(self._stop_and_keep)
        self.copy_python.clicked.connect(lambda: self._copy(snippets.script))
        self.copy_command.clicked.connect(lambda: self._copy(snippets.command))
        self.layer.changed.connect(self._layer_chosen)
        self.model.changed.connect(self._model_chosen)
        self.all_channels.toggled.connect(self._plan_changed)
        for control in (self.axes, self.device, self.precision, self.tile, self.tta):
            control.changed.connect(self._plan_changed)
        library.follow(self, self._library_changed)

    @property
    def is_running(self) -> bool:
        """Whether a result is being computed."""
        return self._job is not None

    @property
    def is_ready(self) -> bool:
        """Whether torch is loaded and the devices are known."""
        return self._ready

    # What is chosen

    def layers_changed(self) -> None:
        """Follow the viewer's layers; a run whose source went away is cancelled."""
        if self._job is not None and self._growing is not None and not self._job.is_cancelled:
            gone = "source" if self._growing.source not in self.viewer.layers else ""
            gone = "result" if self._growing.is_removed else gone
            if gone:
                self._cancel()
                forms.say(self.status, f"The {gone} layer was removed: cancelling…")
        self.region.follow(self.axes.value)
        changed = forms.refresh(self.layer)
        if changed or (not self.is_layer_by_hand and forms.prefer_visible(self.layer)):
            self._layer_chosen()
        self.show_channels(self.viewer)

    def leave(self) -> None:
        """Take away what is not done, and the preview."""
        if self._growing is not None:
            self._growing.discard()
        self.preview.setChecked(False)

    def _library_changed(self) -> None:
        chosen = self.model.value
        with self.model.changed.blocked():
            self.model.reset_choices()
            if chosen in self.model.choices:
                self.model.value = chosen
        if self.model.value != chosen:
            self._model_chosen()

    def model_choices(self) -> list[tuple[str, str]]:
        """Return what can be chosen, in words and by name."""
        shipped = [(model_label(card), card.name) for group in in_groups(list_models()) for card in group]
        own = [(f"{model_label(card)} (file)", path) for card, path in self._added_cards]
        return own + shipped

    def _choose_model_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Model file", "", "Model (*.safetensors)")
        if path:
            self.add_model_file(path)

    def add_model_file(self, path: str | Path) -> None:
        """Put a model file on the list and choose it; show what is wrong with it if it cannot be used."""
        try:
            card = find_card(Path(path))
        except SuperResError as error:
            forms.show_error(str(error))
            return
        self._added_cards = (*((c, p) for c, p in self._added_cards if p != str(path)), (card, str(path)))
        self.model.reset_choices()
        self.model.value = str(path)

    def _chosen_card(self) -> ModelCard | None:
        for card, path in self._added_cards:
            if path == self.model.value:
                return card
        try:
            return find_card(self.model.value) if self.model.value else None
        except ModelFileError:
            return None  # a file that was altered: the plan says so

    def _layer_chosen(self) -> None:
        layer = self.layer.value
        self.run.setEnabled(layer is not None or self._job is not None)
        try:
            axes = "" if layer is None else guess_layer_axes(layer)
        except SuperResError:
            axes = ""  # the plan says why
        with self.axes.changed.blocked():
            self.axes.value = axes
        if self.suggest_model():
            self._model_chosen()
        self._plan_changed()

    def _model_chosen(self) -> None:
        card = self._chosen_card()
        forms.say(self.card, "" if card is None else card_html(card, whole=self._card_whole))
        self._plan_changed()

    def _card_link(self, target: str) -> None:
        if target == MORE:
            self._card_whole = not self._card_whole
            self._model_chosen()
        elif target.startswith("https://doi.org/"):
            QDesktopServices.openUrl(QUrl(target))

    def _pixel_size_set(self, size: float, unit: str) -> None:
        layer = self.layer.value
        if layer is None:
            return
        set_pixel_size(layer, self._image(layer).axes, size, unit)
        self._plan_changed()

    def _image(self, layer: "ImageLayer") -> Image:
        return to_image(layer, self.axes.value or None)

    def _plan_changed(self, _: Any = None) -> None:
        """Show at once what follows from layer and card, and ask for the plan."""
        layer, card = self.layer.value, self._chosen_card()
        known, hints, image = True, [], None
        if layer is not None:
            with suppress(SuperResError):  # the plan says why
                image = self._image(layer)
            if image is not None:
                known = image.has_pixel_size
                hints.append(
                    pixel_size_doubt(card, plane_size(image), image.units["X"] if known else None) if card else ""
                )
            hints.append(mixed_units(self.viewer.layers))
        self.region.follow("" if layer is None else self.axes.value)
        self.show_channels(self.viewer)
        self.pixel_size.setVisible(not known)
        self.resample.offer(layer, image, card)
        forms.say(self.notice, "\n".join(window_text(h) for h in hints if h))
        if layer is None:
            forms.say(self.estimate, "Open an image (File > Open, or File > Open Sample > Super-Resolution).")
        self._estimate_timer.start()
        self.preview.ask()

    # What it will take

    def _warm_up(self) -> None:
        self.session.add(Job(tasks.devices, stepped=self._devices_found, ended=self._warmed_up))

    def _devices_found(self, devices: list[str]) -> None:
        self.device.choices = ["auto", *devices]
        wished = preferences().device
        self.device.value = next((d for d in self.device.choices if d.startswith(wished)), "auto")
        self._ready = True

    def _warmed_up(self, complete: bool) -> None:
        if self._job is None:
            forms.say(self.status, "" if complete else "PyTorch could not be loaded; see the notification.")
        self._estimate_timer.start()

    def _options(self) -> dict[str, Any]:
        tile = self.tile.value
        return {
            "device": self.device.value,
            "precision": self.precision.value,
            "tile": tile if tile == "auto" else int(tile),
            "tta": self.tta.value,
        }

    def _wanted(self, layer: "ImageLayer") -> tuple[Image, Any, dict[str, Any]]:
        """Return the image of a layer, the model or one per channel, and the options of a run.

        Raises
        ------
        SuperResError
            If the layer cannot be an image, or the part that is meant is not there.
        """
        image = self._image(layer)
        model, channels = self.region.models(image, self.model.value)
        roi = self.region.roi(layer, image.axes)
        return image, model, {**self._options(), "channels": channels, "roi": roi or None}

    def _layers(self) -> "list[ImageLayer]":
        """Return the layer that is chosen, and where it is wished those of the other channels of its file."""
        layer = self.layer.value
        return [layer, *(other_channels(self.viewer, layer) if self.all_channels.isChecked() else [])]

    def _chosen_for_preview(self) -> "tuple[ImageLayer, Image, Any, dict[str, Any]] | None":
        if self._job is not None or not self._ready or self.layer.value is None or not self.model.value:
            return None
        return self.layer.value, *self._wanted(self.layer.value)

    def _copy(self, write: Callable[..., str]) -> None:
        if self.layer.value is None:
            return
        try:
            text = write(self._layers(), *self._wanted(self.layer.value))
        except SuperResError as error:
            forms.show_error(str(error))
            return
        QApplication.clipboard().setText(text)
        forms.say(self.status, "Copied to the clipboard.")

    def _estimate(self) -> None:
        """Ask for the plan of what is chosen; an older question is dropped."""
        self.session.forget(self._estimate_job)
        self._estimate_job = None
        layer = self.layer.value
        if not self._ready or self._job is not None or layer is None or not self.model.value:
            return
        try:
            image, model, options = self._wanted(layer)
        except SuperResError as error:
            forms.say(self.estimate, window_text(str(error)))
            return

        self._estimate_job = Job(
            lambda: tasks.plan(image, model, options),
            stepped=lambda found: forms.say(self.estimate, plan_text(image, *found, runs=len(self._layers()))),
            failed=lambda message: forms.say(self.estimate, window_text(message)),
        )
        self.session.add(self._estimate_job)

    # The run

    def _run_or_cancel(self) -> None:
        if self._job is None:
            _, *self._waiting = self._layers()
            self._start(self.layer.value)
        else:
            self._cancel()

    def _start(self, layer: "ImageLayer") -> None:
        try:
            image, model, options = self._wanted(layer)
        except SuperResError as error:
            forms.say(self.status, "")
            forms.show_error(str(error))
            return
        self.session.forget(self._estimate_job)
        self.preview.close_down()
        roi = options["roi"] or {}
        name = "-".join(dict.fromkeys(model.values())) if isinstance(model, dict) else tasks.model_name(model)
        self._growing = Growing(
            self.viewer, layer, image, f"{layer.name} [{name}]", {a: r[0] for a, r in roi.items() if a == "T"}
        )
        self._result, self._keeping = None, False
        seen = field.focus(self.viewer, layer, image.axes)
        done = self._growing.done
        self._job = Job(
            lambda: tasks.upscale(image, model, options, focus=seen, done=done),
            stepped=self._stepped,
            failed=forms.show_error,
            ended=self._ended,
            doing=f"super-resolution of {layer.name}",
        )
        self.run.setText("Cancel")
        self.run.setToolTip("Stop after the tile that is being computed, and take the layer away.")
        forms.say(self.status, "Preparing…")
        self.bar.setRange(0, 0)
        self.bar.show()
        self.session.add(self._job)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._waiting.clear()
            self.run.setText("Cancelling…")
            self.run.setEnabled(False)
            self.keep.hide()

    def _stop_and_keep(self) -> None:
        self._keeping = True
        self._cancel()

    def _stepped(self, progress: Any) -> None:
        if self._activity.is_cancelled:
            self._cancel()
        if self._job is None or self._growing is None:
            return
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        if not self._job.is_cancelled:
            forms.say(self.status, progress_text(progress))
            if progress.region is not None and self._growing.source in self.viewer.layers:
                self._growing.show(progress.image)
                self.keep.show()
        record = progress.image.metadata.get("provenance", {})
        if record.get("complete", bool(record)) and progress.done == progress.total:
            self._result = progress.image
            forms.say(self.status, f"Done in {duration(progress.seconds)}.")
        self._activity.show(progress.done, progress.total)

    def _ended(self, complete: bool) -> None:
        cancelled = self._job is not None and self._job.is_cancelled
        growing, self._job, self._growing = self._growing, None, None
        self._activity.close()
        self.bar.hide()
        self.keep.hide()
        self.run.setText("Run")
        self.run.setToolTip(RUN_TIP)
        self.run.setEnabled(self.layer.value is not None)
        assert growing is not None
        if complete and self._result is not None and growing.source in self.viewer.layers:
            made = growing.finish(self._result)
            changed = pixels_of(growing.source) is not growing.source_image.data
            more = " The source's data were replaced meanwhile: it is of those before." if changed else ""
            forms.say(self.status, f"{self.status.text()} Added above its source: {made.name}{more}")
        elif cancelled and self._keeping and growing.layer is not None:
            growing.keep()
            forms.say(self.status, f"Stopped; what is done is in {growing.layer.name}.")
        else:
            growing.discard()
            said = "Cancelled; nothing was added." if cancelled else "Nothing was added; see the notification."
            forms.say(self.status, said)
        self._result = None
        waiting = [layer for layer in self._waiting if layer in self.viewer.layers]
        if complete and waiting:
            next_one, *self._waiting = waiting
            self._start(next_one)
            return
        self._estimate_timer.start()
        self.preview.ask()
