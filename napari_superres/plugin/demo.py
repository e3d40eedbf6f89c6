"""The viewer with a sample and the Super-resolve widget open: ``python -m napari_superres.plugin.demo``."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_superres.io import list_samples
from napari_superres.plugin.host.samples import sample_layers

if TYPE_CHECKING:
    import napari

    from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget


def main(arguments: Sequence[str] | None = None) -> None:
    """Open the viewer."""
    parser = argparse.ArgumentParser(description="Open napari with a sample image and the Super-resolve widget.")
    parser.add_argument("--sample", default="nuclei", help="name of the sample (default: nuclei)")
    options = parser.parse_args(arguments)
    import napari

    open_demo(options.sample)
    napari.run()


def open_demo(sample: str) -> "tuple[napari.Viewer, UpscaleWidget]":
    """Return a viewer with a sample, the widget docked and the sample's model chosen."""
    import napari
    from napari.layers import Layer

    from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

    viewer = napari.Viewer(title="napari: Super-Resolution")
    for layer in sample_layers(sample):
        viewer.add_layer(Layer.create(*layer))
    widget = UpscaleWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Super-resolve", area="right")
    wanted = next(e["model"] for e in list_samples() if e["name"] == sample)
    if wanted in widget.model.choices:
        widget.model.value = wanted
    return viewer, widget


if __name__ == "__main__":
    main()
