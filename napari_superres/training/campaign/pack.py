"""Pack a thinned copy of the images into one file that travels to a GPU, as the trainings read it.

The file is a zip of the folders that the trainings name. Each folder has room by its share in the patches of all
trainings, and each image by the square root of its size, as patches are drawn. Colour photographs go in as they are. Of
other images go in tiles, most of them with much structure and some of any kind, in a stack per image: one intensity
range then holds for all of them. Stacks hold the differences of neighbouring pixels, compressed by LZMA, and `unpack`
adds them up. It needs no library but tifffile.
"""

import argparse
import lzma
import sys
import zipfile
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from math import ceil, sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_superres.core.binning import bin_mean
from napari_superres.core.image import Image
from napari_superres.core.intensity import fit_normalisation
from napari_superres.errors import SuperResError, TrainingError
from napari_superres.io import find_images, read_image, stem, write_image
from napari_superres.storage.atomic import replacing
from napari_superres.training.campaign.table import share_of_patches
from napari_superres.training.patches import ANY_KIND

_MEGABYTES = 27.0
_EDGE = 256
"""Least edge of a tile in pixels; a smaller image is one tile."""

_GREY_LEVELS = 1023
"""Steps of intensity between the ends of an image's range: the noise of most images is coarser."""

_SAMPLES = 4
"""Tiles of an image that are compressed to estimate the size of all."""

_STACK = ".tif"
_AS_THEY_ARE = (".png", ".jpg", ".jpeg")

Array = npt.NDArray[Any]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Source:
    """An image that may go into the file: its tiles, or 1 for a photograph, and about the bytes of each."""

    path: Path
    tiles: int
    bytes_per_tile: float

    @property
    def size(self) -> float:
        return self.tiles * self.bytes_per_tile


def pack(data: Path, file: Path, *, megabytes: float = _MEGABYTES) -> dict[str, tuple[int, int]]:
    """Write a thinned copy of the images into one file.

    Parameters
    ----------
    data
        Folder that holds the folders of the trainings; those that it lacks are left out.
    file
        File to write. It is replaced if it exists.
    megabytes
        About the size of the file in MiB.

    Returns
    -------
    dict
        Number of files and bytes of each folder in it.

    Raises
    ------
    UnreadableImageError
        If a folder has no images, or one cannot be read.
    OutputError
        If the file cannot be written.
    TrainingError
        If the folder holds none of them.
    """
    shares = {name: share for name, share in share_of_patches().items() if (data / name).is_dir()}
    if not shares:
        raise TrainingError(f"{data} must hold folders of the trainings, such as {next(iter(share_of_patches()))}.")
    sources = {name: [_measure(path) for path in find_images(data / name)] for name in shares}
    sizes = {name: (sum(s.size for s in found), shares[name]) for name, found in sources.items()}
    room = divide(megabytes * 2**20, sizes)
    written: dict[str, tuple[int, int]] = {}
    with replacing(file) as (temporary,), zipfile.ZipFile(temporary, "w") as target:
        for name, found in sources.items():
            contents: dict[str, bytes] = {}
            carried = 0.5
            for source, size in divide(room[name], {s: (s.size, sqrt(s.size)) for s in found}).items():
                # Parts of a tile, and of a photograph, are carried over to the next image.
                wanted = carried + size / source.bytes_per_tile
                carried = wanted - int(wanted)
                contents |= _thin(source.path, int(wanted)) if wanted >= 1 else {}
            for entry, content in contents.items():
                kind = zipfile.ZIP_LZMA if entry.endswith(_STACK) else zipfile.ZIP_STORED
                target.writestr(f"{name}/{entry}", content, kind)
            sizes_in_file = (target.getinfo(f"{name}/{entry}").compress_size for entry in contents)
            written[name] = len(contents), sum(sizes_in_file)
    return written


def unpack(file: Path, folder: Path) -> None:
    """Write the images of a packed file to a folder."""
    with zipfile.ZipFile(file) as source:
        source.extractall(folder)
    for path in folder.rglob(f"*{_STACK}"):
        image = read_image(path)
        values = np.asarray(image.data)
        whole = values.cumsum(axis=-1, dtype=values.dtype)
        write_image(replace(image, data=whole), path, overwrite=True)


def divide(total: float, claims: Mapping[Key, tuple[float, float]]) -> dict[Key, float]:
    """Divide a room among claims ``(most, weight)``: by weight, and what one cannot use among the others."""
    parts: dict[Key, float] = {}
    weights = sum(weight for _, weight in claims.values())
    for key, (most, weight) in sorted(claims.items(), key=lambda claim: claim[1][0] / claim[1][1]):
        parts[key] = min(most, total * weight / weights)
        total, weights = total - parts[key], weights - weight
    return {key: parts[key] for key in claims}


