"""Importing costs nothing, and numpy, torch and scikit-image suffice for work in memory."""

import json
import subprocess
import sys

import pytest

import napari_superres


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_nothing_heavy():
    loaded = json.loads(
        run("import sys, json, napari_superres; dir(napari_superres); print(json.dumps(sorted(sys.modules)))")
    )
    heavy = {
        "numpy",
        "torch",
        "napari",
        "qtpy",
        "PyQt5",
        "PyQt6",
        "PySide2",
        "PySide6",
        "scipy",
        "skimage",
        "zarr",
        "tifffile",
        "SimpleITK",
        "typer",
        "rich",
        "lightning",
    }
    assert not heavy & {name.partition(".")[0] for name in loaded}
    assert len([n for n in loaded if n.startswith("napari_superres")]) == 1


def test_the_list_of_models_needs_no_torch():
    run("import sys, napari_superres as n; assert n.list_models(); assert 'torch' not in sys.modules")


def test_the_command_line_names_its_commands_without_torch():
    run("import sys, napari_superres.cli.app; assert not {'torch', 'napari', 'numpy'} & set(sys.modules)")


@pytest.mark.parametrize("name", napari_superres.__all__)
def test_every_public_name_resolves(name):
    assert getattr(napari_superres, name) is not None
    assert name in dir(napari_superres)


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'upscal'"):
        _ = napari_superres.upscal


def test_numpy_torch_and_scikit_image_suffice():
    """Everything in memory, with every optional library and format library out of reach."""
    run(
        """
import sys
for name in ("tifffile", "zarr", "yaozarrs", "dask", "distributed", "SimpleITK", "lightning", "pytorch_lightning",
             "napari", "magicgui", "qtpy", "matplotlib", "imageio", "spandrel", "typer", "rich", "imagecodecs"):
    sys.modules[name] = None
import numpy as np
import napari_superres as n
import napari_superres.core, napari_superres.models, napari_superres.inference, napari_superres.evaluation
low = np.random.default_rng(0).random((24, 26)).astype(np.float32)
image = n.Image.from_array(low, "YX", pixel_size=1.0)
result = n.upscale(image, "fsrcnn-x2")
assert result.shape == (48, 52)
report = n.evaluate(result, n.upscale(image, "lanczos-x2"), lr=image)
assert report.rows
volume = n.upscale(np.zeros((3, 8, 8), np.uint8), "bicubic-x2x1x1", axes="ZYX")
assert volume.shape == (6, 8, 8)
"""
    )


def test_a_missing_library_is_named_with_the_command_that_installs_it():
    run(
        """
import sys
sys.modules["lightning"] = None
from napari_superres.errors import MissingExtraError
try:
    import napari_superres
    napari_superres.train("fsrcnn-x2", ".", "m.safetensors")
except MissingExtraError as error:
    assert "pip install 'napari-superres-torch[train]'" in str(error)
else:
    raise AssertionError("not refused")
"""
    )
