"""OME-TIFF of several files: each position is itself, a set is one image, and a companion holds the metadata."""

import shutil
import uuid
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ome_types import from_xml

from napari_superres.errors import UnreadableImageError
from napari_superres.io import find_images, read_image, read_series, write_image

NAMESPACE = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
UUIDS = [f"urn:uuid:{uuid.UUID(int=i + 1)}" for i in range(4)]


def ome(*images: str, attributes: str = "") -> str:
    parts = "".join(f'<Image ID="Image:{i}" Name="Pos{i}">{x}</Image>' for i, x in enumerate(images))
    return f'<?xml version="1.0" encoding="UTF-8"?><OME {NAMESPACE} {attributes}>{parts}</OME>'


def pixels(name: str, size: float, inner: str, number: int = 0) -> str:
    return (
        f'<Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" Type="uint16" SizeX="9" SizeY="8" SizeZ="3" SizeC="1" '
        f'SizeT="1" PhysicalSizeX="{size}" PhysicalSizeY="{size}" PhysicalSizeZ="1">'
        f'<Channel ID="Channel:{number}:0" Name="{name}" SamplesPerPixel="1"/>{inner}</Pixels>'
    )


def plane(z: int, x: float, height: float | None = None) -> str:
    z_position = "" if height is None else f' PositionZ="{height}" PositionZUnit="µm"'
    where = f'PositionX="{x}" PositionXUnit="µm" PositionY="{x}" PositionYUnit="µm"{z_position}'
    return f'<Plane TheZ="{z}" TheC="0" TheT="0" {where}/>'


def tiff_data(z: int, number: int, file: str, ifd: int) -> str:
    text = f'<UUID FileName="{file}">{UUIDS[number]}</UUID>'
    return f'<TiffData FirstZ="{z}" IFD="{ifd}" PlaneCount="1">{text}</TiffData>'


def write(path: Path, planes: list[int], description: str) -> None:
    with tifffile.TiffWriter(path) as file:
        for i, value in enumerate(planes):
            text = description.encode() if i == 0 else None
            file.write(np.full((8, 9), value, np.uint16), description=text, metadata=None, contiguous=False)


@pytest.fixture
def positions(tmp_path: Path) -> Path:
    """Return a folder with two positions of a file each, as Micro-Manager writes them."""
    files = [f"MMStack_Pos{i}.ome.tif" for i in range(2)]
    images = [
        pixels(
            f"dye {i}", 0.5 / (i + 1), "".join(tiff_data(z, i, files[i], z) for z in range(3)) + plane(0, 100 + i), i
        )
        for i in range(2)
    ]
    for i, file in enumerate(files):
        xml = ome(*images, attributes=f'UUID="{UUIDS[i]}"')
        from_xml(xml)
        write(tmp_path / file, [10 * i + z for z in range(3)], xml)
    return tmp_path


def check_position(path: Path, number: int) -> None:
    [(_, image)] = read_series(path)
    np.testing.assert_array_equal(np.asarray(image.data)[:, 0, 0], [10 * number + z for z in range(3)])
    assert image.pixel_size == pytest.approx((1.0, 0.5 / (number + 1), 0.5 / (number + 1)))
    assert image.origin == (0.0, 100 + number, 100 + number)
    assert image.channel_names == (f"dye {number}",)


def test_a_position_has_its_own_grid_and_channel(positions: Path) -> None:
    for number in (1, 0):
        check_position(positions / f"MMStack_Pos{number}.ome.tif", number)


