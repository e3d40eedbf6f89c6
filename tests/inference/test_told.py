"""What conditioned networks are told: measured or given noise, a known width, the same in every tile."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from torch import Tensor, nn

from napari_superres import Image, upscale
from napari_superres.core.color import luma
from napari_superres.core.conditions import CONDITIONS, encode
from napari_superres.errors import SettingsError, SuperResWarning
from napari_superres.inference.engine.sweep import TileRunner
from napari_superres.inference.images import prepare
from napari_superres.inference.machine.cuda_pipeline import Pipeline, TileInput
from napari_superres.inference.options import complete
from napari_superres.inference.planning.conditions import _sample_squares
from napari_superres.models import Model

RANGES = {"psf_sigma": (0.0, 2.0), "gain": (0.0, 0.08), "read_noise": (0.0, 0.15)}


@pytest.fixture
def told(toy: Callable[..., Model]) -> Model:
    """Return a conditioned network with random weights, whose planes matter."""
    return toy("edsr", arguments={"conditions": 3, "tail": "direct"}, conditions=RANGES, color="per-channel")


class Echo(nn.Module):
    """Returns the plane of one condition, upscaled by repetition."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index
        self.register_parameter("none", nn.Parameter(torch.zeros(1)))

    def forward(self, x: Tensor) -> Tensor:
        plane = x[:, 1 + self.index : 2 + self.index]
        return plane.repeat_interleave(2, -1).repeat_interleave(2, -2)


def echo(told: Model, index: int) -> Model:
    """Return a model of intensities 0..1 that shows what it is told."""
    from dataclasses import replace

    return Model(replace(told.card, intensity="none", architecture="echo"), Echo(index))


def photons(high: float, seed: int = 0, shape: tuple[int, int] = (96, 112)) -> np.ndarray[Any, Any]:
    """Return the camera's photograph, counted photon by photon."""
    scene = skimage.data.camera()[: shape[0], 60 : 60 + shape[1]] / 255
    return np.random.default_rng(seed).poisson(scene * high).astype(np.float32)


def test_the_plan_finds_the_cell_of_the_grid(told: Model) -> None:
    from dataclasses import replace

    gains = [[0, 0], [0, 0]]
    grid = {"psf_sigma": [0, 1], "photons": [None, 30], "over_bicubic": gains, "over_classical": gains}
    grid |= {"worst": 0, "worst_image": "a", "images": 1}
    model = Model(replace(told.card, grid=grid), told.module)
    image = Image.from_array(photons(30), "YX")
    for options, cell in (
        ({}, (1, 0)),
        ({"noise": 0}, (0, 0)),
        ({"psf_sigma": 1.1}, (1, 1)),
        ({"strength": 0.1, "psf_sigma": 0.9}, (0, 1)),
    ):
        assert prepare(image, model, complete(options), measure=False).plans[0].grid_cell == cell
    assert prepare(image, told, complete({}), measure=False).plans[0].grid_cell is None


def test_a_known_width_is_told_a_little_narrower(told: Model) -> None:
    values = {}
    for given in (None, 0.1, 1.2):
        shown = upscale(photons(100), echo(told, 0), psf_sigma=given, noise=0)
        values[given] = np.unique(np.asarray(shown.data))
    assert values[None] == values[0.1] == [0.0]
    assert values[1.2] == pytest.approx([encode("psf_sigma", 1.0)])


def test_a_lens_gives_the_width_in_pixels_of_the_result(told: Model) -> None:
    image = Image.from_array(photons(100), "YX", pixel_size=0.2, unit="micrometer")
    run = prepare(image, told, {"numerical_aperture": 0.8, "wavelength": 0.6, "noise": 0}, measure=False)
    assert run.plans[0].told is not None
    assert run.plans[0].told.psf_sigma == pytest.approx((0.21 * 0.6 / 0.8 / 0.1,))


def test_a_measured_width_is_the_mean_across_the_plane(told: Model) -> None:
    image = Image.from_array(photons(100), "YX", pixel_size=0.2, unit="micrometer")
    run = prepare(image, told, {"psf": {"Y": 0.12, "X": 0.16}, "noise": 0}, measure=False)
    assert run.plans[0].told is not None
    assert run.plans[0].told.psf_sigma == pytest.approx((0.14 / 0.1,))


