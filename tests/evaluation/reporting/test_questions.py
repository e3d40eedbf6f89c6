"""What answers conclude from numbers: states, limits, and names."""

import numpy as np
import pytest

from napari_superres import Image
from napari_superres.evaluation.consistency.grids import find_grids
from napari_superres.evaluation.metrics.linearity import linearity
from napari_superres.evaluation.reporting import additions, questions, rivals
from napari_superres.evaluation.reporting.channels import by_channel


def rows(result, denoised=30.0, deconvolved=30.0, channel="all", planes=()):
    """Return rows with these PSNRs; those of bicubic interpolation are 30 dB."""
    values = {"result": result, "bicubic": 30.0, "non-local-means": denoised, "richardson-lucy": deconvolved}
    roles = {"result": "judged"}
    return [
        {
            "candidate": name,
            "role": roles.get(name, "baseline"),
            "channel": channel,
            "psnr": psnr,
            "planes": [{"psnr": p} for p in (planes if name == "result" else [30.0] * len(planes))],
        }
        for name, psnr in values.items()
    ]


@pytest.mark.parametrize(
    ("psnr", "state"), [(32.0, "yes"), (30.05, "not measurable"), (29.5, "doubtful"), (26.5, "no"), (8.0, "no")]
)
def test_what_is_worse_than_interpolation_is_flagged(psnr, state):
    answer = rivals.better(rows(psnr), "result")
    assert answer.state == state
    assert f"{abs(psnr - 30):.2f} dB" in answer.reason


def test_how_much_of_a_gain_is_denoising():
    assert "gains 1.50 dB, 75 % of that" in rivals.better(rows(32.0, denoised=31.5), "result").reason
    assert "none of that is denoising" in rivals.better(rows(32.0, denoised=30.0), "result").reason


def test_the_worst_channel_and_plane_decide():
    mixed = [*rows(33.0, channel="DAPI"), *rows(29.0, channel="GFP"), *rows(31.0)]
    answer = rivals.better(mixed, "result")
    assert answer.state == "doubtful"
    assert answer.reason.startswith("channel GFP: 1.00 dB worse")
    one = rivals.better(rows(32.0, planes=(33.0, 27.0, 33.0)), "result")
    assert one.state == "doubtful"
    assert "3.00 dB worse in plane 1" in one.reason


@pytest.mark.parametrize(
    ("psnr", "best", "state"),
    [
        (33.0, 32.0, "yes"),
        (31.5, 32.0, "not measurable"),
        (31.0, 34.0, "not measurable"),
        (29.0, 33.0, "not measurable"),
    ],
)
def test_classical_methods_are_rivals_too(psnr, best, state):
    answer = rivals.classical(rows(psnr, deconvolved=best), "result")
    assert answer.state == state
    assert state == "not measurable" or "richardson-lucy" in answer.reason or "non-local-means" in answer.reason


def test_only_rivals_that_did_not_see_the_reference_raise_doubt():
    answer = rivals.classical(rows(31.0, denoised=32.5, deconvolved=34.0), "result")
    assert answer.state == "doubtful"
    assert "1.50 dB worse than non-local-means" in answer.reason


def test_unknown_pixel_sizes_are_not_equal():
    bare = Image.from_array(np.zeros((8, 8), np.float32), "YX")
    answer = questions.pixel_size(bare, ())
    assert answer.state == "not measurable"
    assert "`pixel_size`" in answer.reason


def test_colours_are_channels():
    values = np.arange(4 * 5 * 3).reshape(4, 5, 3).astype(np.uint8)
    parts = by_channel(Image.from_array(values, "YXS"))
    assert list(parts) == ["red", "green", "blue"]
    assert np.array_equal(np.asarray(parts["blue"].data), values[..., 2])


def smooth(seed=0):
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(np.random.default_rng(seed).normal(size=(1, 144, 144)), (0, 3, 3)) * 100 + 50


def test_a_checkerboard_lies_in_the_corner_of_the_spectrum():
    base = smooth()
    sound = base + 0.05 * np.random.default_rng(1).normal(size=base.shape)
    assert find_grids(sound, base, (2, 2)).excess < 1
    board = find_grids(sound + 0.3 * (1 - 2.0 * (np.indices(base.shape).sum(0) % 2)), base, (2, 2))
    assert board.pattern.period == (2, 2)
    assert board.pattern.amplitude == pytest.approx(2 * 0.3 / base.std(), rel=0.1)
    assert board.excess > 1


@pytest.mark.parametrize("axis", ["Y", "X"])
def test_tiles_are_found_by_their_steps(axis):
    base = smooth()
    sound = base + 0.2 * np.random.default_rng(1).normal(size=base.shape)
    steps = 0.3 * (np.arange(144) // 36 % 2)
    found = find_grids(sound + (steps[:, None] if axis == "Y" else steps), base, (2, 2))
    assert (found.tile, found.axis) == (36, axis)
    assert found.excess > 1


def test_a_straight_gap_of_the_sample_is_no_seam():
    """A result sharpens the gap between the halves of a brain, in the middle of the image."""
    base, noise = smooth(), 0.1 * np.random.default_rng(1).normal(size=(144, 144))
    x = np.arange(144) - 71.5
    base -= 4 * np.exp(-(x**2) / 8)
    gap = find_grids(base + noise - 1.5 * np.exp(-(x**2) / 2), base, (2, 2))
    assert gap.excess < 1
    seam = find_grids(base + noise + 0.5 * (np.arange(144) // 48 % 2), base, (2, 2))
    assert (seam.tile, seam.axis) == (48, "X")
    assert seam.excess > 1


def test_signed_intensities_have_no_gamma():
    """Hounsfield units have no zero that a power could begin at, and their sum is no light."""
    values = np.linspace(-1000, 1000, 4000).reshape(1, 40, 100)
    curve = linearity(values, values + 100 * np.exp(values / 500))
    assert curve.gamma > 1.25
    answer = questions.linear({"": curve}, {"": float("nan")})
    assert "gamma and flux are not defined" in answer.reason
    assert "nan" not in answer.reason
    assert "gamma is explained" not in answer.reason


def test_a_hole_is_no_result():
    """Where the input or the reference has the hole as well, it is none of the result's."""
    values = np.ones((60, 60), np.float32)
    whole = Image.from_array(values, "YX")
    values = values.copy()
    values[10:20, 30:40] = np.inf
    holed = Image.from_array(values, "YX")
    answer = additions.every_pixel(holed, [whole])
    assert answer.state == "no"
    assert "2.8 % of its pixels are not numbers, within Y 10 to 19, X 30 to 39" in answer.reason
    assert additions.every_pixel(holed, [whole, holed]).state == "yes"
    assert additions.every_pixel(whole, [holed]) is None


def test_a_reference_without_an_input_is_named():
    placed = questions.Answer("Does it lie on the reference?", "yes", "")
    reason = additions.supported({}, {}, {}, (None, None), placed).reason
    assert "neither a reference" not in reason
    assert "`lr`" in reason
