"""NIfTI by nibabel, NRRD by pynrrd; MetaImage written by SimpleITK and read as its documentation describes the text."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel
import nrrd  # type: ignore[import-untyped]
import numpy as np
import SimpleITK as sitk  # noqa: N813

from helpers.tables.formats.facts import LPS, REVERSE, CannotMakeError, Facts, from_lps
from napari_superres.core.units import METRES, unit_name

_nibabel: Any = nibabel  # without types
_NIFTI_AXES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "CTZYX"}
_UNITS = {"micron": "micrometer", "mm": "millimeter", "meter": "meter"}
_TIMES = {"sec": "second", "msec": "millisecond", "usec": "microsecond"}
_KINDS = {"T": "time", "C": "list", "S": "RGB-color"}
_ELEMENTS = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


def make_nifti(facts: Facts, path: Path) -> None:
    """Write a NIfTI file."""
    data, order = facts.data, facts.axes
    if "S" in order:
        if data.dtype != np.uint8:
            raise CannotMakeError
        letters = "RGBA"[: data.shape[-1]]
        data, order = np.ascontiguousarray(data).view([(c, "u1") for c in letters])[..., 0], order[:-1]
    target = "".join(a for a in "CTZYX" if a in order)
    data = data.transpose([order.index(a) for a in target])
    # Axes of one element stand for those that are missing before the last: T and C come after X, Y and Z.
    wanted = "CTZYX" if "C" in target else "TZYX" if "T" in target else target
    data = data.reshape([data.shape[target.index(a)] if a in target else 1 for a in wanted])
    unit = "micron" if facts.unit == "micrometer" else "mm" if facts.unit else "unknown"
    affine = np.eye(4)
    n = len(facts.spatial)
    affine[-n - 1 :, -n - 1 :] = facts.matrix
    image: Any = _nibabel.Nifti1Image(data.T, LPS @ REVERSE @ affine @ REVERSE, dtype=data.dtype)
    image.header.set_xyzt_units(unit, "sec" if facts.time_step else None)
    if facts.time_step is not None:
        image.header["pixdim"][4] = facts.time_step[0]
    if facts.labels:
        image.header.set_intent("label")
    if facts.scale is not None:
        image.header.set_slope_inter(*facts.scale)
        # nibabel would choose a scale of its own: the stored numbers and the header are written apart.
        image.header["vox_offset"] = 352
        path.write_bytes(gzip.compress(image.header.binaryblock + b"\0" * 4 + data.T.tobytes(order="F")))
        return
    _nibabel.save(image, path)


def read_nifti(path: Path) -> Facts:
    """Return what a NIfTI file states."""
    image: Any = _nibabel.load(path)
    data = np.asarray(image.dataobj).T
    axes = _NIFTI_AXES[data.ndim]
    if data.dtype.names:
        data, axes = np.stack([data[c] for c in data.dtype.names], axis=-1), axes + "S"
    affine = REVERSE @ LPS @ image.affine @ REVERSE
    if "Z" not in axes:
        affine = affine[1:, 1:]
    length, time = image.header.get_xyzt_units()
    step = float(image.header["pixdim"][4])
    return Facts(
        data,
        axes,
        affine,
        _UNITS.get(length),
        time_step=(step, _TIMES[time]) if time in _TIMES and step > 0 and "T" in axes else None,
        labels=image.header.get_intent()[0] == "label",
    )


def make_nrrd(facts: Facts, path: Path) -> None:
    """Write an NRRD file."""
    n, order = len(facts.spatial), facts.axes[::-1]
    header: dict[str, Any] = {"kinds": [_KINDS.get(a, "domain") for a in order]}
    if "S" in order and facts.data.shape[-1] == 4:
        header["kinds"][0] = "RGBA-color"
    if facts.unit is not None:
        directions = iter(facts.matrix[:-1, :-1][::-1, ::-1].T)
        header["space directions"] = np.array([next(directions) if a in "ZYX" else [np.nan] * n for a in order])
        header["space origin"] = facts.matrix[:-1, -1][::-1]
        header["space units"] = [{"micrometer": "um", "millimeter": "mm"}[facts.unit]] * n
        header |= {"space": "left-posterior-superior"} if n == 3 else {"space dimension": 2}
    if facts.time_step is not None:
        # Either directions of space or spacings of each axis.
        sizes = facts.sizes_in("millimeter")
        for key in ("space directions", "space origin", "space units", "space", "space dimension"):
            header.pop(key, None)
        header["spacings"] = [facts.time_step[0] if a == "T" else sizes[a] for a in order]
        header["units"] = ["s" if a == "T" else "mm" for a in order]
    if facts.labels:
        header |= {"Segment0_ID": "Segment_1", "Segment0_LabelValue": "1"}
    nrrd.write(str(path), np.ascontiguousarray(facts.data.T), header)


def read_nrrd(path: Path) -> Facts:
    """Return what an NRRD file states. Lengths without a unit are millimeters, as ITK and 3D Slicer have it."""
    data, header = nrrd.read(str(path))
    kinds = [str(k) for k in header.get("kinds", ["domain"] * data.ndim)]
    letters, space = [], iter("XYZ???")
    for kind in kinds:
        other = "S" if "color" in kind.lower() else {"time": "T", "list": "C", "vector": "C"}.get(kind)
        letters.append(other or next(space))
    at = [i for i, letter in enumerate(letters) if letter in "XYZ"]
    affine, names, time = None, header.get("space units", []), None
    if "space directions" in header:
        directions = np.asarray(header["space directions"], float)[at][:, : len(at)]
        affine = np.eye(len(at) + 1)
        affine[:-1, :-1], affine[:-1, -1] = (
            directions.T[::-1, ::-1],
            np.asarray(header["space origin"])[::-1][-len(at) :],
        )
    elif "spacings" in header:
        spacings = np.asarray(header["spacings"], float)
        affine, names = np.diag([*spacings[at][::-1], 1.0]), [header["units"][i] for i in at]
        if "T" in letters:
            time = (float(spacings[letters.index("T")]), unit_name(header["units"][letters.index("T")]))
    unit = None if affine is None else unit_name(names[0]) if names else "millimeter"
    labels = any(key.startswith("Segment0") for key in header)
    return Facts(
        data.T, "".join(letters)[::-1], affine, unit if unit in METRES else None, time_step=time, labels=labels
    )


def make_metaimage(facts: Facts, path: Path) -> None:
    """Write a MetaImage."""
    if facts.data.dtype == np.float16:
        raise CannotMakeError
    components = facts.axes[-1] in "CS"
    if "C" in facts.axes and not components:
        raise CannotMakeError
    image = sitk.GetImageFromArray(np.ascontiguousarray(facts.data), isVector=components)
    n, more = len(facts.spatial), image.GetDimension() - len(facts.spatial)
    if facts.unit is not None:
        matrix, sizes = facts.matrix_in("millimeter"), facts.sizes_in("millimeter")
        image.SetSpacing([*(sizes[a] for a in facts.spatial[::-1]), *[1.0] * more])
        image.SetOrigin([*matrix[:-1, -1][::-1].tolist(), *[0.0] * more])
        direction = np.eye(n + more)
        direction[:n, :n] = (matrix[:-1, :-1] / [sizes[a] for a in facts.spatial])[::-1, ::-1]
        image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, str(path))


def read_metaimage(path: Path) -> Facts:
    """Return what the text of a MetaImage states. Its lengths are millimeters, as ITK has it."""
    head, _, raw = path.read_bytes().partition(b"ElementDataFile = LOCAL\n")
    fields = dict(line.split(" = ", 1) for line in head.decode().splitlines())
    shape, count = [int(v) for v in fields["DimSize"].split()], int(fields.get("ElementNumberOfChannels", "1"))
    raw = zlib.decompress(raw) if fields.get("CompressedData") == "True" else raw
    data = np.frombuffer(raw, _ELEMENTS[fields["ElementType"]]).reshape([*shape[::-1], *([count] if count > 1 else [])])
    axes = ("?" * 9 + "ZYX")[-len(shape) :] + ("C" if count > 1 else "")  # it does not tell colours from channels
    numbers = {k: [float(v) for v in fields[k].split()] for k in ("ElementSpacing", "Offset", "TransformMatrix")}
    # The matrix lists the direction of one axis after another.
    direction = np.reshape(numbers["TransformMatrix"], (len(shape), -1)).T
    affine = from_lps(numbers["ElementSpacing"], numbers["Offset"], direction)
    return Facts(data, axes, affine, "millimeter")