def test_a_position_alone(positions: Path, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    for number in range(2):
        path = shutil.copy(
            positions / f"MMStack_Pos{number}.ome.tif", tmp_path / "alone" / f"renamed {number} é.ome.tif"
        )
        check_position(Path(path), number)
        Path(path).unlink()


def test_a_folder_of_positions_is_one_image_per_file(positions: Path) -> None:
    assert [p.name for p in find_images(positions)] == ["MMStack_Pos0.ome.tif", "MMStack_Pos1.ome.tif"]
    assert len(find_images(str(positions / "*.tif"))) == 2


@pytest.fixture(params=["self-contained", "companion", "main file"])
def planes(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with one image whose planes have a file each."""
    inner = "".join(tiff_data(z, z, f"plane{z}.ome.tif", 0) for z in range(3)) + plane(0, 5.0)
    for z in range(3):
        xml = ome(pixels("dye", 0.25, inner), attributes=f'UUID="{UUIDS[z]}"')
        if request.param == "companion" or (request.param == "main file" and z):
            main = "set.companion.ome" if request.param == "companion" else "plane0.ome.tif"
            binary = f'<BinaryOnly MetadataFile="{main}" UUID="{UUIDS[3]}"/>'
            xml = f'<?xml version="1.0"?><OME {NAMESPACE} UUID="{UUIDS[z]}">{binary}</OME>'
        write(tmp_path / f"plane{z}.ome.tif", [100 + z], xml)
    if request.param == "companion":
        (tmp_path / "set.companion.ome").write_text(ome(pixels("dye", 0.25, inner)), encoding="utf-8")
    return tmp_path


def test_every_file_of_a_set_shows_the_whole_image(planes: Path) -> None:
    for path in planes.iterdir():
        image = read_image(path)
        np.testing.assert_array_equal(np.asarray(image.data)[:, 0, 0], [100, 101, 102])
        assert image.pixel_size == (1.0, 0.25, 0.25)
        assert image.origin == (0.0, 5.0, 5.0)
        assert image.channel_names == ("dye",)


def test_a_set_is_computed_once(planes: Path) -> None:
    assert [p.name for p in find_images(planes)] == ["plane0.ome.tif"]
    assert [p.name for p in find_images(str(planes / "*1.ome.tif"))] == ["plane1.ome.tif"]


@pytest.mark.parametrize("planes", ["companion"], indirect=True)
def test_a_missing_companion_is_named(planes: Path) -> None:
    (planes / "set.companion.ome").unlink()
    with pytest.raises(UnreadableImageError, match="a file that it names is missing"):
        read_image(planes / "plane1.ome.tif")


def test_a_companion_elsewhere_is_not_followed(tmp_path: Path) -> None:
    binary = f'<BinaryOnly MetadataFile="../secret.companion.ome" UUID="{UUIDS[3]}"/>'
    (tmp_path / "secret.companion.ome").write_text(ome())
    (tmp_path / "a").mkdir()
    write(tmp_path / "a" / "b.ome.tif", [1], f'<?xml version="1.0"?><OME {NAMESPACE}>{binary}</OME>')
    with pytest.raises(UnreadableImageError, match="own folder"):
        read_image(tmp_path / "a" / "b.ome.tif")


@pytest.mark.parametrize(
    ("heights", "step"),
    [((30.0, 29.0, 28.0), -1.0), ((5.0, 6.0, 7.0), 1.0), ((5.0, 5.0, 5.0), 1.0), ((5.0, 4.9, 4.8), 1.0)],
    ids=["falling", "rising", "equal", "drifting"],
)
def test_planes_lie_at_their_heights(heights: tuple[float, ...], step: float, tmp_path: Path) -> None:
    inner = '<TiffData IFD="0" PlaneCount="3"/>' + "".join(plane(z, 2.0, h) for z, h in enumerate(heights))
    write(tmp_path / "a.ome.tif", [0, 1, 2], ome(pixels("dye", 0.5, inner)))
    image = read_image(tmp_path / "a.ome.tif")
    np.testing.assert_allclose((image.affine @ [2, 0, 0, 1])[:3], (heights[0] + 2 * step, 2.0, 2.0))
    np.testing.assert_array_equal(np.asarray(image.data)[:, 0, 0], [0, 1, 2])
    again = read_image(write_image(image, tmp_path / "b.ome.tif"))
    np.testing.assert_allclose(again.affine, image.affine)
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as file:
        written = from_xml(file.ome_metadata).images[0].pixels
    assert [p.position_z for p in written.planes] == pytest.approx([heights[0] + z * step for z in range(3)])
    assert written.physical_size_z == 1.0
