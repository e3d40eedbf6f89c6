"""JPEG compression: less detail, no shift, 8 bits only."""

import numpy as np
import pytest
import skimage.data
import torch

from napari_superres import Image, degrade
from napari_superres.degradation.instruments import make_instrument
from napari_superres.degradation.jpeg import compress
from napari_superres.errors import SettingsError


def test_lower_quality_loses_more_and_moves_nothing():
    camera = skimage.data.camera()[100:260, 100:262]
    errors = []
    for quality in (95, 60, 10):
        off = compress(camera, quality).astype(float) - camera
        assert off.shape == camera.shape
        assert abs(off.mean()) < 1
        errors.append(off.std())
    assert 0 < errors[0] < errors[1] < errors[2] < 12


def test_photographs_are_degraded_as_cameras_do():
    rgb = skimage.data.astronaut()[:120, :130]
    image = Image.from_array(rgb, "YXS")
    clean, found = (degrade(image, 2, jpeg=quality) for quality in (None, 30))
    assert found.data.shape == clean.data.shape == (60, 65, 3)
    off = found.data.astype(float) - clean.data
    assert 1 < off.std() < 12
    assert found.metadata["degradation"]["jpeg"] == 30
    movie = Image.from_array(np.stack([rgb[..., 0]] * 3), "TYX")
    frames = degrade(movie, 2, jpeg=30).data
    assert (frames[0] == frames[2]).all()
    with pytest.raises(SettingsError, match="8 bits"):
        degrade(Image.from_array(np.ones((9, 9), np.uint16), "YX"), 2, jpeg=50)
    with pytest.raises(SettingsError, match="between 1 and 100, got 0"):
        degrade(image, 2, jpeg=0)


def test_patches_are_compressed_each_with_its_own_quality():
    instrument = make_instrument({"kind": "bicubic", "jpeg": [10, 95]})
    plane = skimage.data.camera()[:96, :96].astype(np.float32) / 255
    low = torch.from_numpy(instrument.reduce(plane, (2, 2)))[None, None].repeat(4, 1, 1, 1)
    seen, _ = instrument.expose(low, low, (2, 2), np.random.default_rng(0))
    assert len({round(float((one - low[0]).std()), 5) for one in seen}) == 4
    assert "JPEG quality 10-95" in instrument.describe()
    with pytest.raises(SettingsError, match="between 1 and 100, got 120"):
        make_instrument({"kind": "bicubic", "jpeg": [10, 120]})
    with pytest.raises(SettingsError, match="eight_bit"):
        make_instrument({"kind": "bicubic", "jpeg": [10, 90], "eight_bit": False})