def _measure(path: Path) -> _Source:
    image = read_image(path)
    if "S" in image.axes:
        return _Source(path, 1, len(_photograph(path, image)))
    tiles = [tile for planes in _planes(image) for plane in planes for tile in _tiles(plane)]
    some = tiles[:: max(1, len(tiles) // _SAMPLES)]
    compressed = [len(lzma.compress(_differences(tile).tobytes())) for tile in some]
    return _Source(path, len(tiles), sum(compressed) / len(compressed))


def _thin(path: Path, count: int) -> dict[str, bytes]:
    """Return the names and contents of the files that hold `count` tiles of an image, or a photograph."""
    image = read_image(path)
    if "S" in image.axes:
        name = path.name if path.suffix.lower() in _AS_THEY_ARE else f"{stem(path)}.png"
        return {name: _photograph(path, image)}
    channels = _planes(image)
    sizes = [image.pixel_size[image.spatial.index(axis)] for axis in "YX"] if image.has_pixel_size else None
    files = {}
    for number, planes in enumerate(channels):
        tiles = choose_tiles(planes, max(1, round(count / len(channels))))
        stack = Image.from_array(_differences(np.stack(tiles)), "TYX", pixel_size=sizes, unit=image.units["X"])
        files[f"{stem(path)}{f'_c{number}' if len(channels) > 1 else ''}{_STACK}"] = _encode(stack, _STACK)
    return files


def choose_tiles(planes: Array, count: int) -> list[Array]:
    """Return tiles of planes ``(N, Y, X)``: of twice as many on evenly chosen planes, most of those with structure."""
    per_plane = len(_tiles(planes[0]))
    chosen = np.unique(np.linspace(0, len(planes) - 1, min(len(planes), ceil(2 * count / per_plane))).round())
    candidates = [tile for index in chosen.astype(int) for tile in _tiles(planes[index])]
    # Neighbouring pixels are averaged: otherwise the noisiest tiles would be chosen.
    coarse = [bin_mean(tile, (2, 2)) for tile in candidates]
    order = np.argsort([sum(np.abs(np.diff(tile, axis=axis)).mean() for axis in (0, 1)) for tile in coarse])
    any_kind = count // ANY_KIND
    best = max(0, len(order) - (count - any_kind))
    rest = order[np.linspace(0, best - 1, min(best, any_kind)).astype(int)] if best else order[:0]
    return [candidates[i] for i in sorted([*rest, *order[best:]])]


def _planes(image: Image) -> list[Array]:
    """Return the planes ``(N, Y, X)`` of each channel as whole numbers, with only as many grey levels as needed."""
    values = np.asarray(image.data)
    channels = np.moveaxis(values, image.axes.index("C"), 0) if "C" in image.axes else values[None]
    flat = [channel.reshape(-1, *channel.shape[-2:]) for channel in channels]
    if image.dtype == np.uint8:
        return flat
    norm = fit_normalisation(image, "percentile")
    coarse = []
    for planes, low, high in zip(flat, norm.low, norm.high, strict=True):
        least = 1.0 if planes.dtype.kind in "iu" else 0.0
        step = max(least, (high - low) / _GREY_LEVELS)
        levels = np.rint((planes - planes.min().astype(np.float64)) / step).clip(0, 65535)
        coarse.append(levels.astype(np.uint8 if levels.max() < 256 else np.uint16))
    return coarse


def _tiles(plane: Array) -> list[Array]:
    """Return the tiles of one size that a plane divides into."""
    counts = [max(1, n // _EDGE) for n in plane.shape]
    height, width = (n // count for n, count in zip(plane.shape, counts, strict=True))
    starts = [(y * height, x * width) for y in range(counts[0]) for x in range(counts[1])]
    return [plane[y : y + height, x : x + width] for y, x in starts]


def _differences(tiles: Array) -> Array:
    """Return the differences of neighbours along X, modulo the range of the data type; the first pixel stays."""
    return np.diff(tiles, axis=-1, prepend=tiles.dtype.type(0))


def _photograph(path: Path, image: Image) -> bytes:
    return path.read_bytes() if path.suffix.lower() in _AS_THEY_ARE else _encode(image, ".png")


def _encode(image: Image, suffix: str) -> bytes:
    with TemporaryDirectory(prefix="superres-pack-") as folder:
        return write_image(image, Path(folder) / f"image{suffix}").read_bytes()


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m napari_superres.training.campaign.pack", description=__doc__)
    parser.add_argument("data", type=Path, help="folder that holds the folders of the trainings")
    parser.add_argument("file", type=Path, help="file to write, such as campaign.zip")
    options = parser.parse_args(arguments)
    try:
        written = pack(options.data, options.file)
    except SuperResError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command's output
        return 1
    for name, (count, size) in written.items():
        print(f"{name}: {count} images, {size / 2**20:.2f} MiB")  # noqa: T201 - the command's output
    return 0


if __name__ == "__main__":
    sys.exit(main())
