"""Networks that look at neighbouring planes, in time or in depth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_superres import upscale
from napari_superres.core.color import BLACK, TO_YCBCR
from napari_superres.errors import ModelFileError, SettingsError
from napari_superres.inference.measure import check
from napari_superres.models import Model, ModelCard
from napari_superres.models.interpolate import Interpolation
from napari_superres.models.probes.halo import measure_reach

OPTIONS = {"precision": "fp64", "intensity_range": [(0, 1)]}


class Mix(nn.Module):
    """A known sum of blurred frames, each channel by itself; nothing is alike under turns or reversal."""

    def __init__(self, frames, channels):
        super().__init__()
        self.frames, self.channels = frames, channels
        weights = torch.arange(1.0, frames + 1)
        blur = torch.arange(1.0, 10.0).reshape(3, 3) / 45
        kernel = torch.zeros(channels, frames, channels, 3, 3)
        for c in range(channels):
            kernel[c, :, c] = (c + 1) * weights[:, None, None] * blur
        self.weight = nn.Parameter(kernel.reshape(channels, -1, 3, 3))

    def forward(self, x):
        mixed = nn.functional.conv2d(x, self.weight, padding=1)
        return nn.functional.interpolate(mixed, scale_factor=2.0)


def make(frames=3, channels=1, **card):
    network = Mix(frames, channels).eval()
    reach = measure_reach(network, (2, 2), channels=frames * channels)
    facts = {"intensity": "none", "color": "per-channel", **card}
    card = ModelCard(
        name="mix", architecture="mix", scale=(2, 2), halo=reach.halo, frames=frames, channels=channels, **facts
    )
    return Model(card, network)


def expected(model, planes):
    """The network on ``(N, channels, Y, X)`` with neighbours picked by hand."""
    count, k = len(planes), model.card.own
    numbers = list(range(count))
    if model.card.ends == "replicate":
        line = [0] * k + numbers + [count - 1] * (k + 1)
    else:  # 0 1 2 3 2 1 0 1 ..., long enough on both sides
        cycle = (numbers + numbers[-2:0:-1]) * (2 * k + 2)
        before = cycle[-k % len(cycle) :][:k] if k else []
        line = before + cycle[: count + k + 1]
    network = Mix(model.card.frames, model.card.channels).double()
    found = []
    with torch.inference_mode():
        for i in range(count):
            x = np.concatenate([planes[j] for j in line[i : i + model.card.frames]])
            found.append(network(torch.from_numpy(x)[None])[0].numpy())
    return np.stack(found)


def images(*shape):
    return np.random.default_rng(0).random(shape) - 0.5


def same(found, wanted):
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-12 * np.ptp(wanted)


@pytest.mark.parametrize("ends", ["reflect", "replicate"])
@pytest.mark.parametrize("axis", ["T", "Z"])
@pytest.mark.parametrize(("frames", "count"), [(3, 5), (5, 4), (3, 1), (3, 2), (7, 2), (7, 1), (1, 3), (2, 2), (2, 3)])
def test_both_ends(ends, axis, frames, count):
    model = make(frames, ends=ends, context=axis)
    data = images(count, 21, 25)
    found = upscale(data, model, axes=axis + "YX", tile=10, batch=3, **OPTIONS)
    same(found.data, expected(model, data[:, None])[:, 0])
    same(found.data, upscale(data, model, axes=axis + "YX", tile=99, **OPTIONS).data)


def test_the_hand_picked_line_is_right():
    model = make(5)
    data = np.zeros((4, 1, 3, 3))
    data[:, :, 1, 1] = np.array([1, 10, 100, 1000])[:, None]
    # frames 2 1 0 1 2 around the first, weighed 1 to 5; the blur's middle tap is 5 of 45
    assert np.isclose(expected(model, data)[0, 0, 2, 2], (100 + 20 + 3 + 40 + 500) * 5 / 45)
    assert np.isclose(expected(model, data)[3, 0, 2, 2], (10 + 200 + 3000 + 400 + 50) * 5 / 45)


PAIR = {"precision": "fp64", "intensity_range": [(0, 1), (0, 1)]}


@pytest.mark.parametrize("axes", ["CYX", "TCYX", "CZYX"])
def test_each_of_two_views_is_refined_with_the_other(axes):
    model = make(2, context="C")
    data = images(2, 3, 21, 25)
    given = {"CYX": data[:, 0], "TCYX": data.swapaxes(0, 1), "CZYX": data}[axes]
    found = np.asarray(upscale(given, model, axes=axes, tile=10, **PAIR).data)
    wanted = np.stack([expected(model, data[:, i][:, None])[:, 0] for i in range(3)])  # (3, C, Y, X)
    same(found, {"CYX": wanted[0], "TCYX": wanted, "CZYX": wanted.swapaxes(0, 1)}[axes])


def test_one_view_of_two_and_views_in_colour():
    model = make(2, context="C")
    data = images(2, 17, 18, 3)
    found = np.asarray(upscale(data, model, axes="CYXS", tile=9, **PAIR).data)
    for s in range(3):
        same(found[..., s], expected(model, data[..., s][:, None])[:, 0])
    one = upscale(data[..., 0], model, axes="CYX", channels=[1], **PAIR).data
    same(one, found[1:, ..., 0])


@pytest.mark.parametrize("precision", ["fp64", "fp32"])
def test_each_view_is_normalised_by_its_own_range(precision):
    """Cameras differ in gain and offset: the network sees both views on one scale, and each keeps its own."""
    model = make(2, context="C", intensity="unit")
    data = images(2, 19, 23) + 0.5
    gain, offset = np.array([100.0, 3.0])[:, None, None], np.array([20.0, 500.0])[:, None, None]
    ranges = [(20.0, 120.0), (500.0, 503.0)]
    found = upscale(gain * data + offset, model, axes="CYX", precision=precision, intensity_range=ranges, tile=10).data
    wanted = gain * expected(model, data[:, None])[:, 0] + offset
    assert np.abs(found - wanted).max() < (1e-9 if precision == "fp64" else 1e-3)


def test_views_are_flipped_and_never_turned():
    """Quarter turns would lay the parallax along the columns."""
    model = make(2, context="C")
    data = images(2, 15, 18)
    wanted = np.zeros((2, 30, 36))
    for flips in ((), (1,), (2,), (1, 2)):
        wanted += np.flip(expected(model, np.flip(data, flips)[:, None].copy())[:, 0], flips) / 4
    same(upscale(data, model, axes="CYX", tile=9, tta=True, **PAIR).data, wanted)


@pytest.mark.parametrize("axes", ["YX", "TYX", "CYX"])
def test_one_view_alone_is_refused(axes):
    with pytest.raises(SettingsError, match="takes 2 views of one scene as channels, got 1 along C"):
        upscale(images(*(1,) * (len(axes) - 2), 9, 9), make(2, context="C"), axes=axes)


@pytest.mark.parametrize("axis", ["T", "Z"])
def test_a_part_sees_neighbours_outside_it(axis):
    model = make(5, context=axis)
    data = images(7, 20, 22)
    found = upscale(data, model, axes=axis + "YX", roi={axis: (2, 4), "Y": (3, 15)}, tile=8, **OPTIONS)
    same(found.data, expected(model, data[:, None])[2:4, 0, 6:30])


def test_other_axes_are_left_alone():
    data = images(4, 2, 3, 15, 14)
    in_time = upscale(data, make(3), axes="TCZYX", **OPTIONS | {"intensity_range": [(0, 1)] * 2}).data
    in_depth = upscale(data, make(3, context="Z"), axes="TCZYX", **OPTIONS | {"intensity_range": [(0, 1)] * 2}).data
    for c in range(2):
        for z in range(3):
            same(in_time[:, c, z], expected(make(3), data[:, c, z][:, None])[:, 0])
        for t in range(4):
            same(in_depth[t, c], expected(make(3), data[t, c][:, None])[:, 0])


@pytest.mark.parametrize("samples", [3, 4])
def test_colour_channel_by_channel(samples):
    model = make(3)
    data = images(4, 17, 18, samples)
    found = upscale(data, model, axes="TYXS", tile=9, **OPTIONS).data
    for s in range(samples):
        if s < 3:
            same(found[..., s], expected(model, data[..., s][:, None])[:, 0])


@pytest.mark.parametrize("samples", [1, 3, 4])
def test_colour_networks(samples):
    model = make(3, channels=3)
    data = images(4, 17, 18, samples)
    grey = samples == 1
    found = upscale(data[..., 0] if grey else data, model, axes="TYX" if grey else "TYXS", tile=12, **OPTIONS).data
    planes = np.moveaxis(np.repeat(data, 3, -1) if grey else data[..., :3], -1, 1)
    wanted = expected(model, planes)
    if grey:
        same(found, wanted.mean(1))
        return
    same(found[..., :3], np.moveaxis(wanted, 1, -1))


def bicubic(planes):
    with torch.inference_mode():
        return Interpolation("bicubic", (2, 2)).double()(torch.from_numpy(planes)[:, None])[:, 0].numpy()


def test_luma_of_every_frame_and_chroma_of_the_middle_one():
    model = make(3, color="luma")
    data = images(4, 17, 18, 3)
    found = upscale(data, model, axes="TYXS", tile=14, **OPTIONS).data
    ycbcr = data @ TO_YCBCR.T
    luma = expected(model, ycbcr[..., 0][:, None] + BLACK / 255)[:, 0] - BLACK / 255
    wanted = np.stack([luma, bicubic(ycbcr[..., 1]), bicubic(ycbcr[..., 2])], -1) @ np.linalg.inv(TO_YCBCR).T
    same(found, wanted)


def test_turns():
    model = make(3)
    data = images(4, 16, 16)
    wanted = np.zeros((4, 32, 32))
    for turns in range(4):
        for flip in (False, True):
            seen = np.rot90(data[..., ::-1] if flip else data, turns, (1, 2))
            back = np.rot90(expected(model, seen[:, None].copy())[:, 0], -turns, (1, 2))
            wanted += (back[..., ::-1] if flip else back) / 8
    same(upscale(data, model, axes="TYX", tile=9, tta=True, **OPTIONS).data, wanted)


def test_missing_pixels_are_filled_in_each_frame_and_put_back_in_their_own():
    model = make(3)
    data = images(4, 16, 16)
    data[1, 5, 6] = np.nan
    with pytest.warns(UserWarning, match="1 pixels are NaN"):
        found = upscale(data, model, axes="TYX", tile=9, **OPTIONS).data
    missing = np.zeros(found.shape, bool)
    missing[1, 10:12, 12:14] = True
    assert (np.isnan(found) == missing).all()
    around = data[1, 4:7, 5:8]
    filled = data.copy()
    filled[1, 5, 6] = np.nanmean(around)
    wanted = expected(model, filled[:, None])[:, 0]
    # where the pixel is not seen nothing changes; where it is, by no more than the filling may differ
    assert np.abs(found - wanted)[~missing].max() <= 0.5
    same(found[3], wanted[3])


def test_what_does_not_fit():
    with pytest.raises(SettingsError, match=r"3 neighbouring planes and needs the axis Z, got axes TYX"):
        upscale(images(3, 9, 9), make(3, context="Z"), axes="TYX")
    good = make(3).card
    for field, value in (("context", "S"), ("ends", "zeros"), ("frames", 4)):
        with pytest.raises(ModelFileError, match=field):
            replace(good, **{field: value})
    with pytest.raises(ModelFileError, match="frames must be 1 for volumes"):
        replace(good, scale=(2, 2, 2), multiple=(), halo=(), grid_offset=None)


def test_checked(monkeypatch):
    monkeypatch.setattr(check, "_SPEED_EDGE", {2: 24, 3: 16})
    found = check.check_model(make(5))
    assert found["exact"]
    assert found["halo_measured"] == [1, 1]
