"""Every format of the table has a folder with the functions that `napari_superres.io` calls."""

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import tifffile
import zarr

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.io import check_target, describe, read_image, read_series, write_image, write_with_notes
from napari_superres.io.formats import FORMATS, Format


@pytest.mark.parametrize("file_format", FORMATS, ids=lambda f: f.name)
def test_every_folder_has_the_same_functions(file_format: Format) -> None:
    assert list(inspect.signature(file_format.import_reader().scan).parameters) == ["path", "accept"]
    if file_format.write:
        writer = file_format.import_writer()
        assert list(inspect.signature(writer.find_unsupported).parameters) == ["image", "suffix"]
        assert list(inspect.signature(writer.write).parameters) == ["image", "path"]


def test_a_loss_is_a_warning_for_python_and_a_note_below_it(make_image: Callable[..., Image], tmp_path: Path) -> None:
    image = make_image("YX", "uint8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notes = write_with_notes(image, tmp_path / "a.png", allow_loss=True)
        assert write_with_notes(image, tmp_path / "a.ome.tif", overwrite=True) == ()
    with pytest.warns(UserWarning, match="a.png does not hold the pixel size") as caught:
        write_image(image, tmp_path / "a.png", overwrite=True, allow_loss=True)
    assert notes == tuple(str(w.message) for w in caught)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("function", [read_image, read_series, write_image, check_target])
def test_a_misspelt_option_suggests_the_right_one(function: Callable[..., object]) -> None:
    option = list(inspect.signature(function).parameters)[-1]
    with pytest.raises(SettingsError, match=f"Did you mean '{option}'"):
        function(**{f"{option}s": None})


@pytest.mark.parametrize("ending", [".nrrd", ".tif"])
def test_libraries_warn_again_after_use(ending: str, make_image: Callable[..., Image], tmp_path: Path) -> None:
    import logging

    import SimpleITK

    handlers = list(logging.getLogger("tifffile").handlers)
    read_image(write_image(make_image("YX", "uint8", unit="millimeter"), tmp_path / f"a{ending}"))
    assert SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    assert logging.getLogger("tifffile").handlers == handlers


def test_axes_that_no_file_names_are_marked_as_a_guess(make_image: Callable[..., Image], tmp_path: Path) -> None:
    stack = np.ones((4, 12, 13), np.uint8)
    tifffile.imwrite(tmp_path / "plain.tif", stack, photometric="minisblack")
    zarr.create_array(str(tmp_path / "plain.zarr"), data=stack)
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 4, 12, 13), np.uint8)), tmp_path / "movie.mha")
    for name in ("plain.tif", "plain.zarr", "movie.mha"):
        (row,) = describe(tmp_path / name)
        assert row["axes_guessed"], name
        named = read_image(tmp_path / name, axes=row["axes"].replace("Z", "T") if len(row["axes"]) == 3 else "CZYX")
        assert "axes_guessed" not in named.metadata
    tifffile.imwrite(tmp_path / "plane.tif", stack[0])
    for path in (tmp_path / "plane.tif", write_image(make_image("ZYX", "uint8"), tmp_path / "a.ome.tif")):
        assert not describe(path)[0]["axes_guessed"]