def test_given_noise_goes_through_the_normalisation(told: Model) -> None:
    image = Image.from_array(photons(100), "YX")
    plan = prepare(image, told, {"noise": (2.0, 3.0, -50.0), "intensity_range": [(10, 210)]}, measure=False).plans[0]
    assert plan.told is not None
    values = dict(zip(CONDITIONS, plan.told.values[0], strict=True))
    assert values["gain"] == pytest.approx(2 / 200)
    assert values["read_noise"] == pytest.approx((9 + 2 * 60) ** 0.5 / 200)


def test_measured_noise_is_near_the_truth_and_strength_scales_it(told: Model) -> None:
    image = photons(40)
    told_by: dict[float, Any] = {}
    for strength in (0.0, 0.5, 1.0):
        plan = prepare(Image.from_array(image, "YX"), told, {"strength": strength}, measure=False).plans[0]
        assert plan.told is not None
        told_by[strength] = plan.told
    full = told_by[1.0]
    assert full.is_measured
    at_middle = full.noise[0].sigma(20.0)
    assert 0.9 < at_middle / 20**0.5 < 1.3
    assert told_by[0.0].values[0][1:] == (0.0, 0.0)
    assert told_by[0.5].values[0][1] == pytest.approx(full.values[0][1] / 4)


def test_channels_are_told_their_own_noise_and_tiles_do_not_show(told: Model) -> None:
    image = Image.from_array(np.stack([photons(30), photons(3000)]), "CYX")
    whole = upscale(image, told, tile=128)
    tiled = upscale(image, told, tile=48)
    assert np.abs(np.asarray(whole.data) - np.asarray(tiled.data)).max() < 1e-3
    gains = [n["gain"] / (n["gain"] * 1 + 1e-9) * v[1] for n, v in _record(whole)]
    assert gains[0] > 10 * gains[1]
    alone = upscale(image, told, channels=[1])
    assert np.array_equal(np.asarray(alone.data)[0], np.asarray(whole.data)[1])


def _record(image: Image) -> list[tuple[dict[str, float], list[float]]]:
    record = json.loads(json.dumps(image.metadata["provenance"]))["told"]
    return list(zip(record["noise"], record["values"], strict=True))


def test_a_frame_of_colour_is_told_like_grey(told: Model) -> None:
    grey = photons(30)
    colour = Image.from_array(np.stack([grey] * 3, axis=-1), "YXS")
    options: Any = {"noise": (1.0, 0.0), "intensity_range": [(0, 40)], "psf_sigma": 1.0}
    from_colour = np.asarray(upscale(colour, told, **options).data)
    from_grey = np.asarray(upscale(grey, told, **options).data)
    assert np.abs(from_colour - from_grey[..., None]).max() < 1e-3


def test_more_than_the_training_had_is_doubted_and_limited(told: Model) -> None:
    run = prepare(Image.from_array(photons(100), "YX"), told, {"noise": (0, 60.0), "psf_sigma": 5}, measure=False)
    assert any("does not fit" in doubt and "read noise" in doubt for doubt in run.doubts)
    assert any("does not fit" in doubt and "PSF" in doubt for doubt in run.doubts)
    assert run.plans[0].told is not None
    assert run.plans[0].told.values[0][2] == RANGES["read_noise"][1]


def test_an_image_too_small_to_measure_says_so(told: Model) -> None:
    run = prepare(Image.from_array(photons(100, shape=(10, 10)), "YX"), told, {}, measure=False)
    assert any("measured roughly" in doubt for doubt in run.doubts)
    assert run.plans[0].told is not None
    assert run.plans[0].told.noise[0].read_noise > 0


@pytest.mark.filterwarnings("ignore:49 pixels are NaN")
def test_pixels_that_are_not_finite_do_not_spoil_the_noise(told: Model) -> None:
    holes = photons(100, shape=(40, 40))
    holes[::6, ::6] = np.nan  # one in every block
    with pytest.warns(SuperResWarning, match="measured roughly"):
        result = np.asarray(upscale(holes, told, intensity_range=[(0, 400)]).data)
    assert np.isfinite(result).mean() > 0.95


