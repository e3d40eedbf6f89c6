"""Networks whose pixels lie on another grid than the usual one: their results lie where the input lies."""

import numpy as np
import pytest
import torch
from torch import nn

from napari_superres import Image, upscale
from napari_superres.errors import SettingsError
from napari_superres.evaluation import spread
from napari_superres.models import Model, ModelCard
from napari_superres.models.foreign.measure_card import measure_card

SCALE = (2, 3)


class CornerAligned(nn.Module):
    """Linear interpolation that puts pixel k of the input at pixel ``s * k`` of the result."""

    def forward(self, x):
        for axis, s in zip((2, 3), SCALE, strict=True):
            count = x.shape[axis]
            after = torch.cat([x.narrow(axis, 1, count - 1), x.narrow(axis, count - 1, 1)], axis)
            x = torch.stack([x + (after - x) * (i / s) for i in range(s)], axis + 1).flatten(axis, axis + 1)
        return x


@pytest.fixture(scope="module")
def model():
    card = ModelCard(name="corner", architecture="spandrel", scale=SCALE, channels=1, intensity="unit")
    found = measure_card(card, CornerAligned())
    assert found.grid_offset == pytest.approx((0.0, 0.0), abs=0.02)
    return Model(found, CornerAligned())


@pytest.fixture
def image():
    y, x = np.mgrid[:40, :48]
    blob = np.exp(-((y - 17.3) ** 2 + (x - 21.8) ** 2) / (2 * 2.5**2)).astype(np.float32)
    return Image.from_array(blob, "YX", pixel_size=(0.5, 0.25), origin=(3.0, -7.0))


def centroid(image):
    data = np.asarray(image.data, np.float64)
    index = [np.sum(i * data) / np.sum(data) for i in np.indices(data.shape)]
    return (image.affine @ [*index, 1.0])[:-1]


@pytest.mark.parametrize("roi", [None, {"Y": (3, 36), "X": (5, 47)}])
def test_a_blob_stays_where_it_is(model, image, roi):
    result = upscale(image, model, roi=roi)
    off = np.abs(centroid(result) - centroid(image)) / image.pixel_size
    assert off.max() < 0.01
    assert result.metadata["provenance"]["offset"] == pytest.approx({"Y": 0.0, "X": 0.0}, abs=0.02)


def test_the_usual_grid_is_recorded_too(image):
    result = upscale(image, "bicubic-x3")
    assert result.metadata["provenance"]["offset"] == {"Y": 1.0, "X": 1.0}


def test_turning_is_refused(model, image):
    square = Model(measure_card(ModelCard(name="c", architecture="spandrel", scale=(2, 2)), Twice()), Twice())
    with pytest.raises(SettingsError, match="moves it by part of a pixel"):
        upscale(image, square, tta=True)
    with pytest.raises(SettingsError, match="moves images by part of a pixel"):
        spread(image, model)
    assert spread(image, [model, model], tta=False).deviation.data.max() == 0


class Twice(CornerAligned):
    def forward(self, x):
        return super().forward(x)[..., ::3].repeat_interleave(2, dim=-1)
