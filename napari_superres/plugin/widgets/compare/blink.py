"""Two layers in turn, and layers that are shown alone for a while."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_superres.plugin.widgets.common import forms, staging

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

TEMPORARY = {forms.OURS: forms.TEMPORARY}
"""Metadata of layers that are shown for a while only. No widget offers them as input."""
KEY = "Shift-B"
"""Key that shows the other layer while two are shown in turn. napari uses B and Space itself."""


class Stage:
    """Show some image layers alone, until `end` restores what was visible before.

    Parameters
    ----------
    viewer
        napari viewer.
    layers
        The layers. Those that are not in the viewer are added above its images, and removed at the end.
    visible
        Those of `layers` that are visible at first; all other images are hidden.
    removed
        Called when one of `layers` is removed. napari may still be removing others then.
    """

    def __init__(
        self,
        viewer: "Viewer",
        layers: "tuple[ImageLayer, ...]",
        visible: "tuple[ImageLayer, ...]",
        removed: Callable[[], None],
    ) -> None:
        from napari.layers import Image

        self._viewer, self._layers = viewer, layers
        self._removed: Callable[[], None] | None = removed
        staging.begin(viewer)
        images = [layer for layer in viewer.layers if isinstance(layer, Image)]
        self._visible_before = {layer: layer.visible for layer in images}
        self._added = [layer for layer in layers if layer not in viewer.layers]
        selected = set(viewer.layers.selection)
        top = 1 + max((viewer.layers.index(layer) for layer in images), default=-1)
        for i, layer in enumerate(self._added):
            viewer.layers.insert(top + i, layer)
        viewer.layers.selection.clear()
        viewer.layers.selection.update(selected)
        for layer in {*images, *self._added}:
            layer.visible = layer in visible
        viewer.layers.events.removed.connect(self._react_to_removal)

    def end(self) -> None:
        """Restore the viewer."""
        if self._removed is not None:
            self._removed = None
            self._viewer.layers.events.removed.disconnect(self._react_to_removal)
            for layer in self._added:
                if layer in self._viewer.layers:
                    self._viewer.layers.remove(layer)
            for layer, visible in self._visible_before.items():
                layer.visible = visible
            staging.end(self._viewer)

    def _react_to_removal(self, event: Any) -> None:
        if event.value in self._layers and self._removed is not None:
            self._removed()


class Blink:
    """Show two layers in turn.

    Parameters
    ----------
    viewer
        napari viewer.
    layers
        The two layers, the first of which is shown first.
    key_pressed
        Called after the user has pressed the key that shows the other layer.
    removed
        Called when one of the layers is removed.
    """

    def __init__(
        self,
        viewer: "Viewer",
        layers: "tuple[ImageLayer, ImageLayer]",
        *,
        key_pressed: Callable[[], None],
        removed: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self.visible, self._hidden = layers
        self._stage: Stage | None = Stage(viewer, layers, layers[:1], removed)

        def switch(_: Any) -> None:
            self.switch()
            key_pressed()

        self._previous_binding: Any = viewer.bind_key(KEY, switch, overwrite=True)

    def switch(self) -> None:
        """Show the other layer."""
        self._hidden.visible = True  # First, so that no dark frame appears between the two.
        self.visible.visible = False
        self.visible, self._hidden = self._hidden, self.visible

    def end(self) -> None:
        """Restore the viewer and its key binding."""
        if self._stage is not None:
            self._stage.end()
            self._stage = None
            self._viewer.bind_key(KEY, self._previous_binding, overwrite=True)
