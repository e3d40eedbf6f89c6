"""A result that does not agree with its input says so; one that only removes noise or sharpens does not."""

import time

import numpy as np
import pytest
from helpers.faults.memory import failing
from scipy.ndimage import gaussian_filter
from skimage.data import camera
from torch import nn

from napari_superres import Image, iter_upscale, read_image, upscale, upscale_file, write_image
from napari_superres.errors import SuperResWarning
from napari_superres.inference.engine import sweep
from napari_superres.inference.engine.consistency import Agreement, ConsistencyCheck
from napari_superres.inference.machine.cuda_pipeline import CONVERTED
from napari_superres.models import Model, ModelCard, load_model


class Enlarged(nn.Module):
    """Repeat pixels, smoothed by means of 5 x 5 if `smooth`, with another gain and offset; the middle frame of many."""

    def __init__(self, scale, gain=1.0, offset=0.0, *, smooth=False, frames=1):
        super().__init__()
        self.scale, self.gain, self.offset, self.smooth, self.frames = scale, gain, offset, smooth, frames

    def forward(self, x):
        channels = x.shape[1] // self.frames
        x = x[:, channels * (self.frames // 2) :][:, :channels]
        if self.smooth:
            x = nn.functional.avg_pool2d(nn.functional.pad(x, (2, 2, 2, 2), mode="replicate"), 5, 1)
        for axis, s in enumerate(self.scale, start=2):
            x = x.repeat_interleave(s, axis)
        return self.gain * x + self.offset


def model_of(scale=(2, 2), frames=1, channels=1, intensity="percentile", grid_offset=None, **network):
    card = ModelCard(
        name="enlarged",
        architecture="espcn",
        scale=scale,
        halo=(3,) * len(scale),
        frames=frames,
        channels=channels,
        intensity=intensity,
        grid_offset=grid_offset,
    )
    return Model(card, Enlarged(scale, frames=frames, **network))


def scene(shape=(96, 104), seed=0):
    smooth = gaussian_filter(np.random.default_rng(seed).random(shape), 3)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 1000 + 100).astype(np.float32)


def noisy_scene(seed=0):
    return scene(seed=seed) + np.random.default_rng(seed).normal(0, 150, (96, 104)).astype(np.float32)


def sparse(photons=None):
    """Return a few spots on black: blocks of 8 x 8 pixels have 1 % of the contrast on average."""
    rng, plane = np.random.default_rng(0), np.zeros((192, 192))
    plane[tuple(rng.integers(0, 192, (2, 30)))] = rng.uniform(0.3, 1, 30)
    plane = gaussian_filter(plane, 2) * 8 * np.pi
    return (1000 * (rng.poisson(plane * photons) / photons if photons else plane)).astype(np.uint16)


def difference(result, name="difference"):
    return result.metadata["provenance"]["consistency"][name]


@pytest.mark.parametrize("dtype", ["u2", "i4", "f4"])
def test_another_brightness_is_told_and_recorded(dtype):
    image = scene().astype(dtype)
    with pytest.warns(SuperResWarning, match=r"differs by 5.\d% of the contrast.*enlarged does not suit this image"):
        result = upscale(image, model_of(offset=0.055), axes="YX")
    assert difference(result) == pytest.approx(0.055, abs=2e-3)
    assert result.metadata["provenance"]["consistency"]["blocks"] == 64


@pytest.mark.parametrize("gain", [0.8, 1.25])
@pytest.mark.parametrize("photons", [None, 100])
def test_another_brightness_of_a_dark_image(gain, photons):
    """Spots are a small part of the contrast, but a quarter less of them is no small error."""
    with pytest.warns(SuperResWarning, match=r"differs by (19|2\d)\.\d% of the brightness above the darkest parts"):
        result = upscale(sparse(photons), model_of(gain=gain, intensity="none"), axes="YX")
    assert difference(result) < 0.02
    assert difference(result, "difference_of_signal") == pytest.approx(abs(gain - 1), abs=0.02)


@pytest.mark.parametrize("photons", [None, 300, 30, 10])
@pytest.mark.parametrize("model", ["fluo-x2", "em-x2", "photo-x2"])
def test_shipped_models_agree_with_dark_images(model, photons, recwarn):
    upscale(sparse(photons), load_model(model), axes="YX")
    assert not [w for w in recwarn if "does not agree" in str(w.message)]


@pytest.mark.parametrize(
    ("share", "noise", "signal", "blocks", "told"),
    [
        (0.021, 0.020, 0.5, 64, "2.1% of the contrast"),
        (0.021, 0.022, 0.5, 64, ""),
        (0.019, 0.000, 0.5, 64, ""),
        (0.004, 0.002, 0.02, 64, "20.0% of the brightness above the darkest parts"),
        (0.004, 0.003, 0.02, 64, ""),
        (0.004, 0.002, 0.03, 64, ""),
        (0.004, 0.002, 0.02, 8, ""),
    ],
)
def test_what_is_told(share, noise, signal, blocks, told):
    found = Agreement(blocks, blocks * share**2, blocks * noise**2, blocks * signal**2)
    assert found.describe_difference() == told


@pytest.mark.parametrize("scale", [(1, 1), (2, 2), (4, 4)])
def test_a_result_that_agrees_is_not_told(scale, recwarn):
    assert difference(upscale(scene(), model_of(scale), axes="YX")) == 0
    assert not recwarn


@pytest.mark.parametrize("seed", range(4))
def test_removed_noise_is_no_disagreement(seed, recwarn):
    """The mean of 8 x 8 pixels of the noise alone is 1.9 % of the contrast."""
    image = noisy_scene(seed)
    result = upscale(image, model_of(smooth=True), axes="YX")
    assert np.std(result.data.reshape(96, 2, 104, 2).mean((1, 3)) - image) > 100
    assert difference(result) < 0.01
    assert not recwarn


def test_rounding_is_no_disagreement(recwarn):
    """Single photons are whole numbers: without their noise, even areas are rounded all the same way."""
    light = camera()[100:228, 100:228] * (2 / 255)
    upscale(np.random.default_rng(0).poisson(light).astype(np.uint16), load_model("photo-x2"), axes="YX")
    assert not [w for w in recwarn if "does not agree" in str(w.message)]


def test_sharpening_is_no_disagreement(recwarn):
    image = (gaussian_filter(np.random.default_rng(0).random((96, 104)), 1.2) * 4000).astype(np.uint16)
    result = upscale(image, load_model("fluo-x2"), axes="YX")
    assert difference(result) < 0.01
    assert not recwarn


def test_a_network_at_intensities_it_does_not_know():
    with pytest.warns(SuperResWarning, match=r"does not agree with the image.*`intensity_range`"):
        upscale(scene(), load_model("mri-x2"), axes="YX", intensity_range=[(-6000, -5000)])


@pytest.mark.parametrize(
    ("axes", "shape", "model"),
    [
        ("YXS", (64, 72, 3), model_of(offset=0.05, channels=3)),
        ("YXS", (64, 72, 4), model_of(offset=0.05)),
        ("CYX", (2, 64, 72), model_of(offset=0.05)),
        ("ZYX", (7, 24, 40), model_of((3, 2, 2), offset=0.05)),
        ("ZYX", (1, 24, 40), model_of((4, 1, 1), offset=0.05)),
        ("TYX", (5, 24, 40), model_of(offset=0.05, frames=3)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_kind_of_image(axes, shape, model):
    image = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)
    with pytest.warns(SuperResWarning, match="does not agree with the image"):
        assert difference(upscale(image, model, axes=axes)) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    "options",
    [{"model": model_of(offset=0.5, grid_offset=(0.0, 0.0))}, {"model": "bicubic-x2"}],
    ids=["another grid", "interpolation"],
)
def test_what_is_not_compared(options, recwarn):
    assert "consistency" not in upscale(scene(), axes="YX", **options).metadata["provenance"]
    assert "consistency" not in upscale(scene()[:7], model_of(offset=0.5), axes="YX").metadata["provenance"], (
        "too small"
    )
    assert not recwarn


def test_every_tiling_run_and_device_finds_it(monkeypatch, tmp_path, small_cuts):
    image, model = Image.from_array(scene((150, 160)), "YX", pixel_size=1.0), model_of(offset=0.05)
    with pytest.warns(SuperResWarning, match="does not agree"):
        whole = upscale(image, model)
    for tile in (30, 70):
        with pytest.warns(SuperResWarning, match="does not agree"):
            tiled = upscale(image, model, tile=tile)
        again = [*iter_upscale(image, model, tile=tile, focus={"Y": 3.0, "X": 2.0})][-1].image
        assert difference(tiled) == pytest.approx(difference(whole), abs=1e-3)
        assert difference(again) == pytest.approx(difference(tiled), abs=1e-5), "the focus changes only the order"
    with monkeypatch.context() as patch:
        patch.setattr(sweep.TileRunner, "is_pipelined", property(lambda runner: runner.image.dtype in CONVERTED))
        with pytest.warns(SuperResWarning, match="does not agree"):
            assert difference(upscale(image, model, tile=70)) == pytest.approx(difference(whole), abs=1e-3)
    source = write_image(image, tmp_path / "in.ome.zarr")
    with pytest.warns(SuperResWarning, match="does not agree"):
        found = read_image(upscale_file(source, tmp_path / "out.ome.zarr", model=model))
    assert difference(found) == pytest.approx(difference(whole), abs=1e-3)


def test_a_tile_that_was_divided_is_still_compared():
    with pytest.warns(SuperResWarning) as heard:
        result = upscale(scene(), failing(model_of(offset=0.05), at=(0,)), axes="YX")
    assert difference(result) == pytest.approx(0.05, abs=2e-3)
    assert any("memory was short" in str(w.message) for w in heard)


def test_pixels_that_are_not_finite_do_not_hide_it():
    image = scene()
    image[40:60, 40:44] = np.nan
    with pytest.warns(SuperResWarning) as heard:
        result = upscale(image, model_of(offset=0.05), axes="YX")
    assert difference(result) == pytest.approx(0.05, abs=2e-3)
    assert any("does not agree" in str(w.message) for w in heard)


def test_it_costs_a_hundredth_of_a_run(monkeypatch):
    """Of the fastest shipped network; the check itself is the same for all."""
    spent, compare = [], ConsistencyCheck.compare

    def timed(*given):
        start = time.perf_counter()
        found = compare(*given)
        spent.append(time.perf_counter() - start)
        return found

    monkeypatch.setattr(ConsistencyCheck, "compare", timed)
    image, model = scene((1024, 1024)).astype(np.uint16), load_model("fsrcnn-x2")
    upscale(image[:64, :64], model, axes="YX")
    spent.clear()
    start = time.perf_counter()
    upscale(image, model, axes="YX", tile=256)
    total = time.perf_counter() - start
    assert len(spent) == 8
    assert 8 * np.median(spent) < 0.01 * total
