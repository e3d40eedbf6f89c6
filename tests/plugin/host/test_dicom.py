"""DICOM in napari: padding comes along to the layer, its results and back; frames open as time and channels."""

from pathlib import Path

import numpy as np
from helpers.prepared import slice_file, slices
from napari.components import ViewerModel
from napari.layers import Layer

from napari_superres.plugin.host import reader
from napari_superres.plugin.host.layers import to_image, to_layer


def test_padding_comes_along(tmp_path: Path) -> None:
    folder = slices(tmp_path / "ct", [0, 3, 6], PixelPaddingValue=101)
    ((data, keywords, kind),) = reader.read(folder)
    layer = Layer.create(data, keywords, kind)
    image = to_image(layer)
    assert image.no_data == (101 - 1024, 101 - 1024)
    result = Layer.create(*to_layer(image, image, layer, name="result"))
    assert to_image(result).no_data == image.no_data


def test_frames_in_time_lie_where_they_should(tmp_path: Path) -> None:
    pixels = np.arange(4 * 30, dtype="uint16").tobytes()
    path = slice_file(tmp_path / "a.dcm", NumberOfFrames=4, FrameTime=40, PixelData=pixels, RescaleIntercept=0)
    viewer = ViewerModel()
    for layer in reader.read(path):
        viewer.add_layer(Layer.create(*layer))
    (layer,) = viewer.layers
    assert layer.axis_labels == ("t", "y", "x")
    np.testing.assert_allclose(layer.data_to_world((3, 2, 4)), (3 * 40, 2 * 0.7, 4 * 0.5))
