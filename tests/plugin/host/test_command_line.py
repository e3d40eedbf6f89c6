"""A copied command has every option of the run, as the command line understands it."""

import pytest
from typer.main import get_command

from napari_superres.cli import parsing
from napari_superres.cli.app import app
from napari_superres.errors import SettingsError
from napari_superres.inference.options import FILE_DEFAULTS
from napari_superres.plugin.host.command_line import changed_options, option_arguments

CHANGED = {
    "axes": "TYX",
    "series": 2,
    "pixel_size": (0.5, 0.25, 0.25),
    "unit": "nanometer",
    "skip_bad": True,
    "trust": True,
    "overwrite": True,
    "resume": True,
    "allow_loss": True,
    "device": "cpu",
    "precision": "fp64",
    "tile": (16, 32, 32),
    "channels": [0, 2],
    "roi": {"T": (0, 1), "Y": (3, 60), "X": (0, 12)},
    "tta": True,
    "intensity_range": [(0.0, 4095.0), (-1.5, 1e-7)],
    "psf_sigma": 0.8125,
    "numerical_aperture": 1.4,
    "wavelength": 0.52,
    "noise": [(0.5, 3.0), (1e-7, 2.25, -100.0)],
    "strength": 0.85,
    "suffix": ".ome.zarr",
    "scheduler": "tls://localhost:8786",
}
PARSED = {
    "pixel_size": parsing.parse_pixel_size,
    "tile": parsing.parse_tile,
    "channels": lambda text: list(parsing.parse_channels(text)),
    "roi": parsing.parse_roi,
    "intensity_range": parsing.parse_range,
    "noise": parsing.parse_noise,
    "suffix": lambda text: f".{text}",
}


def parsed(arguments):
    context = get_command(app).commands["upscale"].make_context("upscale", ["in.tif", "-o", "out", *arguments])
    return {name: PARSED.get(name, lambda v: v)(value) for name, value in context.params.items() if value is not None}


def test_the_examples_are_of_all_options():
    assert set(CHANGED) == {*FILE_DEFAULTS, "suffix", "scheduler"} - {"batch", "max_passes", "psf"}


@pytest.mark.parametrize("name", CHANGED)
def test_an_option_reaches_the_command_line(name):
    read = parsed(option_arguments({name: CHANGED[name]}))
    assert read[name] == CHANGED[name]


def test_all_options_together():
    assert option_arguments({**FILE_DEFAULTS, "suffix": None, "scheduler": None}) == []
    assert parsed(option_arguments(CHANGED))["roi"] == CHANGED["roi"]


@pytest.mark.parametrize("noise", [(0.5, 3.0), (0.5, 3.0, 100.0)])
def test_one_noise_for_all_channels_reaches_the_command_line(noise):
    assert parsed(option_arguments({"noise": noise}))["noise"] == noise


def test_no_noise_is_told_apart_from_measured_noise():
    assert option_arguments({"noise": "measured"}) == []
    assert parsed(option_arguments({"noise": 0}))["noise"] == (0.0, 0.0)


def test_zero_is_no_default():
    assert changed_options({"series": 0, "channels": [0], "tta": False}) == {"series": 0, "channels": [0]}


@pytest.mark.parametrize("name", ["batch", "max_passes", "psf"])
def test_an_option_without_a_flag_is_not_dropped(name):
    with pytest.raises(SettingsError, match=f"{name} has no flag"):
        option_arguments({name: 3})