def test_noise_is_measured_in_all_parts_of_all_planes() -> None:
    places = np.add.outer(np.arange(4) * 4, np.arange(4)).repeat(512, 0).repeat(512, 1).astype(np.uint8)
    for count in (1, 4, 16):
        stack = np.broadcast_to(places, (count, *places.shape)) + 16 * np.arange(count, dtype=np.uint8)[:, None, None]
        seen = [np.unique(square) for square in _sample_squares(Image.from_array(stack, "ZYX"), 0)]
        assert len(seen) == 16
        assert {int(s[0]) % 16 for s in seen} == set(range(16))
        assert {int(s[0]) // 16 for s in seen} == set(range(count))


def test_the_record_holds_the_noise_of_all_channels(told: Model) -> None:
    image = Image.from_array(np.stack([photons(30), photons(3000)]), "CYX")
    some, whole = (_record(upscale(image, told, channels=c)) for c in ([1], None))
    assert some == whole
    assert some[0][0]["gain"] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"noise": "none"}, "`noise` must be"),
        ({"noise": 3.0}, "`noise` must be"),
        ({"noise": True}, "`noise` must be"),
        ({"noise": ()}, "`noise` must be"),
        ({"noise": None}, "`noise` must be"),
        ({"noise": [(1, 1), (1,)]}, "`noise` must be"),
        ({"noise": ("a", "b")}, "`noise` must be"),
        ({"noise": (np.nan, 1)}, "`noise` must be"),
        ({"noise": (1.0, -1.0)}, "`noise` must be"),
        ({"noise": [(1, 1), (1, 1)]}, "once for each of 1 channels"),
        ({"strength": 2}, "`strength` must be a number from 0 to 1.5"),
        ({"psf_sigma": -1}, "`psf_sigma` must be"),
        ({"psf_sigma": True}, "`psf_sigma` must be"),
        ({"numerical_aperture": 1.4}, "both `numerical_aperture` and `wavelength`"),
        ({"numerical_aperture": 1.4, "wavelength": 520}, "`wavelength` must be"),
        ({"numerical_aperture": 1.4, "wavelength": 0.5}, "pixel size"),
        ({"numerical_aperture": 1.4, "wavelength": 0.5, "psf_sigma": 1}, "state the same"),
    ],
)
def test_wrong_options_are_refused(told: Model, options: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        upscale(photons(100), told, **options)


@pytest.mark.parametrize("options", [{"psf_sigma": 1.0}, {"noise": 0}, {"strength": 0.5}])
def test_a_model_that_is_told_nothing_refuses(toy: Callable[..., Model], options: Any) -> None:
    with pytest.raises(SettingsError, match="not told blur and noise"):
        upscale(photons(100), toy(), **options)


def test_an_accelerator_gets_the_same_planes(told: Model) -> None:
    image = Image.from_array(photons(30).astype(np.uint16), "YX")
    plan = prepare(image, told, {"psf_sigma": 1.0}, measure=False).plans[0]
    runner = TileRunner(image, told, plan)
    tile = next(iter(plan.tiles()))
    from napari_superres.inference.engine.sweep import PlaneTile

    each = PlaneTile({}, tile)
    expected = runner.run(runner.load([each]), [each]).cores[0]
    values = np.asarray(image.data)[None]
    pipeline = Pipeline(
        runner.plain, runner.exact, (1, *values.shape), (2, 2), np.float32, "cpu", conditions=len(CONDITIONS)
    )
    low, high = plan.normalisation.low[0], plan.normalisation.high[0]
    core = tuple(slice(0, 2 * n) for n in image.shape)
    got = pipeline.submit([TileInput(values.astype(np.float32), low, high, core, False, 1.0, runner.told(each))])()[0]
    assert np.abs((got.values - low) / (high - low) - expected).max() < 1e-5


def test_few_grey_levels_are_told_as_noise_that_hides_their_steps():
    """The steps would be drawn as edges: photo-x2 was then 2 dB below bicubic interpolation."""
    sharp = luma(skimage.data.astronaut()[:256, :256]).astype(float)
    low = sharp.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    few = (17 * np.rint(low / 17)).astype(np.uint8)
    errors = {
        model: np.mean((np.asarray(upscale(few, model, axes="YX", intensity_range=[(0, 255)]).data) - sharp) ** 2)
        for model in ("photo-x2", "bicubic-x2")
    }
    assert errors["photo-x2"] < errors["bicubic-x2"]
