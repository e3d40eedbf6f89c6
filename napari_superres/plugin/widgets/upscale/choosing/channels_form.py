"""The channels of a layer or of its file: one tick for each, with the model that computes it."""

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QCheckBox, QGridLayout, QSizePolicy, QWidget

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.models import ModelCard, list_models
from napari_superres.models.choice.choose import Choice
from napari_superres.models.choice.per_channel import choose_for_channel, image_of_channel, on_other_grids
from napari_superres.plugin.host.layers import channel_names_of, other_channels, to_image
from napari_superres.plugin.host.reader import sliceable
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.upscale.choosing.chooser import AT_ONCE, ModelChooser
from napari_superres.plugin.widgets.upscale.choosing.model_choice import ModelChoice
from napari_superres.plugin.widgets.upscale.state import no_channel
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_LEAST, _MOST = "M" * 3, "M" * 10
"""Texts as wide as the names of channels are at least and at most; longer names are shortened in the middle."""


class Channel(NamedTuple):
    """A channel: along the axis C of a layer, or a layer of its own.

    Attributes
    ----------
    layer
        Its layer.
    number
        Index along C; None if the layer has only this channel.
    name
        What the user calls it.
    """

    layer: "ImageLayer"
    number: int | None
    name: str


class Tick(QCheckBox):
    """A tick whose name is shortened where the panel is narrow."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.setText(name)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def _width(self, text: str) -> int:
        """Return the width with a text, from the box to its end."""
        advance = self.fontMetrics().horizontalAdvance
        return super().sizeHint().width() - advance(self.text()) + advance(text)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size with the name, if that is not too long."""
        width = min(self._width(self._name), self._width(_MOST))
        return QSize(width, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size with a few letters of the name."""
        return QSize(min(self._width(_LEAST), self._width(self._name)), super().sizeHint().height())

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Shorten the name to the room."""
        super().resizeEvent(event)
        room = self.width() - self._width("")
        self.setText(self.fontMetrics().elidedText(self._name, Qt.TextElideMode.ElideMiddle, room))


class Row:
    """The controls of a channel."""

    def __init__(self, channel: Channel, models: ModelChoice) -> None:
        self.channel = channel
        self.tick = Tick(channel.name)
        self.tick.setAccessibleName(f"Channel {channel.name}")
        self.tick.setToolTip(f"Compute {channel.name}.")
        self.models = ModelChoice(models)
        self.box = self.models.box
        self.box.native.setMinimumContentsLength(3)  # next to a name, in a narrow panel with large type
        self.box.native.setAccessibleName(f"Model of {channel.name}")
        self.box.native.setToolTip(f"Model that computes {channel.name}. It follows the channel's name and pixels.")


class ChannelsForm(QWidget):
    """Ticks and models of the channels; hidden where there is only one.

    Parameters
    ----------
    viewer
        napari viewer of the layers.
    session
        Session of the panel, for the job that looks at large images.
    models, chooser
        Model of the chosen layer. It is that of all channels along its axis C that have none of their own.
    changed
        Called when a tick or a model was changed, or has become known.

    Attributes
    ----------
    rows
        One per channel.
    """

    def __init__(
        self,
        viewer: "Viewer",
        session: Session,
        models: ModelChoice,
        chooser: ModelChooser,
        changed: Callable[[], None],
    ) -> None:
        super().__init__()
        self.viewer, self._session, self._models, self._chooser = viewer, session, models, chooser
        self._changed = changed
        self.rows: list[Row] = []
        self._layer: ImageLayer | None = None
        self._ticks: WeakKeyDictionary[ImageLayer, dict[int | None, bool]] = WeakKeyDictionary()
        self._own: WeakKeyDictionary[ImageLayer, dict[tuple[int, str], str]] = WeakKeyDictionary()
        self._known: dict[Channel, tuple[str | None, Choice]] = {}
        self._looked: tuple[Any, ...] = ()
        self._job: Job | None = None
        self.all = QCheckBox()
        self.all.setToolTip("Tick all channels, or none but that of the chosen layer.")
        self.all.clicked.connect(self._tick_all)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self._grid.addWidget(self.all, 0, 0, 1, 2)
        self.hide()

    # What is chosen

    @property
    def ticked(self) -> list[Channel]:
        """The channels that are computed."""
        return [row.channel for row in self.rows if self._is_on(row.channel)]

    @property
    def has_axis(self) -> bool:
        """Whether the channels lie along an axis of the chosen layer."""
        return bool(self.rows) and self.rows[0].channel.number is not None

    @property
    def along_axis(self) -> dict[int, str] | None:
        """Model of each computed channel of the chosen layer, by its index; None if it has no axis C."""
        models = ((channel.number, self.model_of(channel)) for channel in self.ticked)
        return {number: model for number, model in models if number is not None} if self.has_axis else None

    @property
    def is_open(self) -> bool:
        """Whether a channel is computed by the model of the chosen layer."""
        return not self.rows or any(map(self._needs_main, self.ticked))

    def _needs_main(self, channel: Channel) -> bool:
        return self._is_chosen(channel) or (self._follows_pixels(channel) and self._seen(channel)[0] is None)

    @property
    def is_looking(self) -> bool:
        """Whether the pixels of a channel, which decide its model, are still being looked at."""
        return self._job is not None and any(self._follows_pixels(channel) for channel in self.ticked)

    def layers(self) -> "list[ImageLayer]":
        """Return the layers that are computed, the chosen one first.

        Raises
        ------
        SettingsError
            If no channel is ticked.
        """
        layers = [channel.layer for channel in self.ticked if channel.layer in self.viewer.layers]
        if self.has_axis or not self.rows:
            layers = [] if self._layer is None else [self._layer]
        if not layers:
            raise no_channel()
        return sorted(layers, key=lambda layer: layer is not self._layer)

    def by_model(self) -> "dict[str, list[ImageLayer]]":
        """Return the layers that are computed by their models.

        Raises
        ------
        SettingsError
            If no channel is ticked.
        """
        groups: dict[str, list[ImageLayer]] = {}
        for layer in self.layers():
            groups.setdefault(self.model_of_layer(layer), []).append(layer)
        return groups

    def model_of_layer(self, layer: "ImageLayer") -> str:
        """Return the model of a layer; of one with an axis C, that of the channels that have none of their own."""
        return str(self._models.box.value or "") if layer is self._layer else self.model_of(Channel(layer, None, ""))

    def model_of(self, channel: Channel) -> str:
        """Return the model of a channel."""
        main = str(self._models.box.value or "")
        if self._follows_pixels(channel):
            return self._seen(channel)[0] or main
        return main if self._is_chosen(channel) else self._by_hand(channel) or main

    def _is_chosen(self, channel: Channel) -> bool:
        """Return whether a channel is all of the chosen layer."""
        return channel.number is None and channel.layer is self._layer

    def _follows_pixels(self, channel: Channel) -> bool:
        """Return whether the name and the pixels of a channel decide its model, and neither the user nor the layer."""
        return not self._is_chosen(channel) and not self._by_hand(channel) and not self._is_layer_by_hand(channel)

    def _is_layer_by_hand(self, channel: Channel) -> bool:
        return channel.number is not None and bool(self._chooser.by_hand(channel.layer))

    def _seen(self, channel: Channel) -> "tuple[str | None, Choice | None]":
        known = ((one, seen) for one, seen in self._known.items() if (one.layer, one.number) == channel[:2])
        return next((seen for _, seen in known), (None, None))

    def _by_hand(self, channel: Channel) -> str:
        if channel.number is None:
            return self._chooser.by_hand(channel.layer)
        # Another model for the layer is again that of all its channels.
        return self._own.get(channel.layer, {}).get((channel.number, str(self._models.box.value)), "")

    def _is_on(self, channel: Channel) -> bool:
        is_usual = channel.number is not None or self._is_chosen(channel)
        return self._ticks.get(channel.layer, {}).get(channel.number, is_usual)

    # What is shown

    def follow(self, layer: "ImageLayer | None", image: Image | None, card: ModelCard | None) -> None:
        """Show the channels of a layer, and choose the models of those that have none.

        Parameters
        ----------
        layer, image
            The chosen layer and its image; None if it cannot be an image.
        card
            Card of the model of the layer.
        """
        self._layer = layer
        channels = [] if layer is None or image is None else _channels(self.viewer, layer, image)
        if channels != [row.channel for row in self.rows]:
            self._make_rows(channels)
        if image is not None and card is not None and channels:
            self._look(image, card)
        self._show()

    def refresh(self) -> None:
        """Read the library again."""
        self._looked = ()
        for row in self.rows:
            row.models.refresh()

    def _make_rows(self, channels: Sequence[Channel]) -> None:
        for row in self.rows:
            for part in (row.tick, row.box.native):
                self._grid.removeWidget(part)
                part.deleteLater()
        self.rows = [Row(channel, self._models) for channel in channels]
        for number, row in enumerate(self.rows, 1):
            self._grid.addWidget(row.tick, number, 0)
            self._grid.addWidget(row.box.native, number, 1)
            row.tick.toggled.connect(lambda on, row=row: self._tick(row.channel, on))
            row.box.changed.connect(lambda model, row=row: self._take(row.channel, model))
            row.models.popup.chosen.connect(lambda model, row=row: self._take(row.channel, model))
        self._session.forget(self._job)
        self._job, self._known, self._looked = None, {}, ()

    def _look(self, image: Image, card: ModelCard) -> None:
        """Choose the models of the channels by their names and pixels, once for each model of the layer."""
        channels = [row.channel for row in self.rows]
        key = (card, image.axes, image.pixel_size, image.units, *((one, id(one.layer.data)) for one in channels))
        if key == self._looked:
            return
        self._looked = key
        self._session.forget(self._job)
        self._job = None
        cards, images = list_models(), list[tuple[Channel, Image]]()
        for channel in channels:
            try:
                whole = image if channel.number is not None else to_image(channel.layer, image.axes)
            except SuperResError:  # The plan will say what is wrong.
                continue
            images.append((channel, whole))

        def look() -> "Generator[dict[Channel, tuple[str | None, Choice]], None, None]":
            known = {}
            for channel, whole in images:
                one, names = whole, channel_names_of(channel.layer)
                if channel.number is not None:
                    lazy = whole.replace(data=sliceable(whole.data))
                    one, names = image_of_channel(lazy, channel.number), (channel.name,)
                known[channel] = choose_for_channel(one, names, cards, card)
            yield known

        if all(isinstance(whole.data, np.ndarray) and whole.data.size <= AT_ONCE for _, whole in images):
            self._known = next(look())
        else:
            self._job = Job(look, stepped=self._take_late, failed=forms.show_error, ended=self._end)
            self._session.add(self._job)

    def _take_late(self, known: "dict[Channel, tuple[str | None, Choice]]") -> None:
        self._known = known

    def _end(self, _: bool) -> None:
        self._job = None
        self._changed()

    def _show(self) -> None:
        main = self._models.card
        others = on_other_grids(list_models(), main) if main is not None and self.has_axis else {}
        for row in self.rows:
            is_on = self._is_on(row.channel)
            row.tick.blockSignals(True)
            row.tick.setChecked(is_on)
            row.tick.blockSignals(False)
            row.box.native.setEnabled(is_on)
            if (choice := self._seen(row.channel)[1]) is not None:
                row.models.show_fit(choice.with_refused(others))
            row.models.suggest(self.model_of(row.channel))
        count = len(self.ticked)
        self.all.setText(f"All {len(self.rows)} channels")
        self.all.setTristate(0 < count < len(self.rows))
        state = Qt.CheckState
        some = state.Checked if count == len(self.rows) else state.PartiallyChecked
        self.all.setCheckState(some if count else state.Unchecked)
        self.setVisible(bool(self.rows))

    # What the user does

    def _tick(self, channel: Channel, on: bool) -> None:
        self._ticks.setdefault(channel.layer, {})[channel.number] = on
        self._changed()

    def _tick_all(self) -> None:
        is_all = len(self.ticked) == len(self.rows)
        for row in self.rows:
            ticks = self._ticks.setdefault(row.channel.layer, {})
            ticks[row.channel.number] = not is_all or self._is_chosen(row.channel)
        self._changed()

    def _take(self, channel: Channel, model: str) -> None:
        if self._is_chosen(channel):
            self._chooser.take(model)
            return
        if channel.number is None:
            self._chooser.keep(channel.layer, model)
        else:
            self._own.setdefault(channel.layer, {})[channel.number, str(self._models.box.value)] = model
        self._changed()


def _channels(viewer: "Viewer", layer: "ImageLayer", image: Image) -> list[Channel]:
    """Return the channels along the axis of a layer, or those of its file; none if there is only one."""
    if "C" in image.axes:
        names = image.channel_names or [f"Channel {index}" for index in range(image.size("C"))]
        found = [Channel(layer, index, str(name)) for index, name in enumerate(names)]
    else:
        layers = sorted([layer, *other_channels(viewer, layer)], key=lambda one: one.metadata.get("channel", 0))
        found = [Channel(one, None, next(iter(channel_names_of(one)), one.name)) for one in layers]
    return found if len(found) > 1 else []
