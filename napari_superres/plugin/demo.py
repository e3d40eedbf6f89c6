"""Open napari with a sample and the Super-resolve widget: ``python -m napari_superres.plugin.demo``."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_superres.io import list_samples
from napari_superres.plugin.host.docks import SUPER_RESOLVE, open_widget
from napari_superres.plugin.host.samples import sample_layers, show_preview

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget


def main(arguments: Sequence[str] | None = None) -> None:
    """Open the viewer and run napari.

    Parameters
    ----------
    arguments
        Command line arguments; by default those of the process.
    """
    parser = argparse.ArgumentParser(description="Open napari with a sample image and the Super-resolve widget.")
    parser.add_argument("--sample", default="nuclei", help="name of the sample (default: nuclei)")
    options = parser.parse_args(arguments)
    import napari

    viewer, _ = open_demo(options.sample)
    show_preview(viewer)
    napari.run()


def open_demo(sample: str) -> "tuple[Viewer, UpscaleWidget]":
    """Return a viewer with a sample and the docked widget, in which the sample's model is chosen.

    Parameters
    ----------
    sample
        Name of the sample.
    """
    import napari
    from napari.layers import Layer

    viewer = napari.Viewer(title="napari: Super-Resolution")
    for layer in sample_layers(sample):
        viewer.add_layer(Layer.create(*layer))
    widget = open_widget(viewer, SUPER_RESOLVE)
    model = next(e["model"] for e in list_samples() if e["name"] == sample)
    if model in widget.model.choices:
        widget.model.value = model
    return viewer, widget


if __name__ == "__main__":
    main()
