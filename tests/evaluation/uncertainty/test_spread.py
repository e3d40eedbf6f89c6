"""Disagreement: exact inverses, one intensity map, and what it measures."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from napari_superres import Image, upscale
from napari_superres.core import intensity
from napari_superres.errors import SettingsError, SuperResWarning
from napari_superres.evaluation.uncertainty.spread import iter_spread, spread
from napari_superres.models import Model, ModelCard


class Repeated(nn.Module):
    """x2 by repetition, of what a function makes of each pixel or its neighbours."""

    def __init__(self, function, ndim):
        super().__init__()
        self.function, self.ndim = function, ndim
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return nn.functional.interpolate(self.function(x), scale_factor=(2.0,) * self.ndim)


def model_of(function, ndim=2, **card):
    facts = {"intensity": "none", "color": "per-channel", "halo": (2,) * ndim, **card}
    return Model(ModelCard(name="toy", architecture="toy", scale=(2,) * ndim, **facts), Repeated(function, ndim))


def lopsided(seed=0, ndim=2):
    """A filter that no turn or mirror leaves as it is."""
    torch.manual_seed(seed)
    conv = (nn.Conv2d, nn.Conv3d)[ndim - 2](1, 1, 3, padding=1)
    conv.requires_grad_(False)
    return lambda x: conv.to(x.dtype)(x)


def scene(shape, axes="YX", dtype=np.float32, **grid):
    """Return random pixels; floats of both signs, so that no result is limited to values of at least 0."""
    data = np.random.default_rng(0).random(shape) * 1000 - (500 if np.dtype(dtype).kind == "f" else 0)
    return Image.from_array(data.astype(dtype), axes, **grid)


def members_by_hand(model, data, exchanges=(False, True)):
    """Turned, computed by the network alone, turned back."""
    found = []
    for swap, *flips in product(exchanges, *[(False, True)] * data.ndim):
        axes = [a for a, on in enumerate(flips) if on]
        seen = np.flip(data, axes)
        seen = np.ascontiguousarray(seen.swapaxes(-1, -2) if swap else seen)
        with torch.inference_mode():
            out = model.module(torch.from_numpy(seen)[None, None])[0, 0].numpy()
        found.append(np.flip(out.swapaxes(-1, -2) if swap else out, axes))
    return np.array(found, dtype=np.float64)


@pytest.mark.parametrize(
    ("shape", "axes", "dtype"),
    [
        ((33, 20), "YX", np.float32),
        ((17, 31), "YX", np.uint16),
        ((2, 12, 15), "CYX", np.uint8),
        ((9, 14, 3), "YXS", np.uint8),
        ((3, 11, 8), "ZYX", np.float64),
        ((8, 11), "XY", np.float32),
    ],
)
def test_an_equivariant_model_agrees_with_itself(shape, axes, dtype):
    image = scene(shape, axes, np.float64)
    image = image.replace(data=(image.data / (4 if dtype == np.uint8 else 1)).astype(dtype))
    found = spread(image, "bicubic-x2")
    plain = upscale(image, "bicubic-x2")
    scale = np.ptp(image.data.astype(float))
    assert found.members == 8
    assert found.deviation.data.max() < 1e-5 * scale
    # A result in integers is rounded; the mean is not.
    off = np.abs(np.clip(found.mean.data, 0, None) - plain.data)
    assert np.median(off) < (0.6 if np.dtype(dtype).kind == "u" else 1e-5 * scale)
    for made in (found.mean, found.deviation):
        assert made.dtype == np.float32
        assert made.axes == plain.axes
        np.testing.assert_array_equal(made.affine, plain.affine)
        assert made.units == plain.units


@pytest.mark.parametrize("shape", [(13, 22), (16, 16)])
def test_the_moments_are_those_of_all_members(shape):
    model, image = model_of(lopsided()), scene(shape, pixel_size=0.1)
    by_hand = members_by_hand(model, image.data)
    found = spread(image, model)
    assert found.members == len(by_hand) == 8
    assert found.deviation.data.min() > 0
    np.testing.assert_allclose(found.mean.data, by_hand.mean(0), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.deviation.data, by_hand.std(0), rtol=1e-4, atol=1e-3)


@pytest.mark.filterwarnings("ignore:The image does not fit toy")
@pytest.mark.parametrize(("size", "expected"), [((0.1, 0.1005), 8), ((0.1, 0.102), 4), ((0.3, 0.1), 4)])
def test_axes_of_other_pixels_are_not_exchanged(size, expected):
    model, image = model_of(lopsided()), scene((9, 12), pixel_size=size)
    found = spread(image, model)
    assert found.members == expected
    by_hand = members_by_hand(model, image.data, (False, True) if expected == 8 else (False,))
    np.testing.assert_allclose(found.deviation.data, by_hand.std(0), rtol=1e-4, atol=1e-3)


def test_a_scale_that_differs_along_y_and_x_is_not_exchanged():
    assert spread(scene((9, 12)), "bicubic-x2x3").members == 4


def test_two_views_are_not_exchanged():
    """Their parallax lies along X."""
    model = model_of(lambda x: x.mean(dim=1, keepdim=True), frames=2, context="C")
    assert spread(scene((2, 9, 12), "CYX", pixel_size=0.1), model).members == 4


def test_pixel_sizes_are_compared_in_one_unit():
    image = scene((9, 12), pixel_size=1.0)
    assert spread(image.replace(units={"Y": "micrometer", "X": "millimeter"}), "bicubic-x2").members == 4
    same = image.with_pixel_size((1.0, 0.001)).replace(units={"Y": "micrometer", "X": "millimeter"})
    assert spread(same, "bicubic-x2").members == 8


def test_volumes_are_mirrored_along_z_too():
    model, image = model_of(lopsided(ndim=3), ndim=3), scene((5, 8, 7), "ZYX", pixel_size=(0.5, 0.1, 0.1))
    found = spread(image, model)
    assert found.members == 16
    by_hand = members_by_hand(model, image.data)
    np.testing.assert_allclose(found.deviation.data, by_hand.std(0), rtol=1e-4, atol=1e-3)


def test_the_intensity_map_is_that_of_the_plain_image(monkeypatch):
    """Fitted to a turned image, which is sampled elsewhere, it would differ, and a curved model show it."""
    monkeypatch.setattr(intensity, "_SAMPLES_PER_CHANNEL", 30)
    model, image = model_of(lambda x: x * x, intensity="percentile"), scene((24, 40))
    turned = image.replace(data=np.ascontiguousarray(image.data[::-1]))
    assert intensity.fit_normalisation(image, "percentile") != intensity.fit_normalisation(turned, "percentile")
    assert spread(image, model).deviation.data.max() < 1e-3
    given = spread(image, model, intensity_range=[(0, 2000)])
    np.testing.assert_allclose(given.mean.data[::2, ::2], image.data**2 / 2000, rtol=1e-4)


def test_several_models():
    image = scene((9, 12))
    one, two = model_of(lambda x: x), model_of(lambda x: x + 3)
    found = spread(image, [one, two], tta=False)
    assert found.members == 2
    np.testing.assert_allclose(found.deviation.data, 1.5, rtol=1e-3)
    np.testing.assert_allclose(found.mean.data[::2, ::2], image.data + 1.5, rtol=1e-5)
    assert spread(image, [one, two]).members == 16
    assert found.mean.metadata["provenance"]["members"] == 2


def test_disagreement_is_not_error():
    """Equivariant and wrong: no disagreement at all."""
    found = spread(scene((9, 12)), model_of(lambda x: 1000 - x))
    assert found.deviation.data.max() == 0


def test_pixels_that_are_not_finite_stay_so():
    image = scene((9, 12))
    image.data[4, 4] = np.nan
    with pytest.warns(SuperResWarning, match="finite"):
        found = spread(image, "bicubic-x2")
    assert np.isnan(found.deviation.data[8:10, 8:10]).all()
    assert np.isfinite(found.deviation.data).sum() == found.deviation.data.size - 4


def test_what_does_not_fit_is_refused():
    image = scene((9, 12))
    with pytest.raises(SettingsError, match="at least two models are needed to disagree, got 1"):
        spread(image, "bicubic-x2", tta=False)
    with pytest.raises(SettingsError, match="got 0"):
        spread(image, [])
    with pytest.raises(SettingsError, match="one scale along YX, got bicubic-x2"):
        spread(image, ["bicubic-x2", "bicubic-x3"])
    for name, function in product(("roi", "out", "axes"), (spread, iter_spread)):
        with pytest.raises(SettingsError, match=f"unknown option '{name}'"):
            function(image, "bicubic-x2", **{name: None})
    with pytest.raises(SettingsError, match="Did you mean 'tile'"):
        spread(image, "bicubic-x2", tiles=64)


def test_doubts_are_told_once():
    image = scene((16, 16), pixel_size=500.0)
    with pytest.warns(SuperResWarning) as told:
        spread(image, model_of(lambda x: x, pixel_size=(0.1, 0.2)))
    assert len(told) == 1


def test_steps_carry_notes_instead_of_warnings():
    """Python warnings are errors in these tests."""
    image = scene((16, 16), pixel_size=500.0)
    *steps, last = iter_spread(image, model_of(lambda x: x, pixel_size=(0.1, 0.2)))
    assert set(steps) == {None}
    assert len(last.notes) == 1
    assert "pixel" in last.notes[0]
