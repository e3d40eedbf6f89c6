"""Files are written completely or not at all, and formats that would lose a feature are refused."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_superres.core.image import Image
from napari_superres.errors import (
    LossyWriteError,
    OutputError,
    OutputExistsError,
    SettingsError,
    SuperResError,
    SuperResWarning,
)
from napari_superres.io import check_target, read_image, write_image
from napari_superres.io import formats as formats_module

ENDINGS = [".ome.tif", ".tif", ".ome.zarr", ".nii", ".nii.gz", ".nrrd", ".mha", ".png"]
RECORD = {"model": "x", "synthetic_detail": True}


@pytest.fixture
def image(make_image: Callable[..., Image]) -> Callable[[str], Image]:
    def make(ending: str) -> Image:
        unit = None if ending == ".png" else "millimeter"
        return make_image("YX", "uint16", unit=unit, metadata={"provenance": RECORD})

    return make


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Broken:
    """An array that fails when it is read, as on a broken disk or network."""

    shape, dtype, ndim = (7, 9), np.dtype("uint16"), 2

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __getitem__(self, key: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("ending", ENDINGS)
def test_existing_output(ending: str, image: Callable[[str], Image], tmp_path: Path) -> None:
    path = write_image(image(ending), tmp_path / f"a{ending}")
    before = files(tmp_path)
    with pytest.raises(OutputExistsError, match=r"exists already.*`overwrite`"):
        write_image(image(ending), path)
    assert files(tmp_path) == before
    changed = image(ending).replace(data=np.asarray(image(ending).data) + 1)
    write_image(changed, path, overwrite=True)
    np.testing.assert_array_equal(np.asarray(read_image(path).data[...]), changed.data)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OutputError),
        (PermissionError(errno.EACCES, "Permission denied"), OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ValueError("broken"), ValueError),
    ],
)
def test_a_failure_leaves_everything_as_it_was(
    ending: str, error: BaseException, raised: type[BaseException], image: Callable[[str], Image], tmp_path: Path
) -> None:
    path = write_image(image(ending), tmp_path / f"a{ending}")
    before = files(tmp_path)
    with pytest.raises(raised) as caught:
        write_image(image(ending).replace(data=Broken(error)), path, overwrite=True)
    assert files(tmp_path) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted({name.split("/")[0] for name in before})
    if raised is OutputError:
        assert "nothing was changed" in str(caught.value)
        assert ("disk is full" in str(caught.value)) == (error.args[0] == errno.ENOSPC)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_while_writing(
    ending: str, image: Callable[[str], Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_image(image(ending), tmp_path / f"a{ending}")
    before = files(tmp_path)
    module = formats_module.format_to_write(path).import_writer()

    def half(image: Image, made: Path) -> None:
        if ending == ".ome.zarr":
            made.mkdir()
            made = made / "zarr.json"
        made.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write", half)
    with pytest.raises(OutputError, match=r"disk is full.*nothing was changed"):
        write_image(image(ending), path, overwrite=True)
    with pytest.raises(OutputError, match="disk is full"):
        write_image(image(ending), tmp_path / f"new{ending}")
    assert files(tmp_path) == before


def test_half_a_file_from_the_library_is_an_error(
    image: Callable[[str], Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import SimpleITK

    original = SimpleITK.WriteImage

    def half(stored: Any, name: str, **options: Any) -> None:
        original(stored, name, **options)
        os.truncate(name, Path(name).stat().st_size // 2)

    monkeypatch.setattr(SimpleITK, "WriteImage", half)
    for ending in (".nrrd", ".mha"):
        with pytest.raises(OutputError):
            write_image(image(ending), tmp_path / f"a{ending}")
    assert not list(tmp_path.iterdir())


def test_the_folder(image: Callable[[str], Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match=r"does not exist\. Create it"):
        check_target(tmp_path / "no" / "a.tif", overwrite=False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        check_target(tmp_path / "file" / "a.tif", overwrite=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="may not be written"):
        write_image(image(".tif"), tmp_path / "a.tif")


def test_a_disk_that_is_full_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    with pytest.raises(OutputError, match="full"):
        check_target(tmp_path / "a.tif", overwrite=False)


@pytest.mark.parametrize("name", ["a.jpg", "a.dcm", "a", "a.xyz", "a.mhd"])
def test_unknown_suffixes_list_the_known(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.ome\.tif.*\.ome\.zarr.*\.nii\.gz.*\.nrrd.*\.png"):
        check_target(tmp_path / name, overwrite=False)


def test_a_folder_of_other_things_is_never_replaced(image: Callable[[str], Image], tmp_path: Path) -> None:
    precious = tmp_path / "a.zarr"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    with pytest.raises(OutputExistsError, match="holds other things"):
        write_image(image(".zarr"), precious, overwrite=True)
    assert files(tmp_path) == {"a.zarr/thesis.txt": b"years"}


@pytest.mark.parametrize(
    ("ending", "axes", "dtype", "unit", "names", "instead"),
    [
        (".ome.tif", "YX", "int64", "micrometer", (), r"int64.*\.ome\.zarr"),
        (".tif", "YXS", "uint16", "micrometer", (), r"colour.*\.ome\.tif"),
        (".nii.gz", "YX", "uint8", None, (), r"unknown pixel size.*\.nrrd"),
        (".nii.gz", "CYX", "uint16", "millimeter", ("a", "b"), r"channel names.*\.nrrd"),
        (".mha", "TYX", "uint16", "millimeter", (), r"time without Z.*\.ome\.tif"),
        (".png", "ZYX", "uint8", None, (), r"axes Z.*\.ome\.tif"),
        (".png", "YX", "float32", None, (), r"float32.*\.ome\.tif"),
        (".png", "YX", "uint8", "micrometer", (), r"pixel size.*\.ome\.tif.*`allow_loss`"),
        (".ome.zarr", "CYXS", "uint8", "micrometer", (), r"both colour samples and channels.*\.ome\.tif"),
    ],
)
def test_losses_are_refused_before_computing(
    ending: str,
    axes: str,
    dtype: str,
    unit: str | None,
    names: tuple[str, ...],
    instead: str,
    make_image: Callable[..., Image],
    tmp_path: Path,
) -> None:
    image = make_image(axes, dtype, unit=unit, channel_names=names)
    with pytest.raises(LossyWriteError, match=instead) as error:
        check_target(tmp_path / f"a{ending}", overwrite=False, image=image)
    assert "\n" not in str(error.value)
    with pytest.raises(LossyWriteError):
        write_image(image, tmp_path / f"a{ending}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".ome.tif", ".tif", ".ome.zarr"])
def test_a_rotation_is_refused_or_kept_in_the_record(ending: str, volume: Image, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    with pytest.raises(LossyWriteError, match=r"rotation or flip.*\.nii\.gz, \.nrrd or \.mha.*`allow_loss`"):
        write_image(volume, path)
    with pytest.warns(SuperResWarning, match="does not hold the rotation"):
        write_image(volume.replace(metadata={"provenance": RECORD}), path, allow_loss=True)
    record = json.loads((tmp_path / f"a{ending}.provenance.json").read_text())
    assert record["affine"] == volume.affine.tolist()
    assert record["model"] == "x"
    assert read_image(path).pixel_size == pytest.approx(volume.pixel_size)


def test_only_nifti_can_hold_a_shear(volume: Image, tmp_path: Path) -> None:
    affine = np.array(volume.affine)
    affine[:3, 1] += 0.2 * affine[:3, 2]
    for ending in (".ome.tif", ".ome.zarr", ".nrrd", ".mha"):
        with pytest.raises(LossyWriteError, match=r"shear.*Write \.nii\.gz instead, or set `allow_loss`"):
            check_target(tmp_path / f"a{ending}", overwrite=False, image=volume.replace(affine=affine))
    with pytest.warns(SuperResWarning, match="shear"):
        path = write_image(volume.replace(affine=affine), tmp_path / "a.nrrd", allow_loss=True)
    assert read_image(path).shape == volume.shape
    path = write_image(volume.replace(affine=affine), tmp_path / "a.nii.gz")
    np.testing.assert_allclose(read_image(path).affine, affine, atol=1e-5)


def test_the_record_next_to_the_image(image: Callable[[str], Image], tmp_path: Path) -> None:
    for ending in ENDINGS:
        write_image(image(ending), tmp_path / f"x{ending}")
    for ending in ENDINGS:
        record = json.loads((tmp_path / f"x{ending}.provenance.json").read_text())
        assert record.pop("result").keys() == {"sha256", "state"}
        assert record == RECORD
    write_image(image(".png").replace(metadata={}), tmp_path / "x.png", overwrite=True)
    assert not (tmp_path / "x.png.provenance.json").exists(), "it told of the image that was replaced"


def test_paths_of_every_kind(image: Callable[[str], Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for ending in ENDINGS:
        folder = tmp_path / ending.strip(".")
        folder.mkdir()
        monkeypatch.chdir(folder)
        for name in (f"ein Bild ü 画像{ending}", f"v1.2 (copy){ending}"):
            assert write_image(image(ending), name) == Path(name)
            assert read_image(name).shape == (7, 9)


@pytest.mark.parametrize("ending", ENDINGS)
def test_names_that_are_no_text(ending: str, image: Callable[[str], Image], tmp_path: Path) -> None:
    """Some libraries end the whole process at such names."""
    no_text = os.fsdecode(b"caf\xe9")
    for path in (tmp_path / f"{no_text}{ending}", tmp_path / no_text / f"a{ending}"):
        path.parent.mkdir(exist_ok=True)
        made = image(ending).replace(metadata={"provenance": {"name": path.name}})
        found = read_image(write_image(made, path))
        np.testing.assert_array_equal(np.asarray(found.data), made.data)
        assert found.metadata["provenance"] == {"name": path.name}


@pytest.mark.parametrize("ending", [".ome.tif", ".ome.zarr", ".nii.gz"])
def test_names_that_are_too_long(ending: str, image: Callable[[str], Image], tmp_path: Path) -> None:
    longest = 255 - len(ending) - len(".provenance.json")
    for name, fits in (("x" * longest, True), ("x" * (longest + 1), False), ("x" * 300, False)):
        path = tmp_path / f"{name}{ending}"
        if fits:
            assert read_image(write_image(image(ending), path)).shape == (7, 9)
            continue
        with pytest.raises(OutputError, match="too long"):
            check_target(path, overwrite=True)


def test_a_record_next_to_a_file_is_read_with_it(image: Callable[[str], Image], tmp_path: Path) -> None:
    write_image(image(".png"), tmp_path / "x.png")
    assert read_image(tmp_path / "x.png").metadata["provenance"] == RECORD


def test_errors_are_ours() -> None:
    for kind in (OutputError, OutputExistsError, LossyWriteError, SettingsError):
        assert issubclass(kind, SuperResError)


@pytest.mark.parametrize(
    ("dtype", "name", "words"),
    [("float16", "a.ome.tif", "exactly the same"), ("float64", "a.tif", "rounded to seven digits")],
)
def test_floats_that_a_format_lacks_become_those_of_32_bits(dtype, name, words, tmp_path):
    values = np.random.default_rng(0).normal(size=(16, 20)).astype(dtype)
    image = Image.from_array(values, "YX", pixel_size=0.5)
    with pytest.warns(SuperResWarning, match=f"holds float32 instead of {dtype}: the values are {words}"):
        write_image(image, tmp_path / name)
    found = read_image(tmp_path / name)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(found.data), values.astype(np.float32))


def test_floats_that_are_too_large_for_32_bits_are_refused(tmp_path):
    image = Image.from_array(np.full((16, 20), 1e300), "YX", pixel_size=0.5)
    with pytest.raises(LossyWriteError, match=r"1e\+300 is too large"):
        write_image(image, tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == []
