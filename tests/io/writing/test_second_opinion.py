"""What is written passes the checks of others: schemas, and libraries that share no code with those that write."""

import gzip
import itertools
import zlib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import nibabel
import numpy as np
import ome_zarr_models.v05
import pytest
import SimpleITK as sitk  # noqa: N813
import tensorstore
import tifffile
import zarr
from lxml import etree

from napari_superres.core.image import Image
from napari_superres.io import write_image

AXES = ["YX", "ZYX", "CYX", "TCZYX", "CTZYX", "TYX", "YXS", "ZYXS", "SYX"]
RECORD = {"model": "é <&> \x07"}
TYPES = {"uint8": "MET_UCHAR", "int16": "MET_SHORT", "uint16": "MET_USHORT", "float32": "MET_FLOAT"}


def images(make_image: Callable[..., Image], axes: str, *dtypes: str, unit: str | None = "micrometer") -> list[Image]:
    names = ("a <&> é", "") if "C" in axes else ()
    made = [make_image(axes, d, unit=unit, channel_names=names, metadata={"provenance": RECORD}) for d in dtypes]
    timed = {"units": {**made[0].units, "T": "second"}, "metadata": {"provenance": RECORD, "time_step": 0.25}}
    return [image.replace(**timed) if "T" in axes else image for image in made]


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(files("ome_types") / "ome-2016-06.xsd"))


def check_xml(path: Path, schema: etree.XMLSchema) -> None:
    with tifffile.TiffFile(path) as file:
        schema.assertValid(etree.fromstring(file.ome_metadata.encode()))


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("unit", [None, "angstrom", "micrometer", "inch"])
def test_ome_xml_fits_its_schema(
    axes: str, unit: str | None, schema: etree.XMLSchema, make_image: Callable[..., Image], tmp_path: Path
) -> None:
    for image in images(make_image, axes, "uint8", "int32", "float64", unit=unit):
        check_xml(write_image(image, tmp_path / "a.ome.tif", overwrite=True), schema)


@pytest.mark.parametrize("ending", [".ome.tif", ".tif"])
@pytest.mark.parametrize("axes", ["YX", "ZYX", "CYX", "TYX", "YXS"])
def test_another_library_reads_the_same_pixels_of_a_tiff(
    axes: str, ending: str, make_image: Callable[..., Image], tmp_path: Path
) -> None:
    for image in images(make_image, axes, "uint8", *(() if "S" in axes else ("uint16", "float32"))):
        path = write_image(image, tmp_path / f"a{ending}", overwrite=True)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), image.data)


def test_a_pyramid_fits_the_schema_too(schema: etree.XMLSchema, tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 255, (4100, 600)).astype(np.uint8)
    path = write_image(Image.from_array(data, "YX", pixel_size=0.5), tmp_path / "a.ome.tif")
    check_xml(path, schema)
    rgba = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))  # as ITK returns all tiled files
    np.testing.assert_array_equal(rgba[..., 0], data)


@pytest.mark.parametrize("axes", AXES)
def test_ome_zarr(axes: str, make_image: Callable[..., Image], tmp_path: Path) -> None:
    sizes = {"Y": 700, "X": 530} if axes == "CYX" else {}
    made = make_image(axes, "float32", sizes=sizes, metadata={"provenance": RECORD})
    for number, dtype in enumerate(("uint16", "float32", "float16")):
        image = made.replace(data=np.asarray(made.data).astype(dtype))
        path = write_image(image, tmp_path / f"{number}.ome.zarr")
        levels = ome_zarr_models.v05.Image.from_zarr(zarr.open_group(path, mode="r")).datasets
        assert len(levels[0]) == (2 if sizes else 1)
        order = [image.axes.index(a) for a in "TCSZYX" if a in image.axes]
        for level in levels[0]:
            store = {"driver": "file", "path": str(path / level.path)}
            found = tensorstore.open({"driver": "zarr3", "kvstore": store}).result().read().result()
            if level.path == "0":
                np.testing.assert_array_equal(found, np.asarray(image.data).transpose(order))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("axes", ["YX", "ZYX", "TZYX", "CZYX", "YXS"])
def test_nifti(axes: str, ending: str, make_image: Callable[..., Image], tmp_path: Path) -> None:
    dtypes = ("uint8",) if "S" in axes else ("uint8", "int16", "uint16", "int32", "float32", "float64")
    for dtype in dtypes:
        image = make_image(axes, dtype, unit="millimeter")
        path = write_image(image, tmp_path / f"a{ending}", overwrite=True, allow_loss=True)
        content = path.read_bytes()
        header = (gzip.decompress(content) if ending == ".nii.gz" else content)[:348]
        assert nibabel.Nifti1Header.diagnose_binaryblock(header) == ""
        found = nibabel.load(path)
        assert found.header.get_data_dtype() == dtype
        steps = [abs(image.affine[i, i]) for i in range(len(image.spatial))]
        np.testing.assert_allclose(found.header.get_zooms()[: len(steps)], steps[::-1], rtol=1e-6)
        values = np.asarray(found.dataobj)
        if "S" in axes:
            np.testing.assert_array_equal(np.squeeze(values), np.asarray(image.data).transpose(1, 0, 2))
        elif "C" in axes:
            np.testing.assert_array_equal(np.squeeze(values).transpose(3, 2, 1, 0), image.data)
        else:
            np.testing.assert_array_equal(np.squeeze(values).T, image.data)


@pytest.mark.parametrize(("axes", "dtype"), list(itertools.product(["YX", "ZYX", "TZYX"], TYPES)))
def test_nrrd_and_metaimage_as_their_texts_describe_them(
    axes: str, dtype: str, make_image: Callable[..., Image], tmp_path: Path
) -> None:
    """Https://teem.sourceforge.net/nrrd/format.html and https://itk.org/Wiki/ITK/MetaIO/Documentation."""
    image = make_image(axes, dtype, unit="millimeter")
    header, _, packed = write_image(image, tmp_path / "a.nrrd").read_bytes().partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in header.decode().splitlines() if ": " in line)
    assert [int(n) for n in fields["sizes"].split()] == list(image.shape[::-1])
    assert fields["encoding"] == "gzip"
    values = np.frombuffer(gzip.decompress(packed), dtype).reshape(image.shape)
    np.testing.assert_array_equal(values, image.data)
    header, _, packed = write_image(image, tmp_path / "a.mha").read_bytes().partition(b"ElementDataFile = LOCAL\n")
    fields = dict(line.split(" = ", 1) for line in header.decode().splitlines())
    assert (fields["ElementType"], fields["CompressedData"]) == (TYPES[dtype], "True")
    assert [int(n) for n in fields["DimSize"].split()] == list(image.shape[::-1])
    assert int(fields["CompressedDataSize"]) == len(packed)
    np.testing.assert_array_equal(np.frombuffer(zlib.decompress(packed), dtype).reshape(image.shape), image.data)


@pytest.mark.parametrize(("axes", "dtype"), [("YX", "uint8"), ("YX", "uint16"), ("YXS", "uint8")])
def test_png(axes: str, dtype: str, make_image: Callable[..., Image], tmp_path: Path) -> None:
    image = make_image(axes, dtype, unit=None)
    path = write_image(image, tmp_path / "a.png")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), image.data)
