"""What OME-XML states of a microscope's optics: aperture, emission wavelengths and acquisition modes."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from ome_types import from_xml

from napari_superres.io import read_image, write_image

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def ome(instrument: str, settings: str, channels: str, count: int = 1) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}">'
        f'<Instrument ID="Instrument:0">{instrument}</Instrument>'
        f'<Image ID="Image:0"><InstrumentRef ID="Instrument:0"/>{settings}<Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        f'Type="uint16" SizeX="9" SizeY="8" SizeZ="1" SizeC="{count}" SizeT="1" '
        'PhysicalSizeX="0.1" PhysicalSizeY="0.1">'
        f'{channels}<TiffData IFD="0" PlaneCount="{count}"/></Pixels></Image></OME>'
    )


def write(path: Path, xml: str, shape: tuple[int, ...] = (1, 8, 9)) -> Path:
    with tifffile.TiffWriter(path) as file:
        for i, plane in enumerate(np.zeros(shape, np.uint16)):
            file.write(plane, description=xml.encode() if i == 0 else None, metadata=None, contiguous=False)
    return path


OBJECTIVES = '<Objective ID="Objective:0" LensNA="0.4"/><Objective ID="Objective:1" LensNA="1.4" Immersion="Oil"/>'
IN_USE = '<ObjectiveSettings ID="Objective:1" RefractiveIndex="1.518"/>'


def test_a_file_of_bio_formats(tmp_path):
    """Its metadata as Bio-Formats wrote them, of a spinning disk with two dyes and transmitted light; fewer pixels."""
    package = Path(pytest.importorskip("bioio_czi").__file__).parent
    source = package / "czi-to-ome-xslt" / "docs" / "comparison" / "bf-converted.xml"
    if not source.is_file():
        pytest.skip("this version of bioio-czi comes without the metadata of Bio-Formats")
    root = ElementTree.parse(source).getroot()
    for image in root.findall(f"{{{OME}}}Image")[1:]:
        root.remove(image)
    [pixels] = root.iter(f"{{{OME}}}Pixels")
    pixels.set("SizeX", "9")
    pixels.set("SizeY", "8")
    image = read_image(write(tmp_path / "converted.ome.tiff", ElementTree.tostring(root, "unicode"), (15, 8, 9)))
    assert image.channel_names == ("EGFP", "TaRFP", "Bright")
    spinning = {"numerical_aperture": 0.8, "mode": "SpinningDiskConfocal"}
    assert image.metadata["optics"] == (
        {**spinning, "wavelength": pytest.approx(0.509)},
        {**spinning, "wavelength": pytest.approx(0.583)},
        spinning,
    )
    assert "ruiany" not in repr(image.metadata)


@pytest.mark.parametrize(
    ("wavelength", "expected"),
    [
        ('EmissionWavelength="520"', 0.52),
        ('EmissionWavelength="0.52" EmissionWavelengthUnit="µm"', 0.52),
        ('EmissionWavelength="5200" EmissionWavelengthUnit="Å"', 0.52),
    ],
)
def test_wavelengths_have_units(wavelength, expected, tmp_path):
    xml = ome(OBJECTIVES, IN_USE, f'<Channel ID="Channel:0:0" {wavelength}/>')
    from_xml(xml)
    [facts] = read_image(write(tmp_path / "a.ome.tif", xml)).metadata["optics"]
    assert facts == {"numerical_aperture": 1.4, "wavelength": pytest.approx(expected)}


def test_only_the_objective_in_use_counts(tmp_path):
    xml = ome(OBJECTIVES, "", '<Channel ID="Channel:0:0" AcquisitionMode="WideField"/>')
    from_xml(xml)
    assert "optics" not in read_image(write(tmp_path / "a.ome.tif", xml)).metadata


def test_optics_of_other_axes_are_left_out(tmp_path):
    channels = "".join(f'<Channel ID="Channel:0:{i}" EmissionWavelength="{500 + i}"/>' for i in range(3))
    path = write(tmp_path / "a.ome.tif", ome(OBJECTIVES, IN_USE, channels, 3), (3, 8, 9))
    assert len(read_image(path).metadata["optics"]) == 3
    assert "optics" not in read_image(path, axes="ZYX").metadata


def test_optics_are_not_written(tmp_path):
    xml = ome(OBJECTIVES, IN_USE, '<Channel ID="Channel:0:0" EmissionWavelength="520"/>')
    image = read_image(write(tmp_path / "a.ome.tif", xml))
    write_image(image, tmp_path / "b.ome.tif")
    assert "optics" not in read_image(tmp_path / "b.ome.tif").metadata
