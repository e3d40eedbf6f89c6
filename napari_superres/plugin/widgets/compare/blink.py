"""Two layers in turn, layers side by side, and layers that are shown alone for a while."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_superres.plugin.widgets.common import staging
from napari_superres.plugin.widgets.common.parts import made

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

TEMPORARY = {made.OURS: made.TEMPORARY}
"""Metadata of layers that are shown for a while only. No widget offers them as input."""
LOOKS = ("contrast_limits", "gamma")
"""What must be the same of images that are compared by eye."""
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
    pattern
        Layer whose contrast and gamma the others have meanwhile; None leaves every layer its own.
    """

    def __init__(
        self,
        viewer: "Viewer",
        layers: "tuple[ImageLayer, ...]",
        visible: "tuple[ImageLayer, ...]",
        removed: Callable[[], None],
        pattern: "ImageLayer | None" = None,
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
        self._pattern = None if pattern is None or pattern.rgb else pattern
        others = [] if self._pattern is None else [one for one in layers if one is not pattern and not one.rgb]
        names = (*LOOKS, "contrast_limits_range")
        self._looks_before = {one: {name: getattr(one, name) for name in names} for one in others}
        self._follow_looks()
        if self._pattern is not None:
            for name in LOOKS:
                getattr(self._pattern.events, name).connect(self._follow_looks)

    def _follow_looks(self, _: Any = None) -> None:
        for layer in self._looks_before:
            for name in LOOKS:
                setattr(layer, name, getattr(self._pattern, name))

    def end(self) -> None:
        """Restore the viewer."""
        if self._removed is not None:
            self._removed = None
            self._viewer.layers.events.removed.disconnect(self._react_to_removal)
            if self._pattern is not None:
                for name in LOOKS:
                    getattr(self._pattern.events, name).disconnect(self._follow_looks)
            for layer, looks in self._looks_before.items():
                for name, value in looks.items():
                    setattr(layer, name, value)
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
    pattern
        As for `Stage`.
    """

    def __init__(
        self,
        viewer: "Viewer",
        layers: "tuple[ImageLayer, ImageLayer]",
        *,
        key_pressed: Callable[[], None],
        removed: Callable[[], None],
        pattern: "ImageLayer | None" = None,
    ) -> None:
        self._viewer = viewer
        self.visible, self._hidden = layers
        self._stage: Stage | None = Stage(viewer, layers, layers[:1], removed, pattern)

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


class SideBySide:
    """Show some layers next to each other, each in a cell of napari's grid.

    Parameters
    ----------
    viewer
        napari viewer.
    layers
        The layers, row by row from the top left.
    removed
        Called when one of the layers is removed.
    pattern
        As for `Stage`.
    """

    def __init__(
        self,
        viewer: "Viewer",
        layers: "tuple[ImageLayer, ...]",
        *,
        removed: Callable[[], None],
        pattern: "ImageLayer | None" = None,
    ) -> None:
        self._grid = getattr(viewer, "canvas", viewer).grid  # Before napari 0.9 the viewer had the grid.
        self._before = {name: getattr(self._grid, name) for name in ("stride", "shape", "enabled")}
        self._layers, self._order = viewer.layers, list(viewer.layers)
        self._stage: Stage | None = Stage(viewer, layers, layers, removed, pattern)
        places = sorted(viewer.layers.index(layer) for layer in layers)
        ordered = dict(zip(places, layers, strict=True))  # napari's grid begins with the lowest layer.
        self._sort([ordered.get(i, layer) for i, layer in enumerate(viewer.layers)])
        self._grid.stride, self._grid.shape, self._grid.enabled = 1, (-1, -1), True

    def _sort(self, order: "list[ImageLayer]") -> None:
        for place, layer in enumerate(order):
            if self._layers[place] is not layer:
                self._layers.move(self._layers.index(layer), place)

    def end(self) -> None:
        """Restore the viewer, its grid and the order of its layers."""
        if self._stage is not None:
            for name, value in self._before.items():
                setattr(self._grid, name, value)
            self._stage.end()
            self._stage = None
            old = [layer for layer in self._order if layer in self._layers]
            self._sort([*old, *(layer for layer in self._layers if layer not in old)])
