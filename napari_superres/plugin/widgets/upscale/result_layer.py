"""The layer of a result, which fills tile by tile while it lies exactly over its source."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.io import read_with_notes
from napari_superres.plugin.host import reader
from napari_superres.plugin.host.layers import to_layer
from napari_superres.plugin.worker.disk import FILE

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
"""Attributes that place a layer in the world."""

REFRESH_S = 0.35
"""Seconds between two redraws: each pauses napari for a moment, however little has changed."""


class ResultLayer:
    """A result layer, added to the viewer with the first tile.

    Parameters
    ----------
    viewer
        napari viewer of the source.
    source
        Layer that the result is computed from.
    source_image
        The source as an image.
    name
        Name of the new layer.
    first
        Where the region begins along time: ``{"T": 3}``; empty for all of it.
    added
        Called with the source and the new layer.

    Attributes
    ----------
    layer
        None until something is shown.
    finished_parts
        Computed parts of the array, as tuples of slices. The thread of the run appends to it.
    """

    def __init__(
        self,
        viewer: "Viewer",
        source: "ImageLayer",
        source_image: Image,
        name: str,
        first: Mapping[str, int],
        added: "Callable[[ImageLayer, ImageLayer], None]",
    ) -> None:
        self.viewer, self.source, self.source_image = viewer, source, source_image
        self.name, self.first, self._added = name, first, added
        self.layer: ImageLayer | None = None
        self.finished_parts: list[Any] = []
        self._drawn = 0.0

    @property
    def is_removed(self) -> bool:
        """Whether the user removed the layer from the viewer."""
        return self.layer is not None and self.layer not in self.viewer.layers

    def show(self, image: Image) -> None:
        """Add the layer, or redraw it a few times per second.

        Parameters
        ----------
        image
            The result so far.
        """
        if self.layer is None:
            self._add(image)
        elif time.monotonic() - self._drawn > REFRESH_S and self.layer in self.viewer.layers:
            self.layer.refresh()
            self._drawn = time.monotonic()

    def finish(self, image: Image) -> "ImageLayer":
        """Draw the whole result and return its layer.

        Parameters
        ----------
        image
            The complete result with its record. One that was written to disk is opened from its file.
        """
        if FILE in image.metadata:
            self._open(Path(image.metadata[FILE]), image)
        elif self.layer is None:
            self._add(image)
        assert self.layer is not None
        _, keywords, _ = to_layer(image, self.source_image, self.source, name=self.name, first=self.first)
        for name in PLACE:  # The source may have been moved during the run.
            setattr(self.layer, name, keywords[name])
        self.layer.metadata = {**self.layer.metadata, "provenance": image.metadata["provenance"]}
        if self.layer in self.viewer.layers:
            self.layer.refresh()
            self.viewer.layers.selection.active = self.layer
        return self.layer

    def keep(self) -> None:
        """Keep the finished part and mark the layer as unfinished; pixels that were not computed become zero."""
        if self.layer is not None:
            is_missing = np.ones(self.layer.data.shape, bool)
            for part in self.finished_parts:
                is_missing[part] = False
            self.layer.data[is_missing] = 0
            self.layer.name = f"{self.layer.name} (unfinished)"
            self.layer.refresh()

    def discard(self) -> None:
        """Remove the layer from the viewer."""
        if self.layer is not None and self.layer in self.viewer.layers:
            self.viewer.layers.remove(self.layer)
        self.layer = None

    def _open(self, path: Path, image: Image) -> None:
        """Show the file of a result, placed and coloured as the source."""
        from napari.layers import Layer

        stored = read_with_notes(path)
        order = [stored.axes.index(a) for a in image.axes]
        data: Any = reader.sliceable(stored.data).transpose(order)
        if "C" not in image.axes:  # The reader would make a layer of each channel.
            levels = reader.read(path)[0][0]
            data = [level.transpose(order) for level in levels] if isinstance(levels, list) else data
        _, keywords, kind = to_layer(image, self.source_image, self.source, name=self.name, first=self.first)
        keywords = {**keywords, "multiscale": isinstance(data, list)}
        keywords["metadata"] = {**keywords["metadata"], FILE: str(path)}
        self._insert(Layer.create(data, keywords, kind))

    def _add(self, image: Image) -> None:
        from napari.layers import Layer

        data = to_layer(image, self.source_image, self.source, name=self.name, first=self.first)
        self._insert(Layer.create(*data))

    def _insert(self, layer: "ImageLayer") -> None:
        self.layer = layer
        self.layer.contrast_limits_range = self.source.contrast_limits_range
        selected = set(self.viewer.layers.selection)
        self.viewer.layers.insert(self.viewer.layers.index(self.source) + 1, self.layer)
        # The layer that the user works on stays selected until the run has finished.
        self.viewer.layers.selection = selected
        self._added(self.source, self.layer)
        self._drawn = time.monotonic()
