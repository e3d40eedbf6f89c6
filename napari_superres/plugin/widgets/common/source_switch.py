"""A switch that hides a layer while its result or preview lies over it: the canvas would show the sum of both."""

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox

from napari_superres.plugin.widgets.common import staging

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_ADDING = ("additive", "minimum", "multiplicative")
_EVENTS = ("visible", "blending", "opacity")
"""Events of a result that decide whether its source shows through it."""


def shows_through(layer: "ImageLayer") -> bool:
    """Whether what lies below a layer shows through it."""
    return str(layer.blending) in _ADDING or layer.opacity < 1


class SourceSwitch(QCheckBox):
    """A check box, shown while a source is covered. Checked, it hides sources that would show through their cover.

    A source is shown again when its cover is removed or hidden, when the box is unchecked, and at the end. A source
    that the user shows meanwhile stays visible.

    Parameters
    ----------
    viewer
        napari viewer of the layers.

    Attributes
    ----------
    hidden
        The sources that are hidden now.
    """

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__("Hide source")
        self.setToolTip(
            "Hide a layer while its result or preview lies over it and lets it show through. It is shown again when "
            "that layer is hidden or removed, or this panel is closed."
        )
        self.setChecked(True)
        self.hidden: list[ImageLayer] = []
        self._viewer = viewer
        self._sources: dict[ImageLayer, ImageLayer] = {}
        self._is_applying = False
        self.toggled.connect(self.apply)
        self.hide()

    def cover(self, source: "ImageLayer", result: "ImageLayer") -> None:
        """Hide a source from now on while a layer lies over it that it would show through, and no other source."""
        if result in self._sources:
            self._release(result)
        for name in _EVENTS:
            getattr(result.events, name).connect(self.apply)
        source.events.visible.connect(self._respect_user)
        self._sources[result] = source
        self.apply()

    def apply(self, _: Any = None) -> None:
        """Hide and show sources according to what lies over them now."""
        if self._is_applying or staging.is_staged(self._viewer):
            return
        self._is_applying = True
        for result in [r for r in self._sources if r not in self._viewer.layers]:
            self._release(result)
        covers = [r for r in self._sources if r.visible and shows_through(r)]
        wanted = [self._sources[r] for r in covers] if self.isChecked() else []
        for source in [s for s in self.hidden if s not in wanted]:
            self.hidden.remove(source)
            source.visible = True
        for source in wanted:
            if source.visible:
                source.visible = False
                self.hidden.append(source)
        self.setVisible(bool(covers))
        self._is_applying = False

    def end(self) -> None:
        """Show all sources again and follow no layer any more."""
        for result in list(self._sources):
            self._release(result)
        self.apply()

    def _release(self, result: "ImageLayer") -> None:
        source = self._sources.pop(result)
        for name in _EVENTS:
            getattr(result.events, name).disconnect(self.apply)
        if source not in self._sources.values():
            source.events.visible.disconnect(self._respect_user)

    def _respect_user(self, event: Any) -> None:
        """Leave a source alone that the user has shown."""
        source = event.source
        if not self._is_applying and not staging.is_staged(self._viewer) and source in self.hidden and source.visible:
            self.hidden.remove(source)
            for result in [r for r, s in self._sources.items() if s is source]:
                self._release(result)
            self.apply()
