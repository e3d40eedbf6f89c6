"""Write small LIF files: the XML that describes them, then one block of memory for each image."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

_IDS = {"X": 1, "Y": 2, "Z": 3, "T": 4}


def write_lif(path: Path, images: dict[str, tuple[np.ndarray[Any, Any], dict[str, float]]]) -> None:
    """Write images of axes TCZYX, each with the distance of pixels, in metres or seconds, along some axes."""
    elements, blocks = [], []
    for number, (name, (data, steps)) in enumerate(images.items(), 1):
        size = dict(zip("TCZYX", data.shape, strict=True))
        stride = dict(zip("TCZYX", data.strides, strict=True))
        channels = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{8 * data.itemsize}" '
            f'NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName="Green" IsLUTInverted="0" '
            f'BytesInc="{c * stride["C"]}" BitInc="0"/>'
            for c in range(size["C"])
        )
        dimensions = "".join(
            f'<DimensionDescription DimID="{_IDS[a]}" NumberOfElements="{size[a]}" Origin="0" '
            f'Length="{steps.get(a, 0.0) * (size[a] - 1)!r}" Unit="{"s" if a == "T" else "m"}" BytesInc="{stride[a]}" '
            f'BitInc="0"/>'
            for a in "XYZT"
            if size[a] > 1
        )
        described = f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions>"
        elements.append(
            f'<Element Name="{name}"><Data><Image><ImageDescription>{described}</ImageDescription></Image></Data>'
            f'<Memory Size="{data.nbytes}" MemoryBlockID="MemBlock_{number}"/></Element>'
        )
        blocks.append((f"MemBlock_{number}", data.tobytes()))
    children = f'<Element Name="all"><Data/><Memory Size="0" MemoryBlockID="none"/><Children>{"".join(elements)}'
    xml = f'<LMSDataContainerHeader Version="2">{children}</Children></Element></LMSDataContainerHeader>'
    content = xml.encode("utf-16-le")
    parts = [struct.pack("<IIBI", 0x70, len(content) + 5, 0x2A, len(xml)), content]
    for name, memory in blocks:
        encoded = name.encode("utf-16-le")
        parts += [struct.pack("<IIBQBI", 0x70, 14 + len(encoded), 0x2A, len(memory), 0x2A, len(name)), encoded, memory]
    path.write_bytes(b"".join(parts))
