"""Importing costs nothing, and numpy, torch and scikit-image suffice for work in memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import zarr

import napari_superres

ROOT = Path(__file__).parents[2]


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


HEAVY = {"torch", "scipy", "skimage", "matplotlib", "napari", "SimpleITK", "dask", "lightning", "spandrel"}
TIFF = "sample_data/nuclei_lr.ome.tif"


@pytest.mark.parametrize(
    ("command", "not_needed"),
    [
        (["--help"], {"numpy", "tifffile", "zarr", "asyncio"}),
        (["upscale", "--help"], {"numpy", "tifffile", "zarr", "asyncio"}),
        (["models", "list"], {"tifffile", "zarr"}),
        (["info", TIFF], {"zarr", "pydicom", "nibabel", "asyncio", "PIL"}),
        (["info", "a.zarr"], {"tifffile", "pydicom", "nibabel", "PIL"}),
    ],
    ids=lambda words: " ".join(sorted(words)) if isinstance(words, set) else " ".join(words),
)
def test_commands_load_only_what_they_need(command, not_needed, tmp_path):
    """What a command imports decides how long it takes to start: torch alone takes longer than all else together."""
    if "a.zarr" in command:
        zarr.create_array(str(tmp_path / "a.zarr"), shape=(8, 9), dtype="uint8", chunks=(8, 9))[...] = 1
    words = [
        str(ROOT / w) if w.startswith("sample_data") else str(tmp_path / w) if w == "a.zarr" else w for w in command
    ]
    program = f"""
import json, sys
from napari_superres.cli import main
sys.argv[:] = ["superres", *{words!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print(json.dumps(sorted(sys.modules)))
"""
    loaded = json.loads(run(program).splitlines()[-1])
    assert (HEAVY | not_needed) & {name.partition(".")[0] for name in loaded} == set()


def test_opening_an_image_loads_no_torch():
    run(
        f"import sys, napari_superres as n; n.read_image({str(ROOT / TIFF)!r}).data[..., :9, :9];"
        "assert not {'torch', 'scipy', 'skimage'} & set(sys.modules)"
    )


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
             "napari", "magicgui", "qtpy", "matplotlib", "imageio", "spandrel", "typer", "rich", "imagecodecs",
             "filelock", "platformdirs", "psutil", "nibabel", "pydicom", "simplejpeg", "jinja2"):
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
