"""The layer of a result while it is made: there from the first window on, exactly over its source."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.io import read_image
from napari_superres.plugin.host import reader
from napari_superres.plugin.host.layers import to_layer
from napari_superres.plugin.worker.disk import FILE

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
REFRESH_S = 0.35
"""Between two redraws: each costs napari a pause of its own, whatever is new."""


class Growing:
    """A result layer that fills as windows arrive.

    Parameters
    ----------
    viewer
        Where it is shown.
    source, source_image
        The layer it is made from, and its image.
    name
        Of the layer.
    first
        Where a part begins along axes that are no space: ``{"T": 3}``.

    Attributes
    ----------
    done
        Parts of the result that are computed: tuples of slices.
    """

    def __init__(
        self, viewer: "Viewer", source: "ImageLayer", source_image: Image, name: str, first: dict[str, int]
    ) -> None:
        self.viewer, self.source, self.source_image = viewer, source, source_image
        self.name, self.first = name, first
        self.layer: ImageLayer | None = None
        self.done: list[Any] = []
        self._drawn = 0.0

    @property
    def is_removed(self) -> bool:
        """Whether somebody took its layer away."""
        return self.layer is not None and self.layer not in self.viewer.layers

    def show(self, image: Image) -> None:
        """Add the layer, or draw it anew a few times a second."""
        if self.layer is None:
            self._add(image)
        elif time.monotonic() - self._drawn > REFRESH_S and self.layer in self.viewer.layers:
            self.layer.refresh()
            self._drawn = time.monotonic()

    def finish(self, image: Image) -> "ImageLayer":
        """Draw the whole result with its record, opened from its file if it is on disk; return the layer."""
        if FILE in image.metadata:
            self._open(Path(image.metadata[FILE]), image)
        elif self.layer is None:
            self._add(image)
        assert self.layer is not None
        _, keywords, _ = to_layer(image, self.source_image, self.source, name=self.name, first=self.first)
        for name in _PLACE:  # the source may have been moved meanwhile
            setattr(self.layer, name, keywords[name])
        self.layer.metadata = {**self.layer.metadata, **{k: image.metadata[k] for k in ("provenance",)}}
        if self.layer in self.viewer.layers:
            self.layer.refresh()
            self.viewer.layers.selection.active = self.layer
        return self.layer

    def keep(self) -> None:
        """Leave what is done, named as a part; zero where only the input's pixels are."""
        if self.layer is not None:
            undone = np.ones(self.layer.data.shape, bool)
            for region in self.done:
                undone[region] = False
            self.layer.data[undone] = 0
            self.layer.name = f"{self.layer.name} (unfinished)"
            self.layer.refresh()

    def discard(self) -> None:
        """Take it away again."""
        if self.layer is not None and self.layer in self.viewer.layers:
            self.viewer.layers.remove(self.layer)
        self.layer = None

    def _open(self, path: Path, image: Image) -> None:
        """Show a result's file with the place and looks of the source."""
        from napari.layers import Layer

        stored = read_image(path)
        order = [stored.axes.index(a) for a in image.axes]
        data: Any = reader.sliceable(stored.data).transpose(order)
        if "C" not in image.axes:  # of which the reader makes a layer each
            found = reader.read(path)[0][0]
            data = [level.transpose(order) for level in found] if isinstance(found, list) else data
        _, keywords, kind = to_layer(image, self.source_image, self.source, name=self.name, first=self.first)
        keywords = {**keywords, "multiscale": isinstance(data, list)}
        keywords["metadata"] = {**keywords["metadata"], FILE: str(path)}
        self._insert(Layer.create(data, keywords, kind))

    def _add(self, image: Image) -> None:
        from napari.layers import Layer

        made = to_layer(image, self.source_image, self.source, name=self.name, first=self.first)
        self._insert(Layer.create(*made))

    def _insert(self, layer: "ImageLayer") -> None:
        self.layer = layer
        self.layer.contrast_limits_range = self.source.contrast_limits_range
        chosen = set(self.viewer.layers.selection)
        self.viewer.layers.insert(self.viewer.layers.index(self.source) + 1, self.layer)
        # Not chosen until it is done: what the user works on stays.
        self.viewer.layers.selection = chosen
        self._drawn = time.monotonic()
