"""File > Open Sample: real images, each as a low- and a high-resolution layer, with a preview of the result."""

from functools import partial
from typing import TYPE_CHECKING

from napari_superres.core.grid import upscale_affine
from napari_superres.io import list_samples, read_image, sample_path
from napari_superres.plugin.host.docks import PLUGIN, SUPER_RESOLVE, find_control, open_widget
from napari_superres.plugin.host.layers import LayerData
from napari_superres.plugin.host.reader import image_layers

if TYPE_CHECKING:
    from napari.viewer import Viewer


def sample_layers(name: str) -> list[LayerData]:
    """Return the layers of a sample: the hidden high-resolution reference below the low-resolution image.

    Parameters
    ----------
    name
        One of `napari_superres.io.list_samples`.

    Raises
    ------
    SettingsError
        If no sample has this name. The message lists the samples.
    """
    sample_path(name)  # Raises SettingsError for an unknown name.
    entry = next(e for e in list_samples() if e["name"] == name)
    layers = []
    for file, suffix, visible in ((entry["hr"], "HR reference", False), (entry["lr"], "LR", True)):
        image = read_image(sample_path(file))
        if file == entry["hr"] and not image.has_pixel_size:
            # The file has no pixel size. The grid that covers the low-resolution image's field is taken.
            image = image.replace(affine=upscale_affine(image.affine, [entry["scale"]] * len(image.spatial)))
        for data, keywords, kind in image_layers(image, f"{name} {suffix}"):
            metadata = {**keywords["metadata"], "path": str(sample_path(file))}
            layers.append((data, {**keywords, "visible": visible, "metadata": metadata}, kind))
    return layers


def nuclei() -> list[LayerData]:
    """Return one plane of nuclei in fluorescence."""
    return _open("nuclei")


def nuclei_stack() -> list[LayerData]:
    """Return a stack of nuclei in fluorescence."""
    return _open("nuclei-stack")


def brain() -> list[LayerData]:
    """Return a slab of a brain MRI."""
    return _open("brain")


def chelsea() -> list[LayerData]:
    """Return a colour photograph."""
    return _open("chelsea")


def show_preview(viewer: "Viewer") -> None:
    """Open Super-resolve and switch its preview on.

    Parameters
    ----------
    viewer
        napari viewer of the docks.
    """
    preview = find_control(open_widget(viewer, SUPER_RESOLVE), "Live preview")
    if preview is not None:
        preview.setChecked(True)


def _open(name: str) -> list[LayerData]:
    """Return the layers of a sample; once napari has added them, its window shows a preview of the result."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    if QApplication.instance() is not None:
        QTimer.singleShot(0, partial(_show_preview_of, name))
    return sample_layers(name)


def _show_preview_of(name: str) -> None:
    """Show the preview in the current window, unless the sample went elsewhere: to a viewer without a window."""
    from napari import current_viewer

    viewer = current_viewer()
    opened = [] if viewer is None else [each for each in viewer.layers if each.source.sample == (PLUGIN, name)]
    if opened:
        show_preview(viewer)
        # The widget follows the selection among the layers that it knows. It did not know this one when it was added.
        viewer.layers.selection.active = None
        viewer.layers.selection.active = opened[-1]
