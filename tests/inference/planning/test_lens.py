"""The lens that a file states sharpens on request only, with its wavelength in each channel."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_superres import Image, upscale
from napari_superres.errors import SettingsError
from napari_superres.inference.images import prepare
from napari_superres.inference.planning.conditions import Told
from napari_superres.inference.planning.lens import Lens, narrowest_lens
from napari_superres.inference.verify.records import recorded_options
from napari_superres.models import Model

RANGES = {"psf_sigma": (0.0, 2.0), "gain": (0.0, 0.08), "read_noise": (0.0, 0.15)}
GREEN = {"numerical_aperture": 0.8, "wavelength": 0.52, "mode": "WideField"}
RED = {"numerical_aperture": 0.8, "wavelength": 0.64, "mode": "SpinningDiskConfocal"}
LIGHT = {"numerical_aperture": 0.8}


@pytest.fixture
def told(toy: Callable[..., Model]) -> Model:
    """Return a conditioned network with random weights."""
    return toy("edsr", arguments={"conditions": 3, "tail": "direct"}, conditions=RANGES, color="per-channel")


def image(*optics: dict[str, Any], pixel_size: float | None = 0.2) -> Image:
    data = np.random.default_rng(0).poisson(50, (len(optics), 40, 44)).astype(np.uint16)
    names = ("green", "red", "bright")[: len(optics)]
    return Image.from_array(data, "CYX", pixel_size=pixel_size, channel_names=names, metadata={"optics": tuple(optics)})


def plan(given: Image, model: Model, **options: Any) -> Told:
    run = prepare(given, model, {"noise": 0, **options}, measure=False)
    assert run.plans[0].told is not None
    return run.plans[0].told


def test_each_channel_is_told_its_own_width(told):
    found = plan(image(GREEN, RED), told, psf="metadata")
    assert found.psf_sigma == pytest.approx((0.21 * 0.52 / 0.8 / 0.1, 0.15 * 0.64 / 0.8 / 0.1))
    assert found.values[0][0] == pytest.approx(found.psf_sigma[0] - 0.2)
    assert found.values[1][0] == pytest.approx(found.psf_sigma[1] - 0.2)
    stated = "PSF sigma 1.36 pixels of the result, from the file's aperture of 0.8 and 520 nm, widefield"
    assert found.describe(0) == f"no noise (given); {stated}"
    assert found.describe(1).endswith("640 nm, confocal")
    assert not found.offer


def test_it_equals_the_options_for_aperture_and_wavelength(told):
    stated = upscale(image(GREEN), told, psf="metadata", noise=0)
    typed = upscale(image(GREEN), told, numerical_aperture=0.8, wavelength=0.52, noise=0)
    plain = upscale(image(GREEN), told, noise=0)
    assert np.array_equal(stated.data, typed.data)
    assert not np.array_equal(stated.data, plain.data)


def test_nothing_is_sharpened_unasked(told):
    found = plan(image(GREEN, RED), told)
    assert found.psf_sigma == (0.0, 0.0)
    assert found.describe().endswith("PSF unknown, not sharpened")
    assert found.offer == (
        "The file states an aperture of 0.8 and 520, 640 nm: `psf='metadata'` sharpens by a sigma of 1.4, 1.2 pixels "
        "of the result."
    )
    for silent in (image(GREEN, LIGHT), image(GREEN, pixel_size=None), image(GREEN, pixel_size=20.0)):
        assert not plan(silent, told).offer
    assert not plan(image(GREEN), told, psf_sigma=0).offer


def test_an_unstated_microscope_counts_as_widefield():
    for mode in ("", "Other"):
        assert Lens(1.4, 0.52, mode).describe() == "the file's aperture of 1.4 and 520 nm, assumed to be widefield"


@pytest.mark.parametrize(
    ("optics", "message"),
    [
        ((), "no numerical aperture and no emission wavelength of channel 0"),
        (({"wavelength": 0.52},), "no numerical aperture of channel 0"),
        (({"numerical_aperture": 0.0, "wavelength": 0.52},), "no numerical aperture of channel 0"),
        (({"numerical_aperture": 0.8, "wavelength": 520.0},), "no emission wavelength of channel 0"),
        ((GREEN, LIGHT), r"no emission wavelength of channel 1 \(red\).*Give `psf_sigma`.*only other `channels`"),
        (({**GREEN, "mode": "STED"},), r"states STED for channel 0 \(green\), whose blur does not follow"),
    ],
)
def test_what_is_missing_is_named(optics, message, told):
    given = image(*optics) if optics else Image.from_array(np.ones((40, 44), np.uint16), "YX", pixel_size=0.2)
    with pytest.raises(SettingsError, match=message):
        plan(given, told, psf="metadata")


def test_other_impossible_wishes(told, toy):
    with pytest.raises(SettingsError, match="pixel size"):
        plan(image(GREEN, pixel_size=None), told, psf="metadata")
    with pytest.raises(SettingsError, match="state the same"):
        plan(image(GREEN), told, psf="metadata", psf_sigma=1.0)
    with pytest.raises(SettingsError, match="'metadata', or a point-spread function measured on beads, got 'file'"):
        plan(image(GREEN), told, psf="file")
    with pytest.raises(SettingsError, match="for each of 2 channels"):
        plan(image(GREEN, RED), told, psf_sigma=(1.0, 1.0, 1.0))
    with pytest.raises(SettingsError, match="not told blur"):
        upscale(image(GREEN), "bicubic-x2", psf="metadata")


def test_channels_that_are_not_computed_need_no_lens(told):
    found = plan(image(GREEN, RED, LIGHT), told, psf="metadata", channels=[0, 1])
    assert found.psf_sigma[2] == 0.0
    mixed = upscale(image(GREEN, LIGHT), {0: told, 1: "bicubic-x2"}, psf="metadata")
    assert mixed.shape == (2, 80, 88)


def test_the_record_says_whence_and_repeats_the_run(told):
    given = image(GREEN, RED)
    result = upscale(given, told, psf="metadata", noise=0)
    record = json.loads(json.dumps(result.metadata["provenance"]))
    assert record["told"]["psf_sigma"] == pytest.approx([1.365, 1.2])
    assert record["told"]["psf_source"][1] == "the file's aperture of 0.8 and 640 nm, confocal"
    again = upscale(given, told, **recorded_options(record))
    assert np.array_equal(again.data, result.data)


def test_a_result_is_not_sharpened_once_more(told):
    assert "optics" not in upscale(image(GREEN), told).metadata


def test_one_width_for_all_channels_is_the_narrowest():
    found = narrowest_lens(image(GREEN, RED))
    assert found is not None
    assert found.mode == "SpinningDiskConfocal"
    assert narrowest_lens(image(GREEN, LIGHT)) is None
