"""Runs the program in this process, as `superres` would, and reports what it printed and returned."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from helpers.scenes import write_scans

from napari_superres import Image, write_image
from napari_superres.cli import app


@dataclass(frozen=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def superres(monkeypatch, capfd) -> Callable[..., Done]:
    """Return a function that runs a command line."""

    def run(*arguments: object) -> Done:
        capfd.readouterr()
        monkeypatch.setattr("sys.argv", ["superres", *map(str, arguments)])
        code = 0
        with warnings.catch_warnings():
            try:
                app.run()
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        printed = capfd.readouterr()
        return Done(code, printed.out, printed.err)

    # Every run of the real program is a process of its own with a console of its own.
    from napari_superres.cli import terminal

    monkeypatch.setattr(terminal, "messages", terminal.make_console())
    return run


@pytest.fixture
def cells(tmp_path):
    """Return an OME-TIFF of two channels."""
    y, x = np.mgrid[:33, :41]
    smooth = 500 + 300 * np.sin(y / 4) * np.cos(x / 3) + np.random.default_rng(0).normal(0, 20, (2, 33, 41))
    image = Image.from_array(smooth.astype(np.uint16), "CYX", pixel_size=0.2, channel_names=("DNA", "actin"))
    return write_image(image, tmp_path / "cells.ome.tif")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Return folders of results, references and inputs that no test changes."""
    root = tmp_path_factory.mktemp("data")
    write_scans(root)
    return root


@pytest.fixture
def sr(data):
    """Return a result."""
    return data / "sr" / "0.tif"


@pytest.fixture
def ref(data):
    """Return the reference of `sr`."""
    return data / "ref" / "0.tif"


@pytest.fixture
def lr(data):
    """Return the input of `sr`."""
    return data / "lr" / "0.tif"
