"""Samples and damage of what the program itself keeps: recipes, journals, records and calibrations."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np

from helpers.fuzz.case import FIXED_TIME, Sample, read_files
from helpers.fuzz.text import damage_lines
from napari_superres.cli.parsing import parse_record
from napari_superres.core.image import Image
from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration
from napari_superres.inference import upscale_file
from napari_superres.io import read_image, write_image
from napari_superres.io.omezarr import layout
from napari_superres.training.recipes.shipped import load_recipe

_MODEL = "bicubic-x2"
_DATA = np.random.default_rng(0).integers(0, 1000, (2, 40, 44)).astype("uint16")
_TOML = (
    b"scale = [1, 1, 1]",
    b"patch = 100000000",
    b'data = ["/etc"]',
    b'degradation = {kind = "optics"}',
    b"x = " + b"[" * 2000 + b"]" * 2000,
    b"[card]",
    b'start = "../x"',
)


@cache
def recipe_samples() -> tuple[Sample, ...]:
    """Return the shipped recipes."""
    recipes = sorted(Path(str(files("napari_superres.training") / "recipes")).rglob("*.toml"))
    return tuple(Sample(path.name, {path.name: path.read_bytes()}) for path in recipes)


def use_recipe(path: Path) -> None:
    """Load a recipe, and make what training makes of it before it reads images."""
    recipe = load_recipe(path)
    assert recipe.network_arguments["scale"]
    assert recipe.instrument.frames


def damage_toml(rng: Random, data: bytes) -> bytes:
    """Return a recipe with a number, a line or a value changed, or another entry."""
    return damage_lines(rng, data, _TOML)


class _InterruptedError(Exception):
    """Ends a run after its first box."""


@contextmanager
def _small_boxes() -> Iterator[None]:
    with patch.multiple(layout, _CHUNK=16, _BOX=32, _BOX_PIXELS=2**10, _LEAST_BOX_PIXELS=1):
        yield


@cache
def journal_samples() -> tuple[Sample, ...]:
    """Return an input and a run of it that was interrupted after a box."""

    def stop(progress: Any) -> None:
        if progress.done:
            raise _InterruptedError

    with tempfile.TemporaryDirectory() as name, _small_boxes():
        folder = Path(name)
        source = write_image(Image.from_array(_DATA, "CYX", pixel_size=0.1), folder / "in.ome.zarr")
        _set_times(folder)
        with suppress(_InterruptedError):
            upscale_file(source, folder / "out.ome.zarr", model=_MODEL, device="cpu", progress=stop)
        return (Sample("out.ome.zarr", _with_fixed_names(read_files(folder))),)


def _with_fixed_names(contents: dict[str, bytes]) -> dict[str, bytes]:
    """Return files with the random name of the unfinished result replaced, so that cases can be repeated."""
    journal = next(name for name in contents if name.endswith("journal.jsonl"))
    result = json.loads(contents[journal].splitlines()[0])["result"]
    fixed = "0123456789ab" + result[12:]
    kept = {name.replace(result, fixed): data for name, data in contents.items() if not name.endswith("/lock")}
    return kept | {journal: contents[journal].replace(result.encode(), fixed.encode())}


def use_journal(path: Path) -> None:
    """Resume the run."""
    with _small_boxes():
        upscale_file(path.with_name("in.ome.zarr"), path, model=_MODEL, device="cpu", resume=True)


@cache
def record_samples() -> tuple[Sample, ...]:
    """Return an input, its result and the record of the result."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_image(Image.from_array(_DATA, "CYX", pixel_size=0.1), folder / "in.ome.tif")
        _set_times(folder)
        upscale_file(source, folder / "out.ome.tif", model=_MODEL, device="cpu")
        return (Sample("out.ome.tif", read_files(folder)),)


def use_record(path: Path) -> None:
    """Read a record for its settings, a result with its record, and skip the result because of its record."""
    for record in path.parent.glob("*.provenance.json"):
        if record.is_file():
            parse_record(record)
    read_image(path)
    upscale_file(path.with_name("in.ome.tif"), path, model=_MODEL, device="cpu", resume=True)


@cache
def calibration_samples() -> tuple[Sample, ...]:
    """Return a calibration."""
    binding = Binding(
        model="fluo-x2",
        sha256="0" * 64,
        scale=(2, 2),
        modality="fluorescence",
        pixel_size=(0.1, 0.2),
        intensity_range=(0.0, 4095.0),
        members=8,
    )
    made = Calibration(
        alpha=0.2,
        delta=0.1,
        images=9,
        q=2.5,
        lam=1.5,
        reason="",
        epsilon=3.0,
        binding=binding,
        curve=((0.5, 0.5),),
        by_intensity=(0.8,) * 4,
        by_spread=(0.8,) * 4,
        mean_width=10.0,
        rank_correlation=0.4,
    )
    with tempfile.TemporaryDirectory() as folder:
        made.to_json(Path(folder) / "bars.json")
        return (Sample("bars.json", read_files(Path(folder))),)


def use_calibration(path: Path) -> None:
    """Read a calibration."""
    Calibration.from_json(path)


def _set_times(folder: Path) -> None:
    """Set the times of files to those that a case's files have: a run is continued only if its input is unchanged."""
    for path in folder.rglob("*"):
        os.utime(path, (FIXED_TIME, FIXED_TIME))
