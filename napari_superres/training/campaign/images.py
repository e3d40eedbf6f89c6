"""Read the images of all trainings once, from a folder or from the file that `pack` writes."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from napari_superres.degradation.instruments import Scale
from napari_superres.errors import TrainingError
from napari_superres.training.campaign.pack import unpack
from napari_superres.training.images.fields_of_view import Field, read_fields
from napari_superres.training.patches import own_noise
from napari_superres.training.recipes import Recipe
from napari_superres.training.validation import hold_out

_FEWEST_TO_HOLD_OUT = 4
"""Folders of fewer images give none up for validation."""

_SEED = 0
"""Seed of the choice of images held out: the same for all trainings, for one starts from the weights of another."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of view for a training.

    Attributes
    ----------
    images
        Fields of each image, those held out too.
    training, held_out
        Fields for training, with the weights of the recipe, and for validation.
    noise
        Gain and read noise of each field for training; see `training.patches.own_noise`.
    """

    images: Sequence[Sequence[Field]]
    training: Sequence[Field]
    held_out: Sequence[Field]
    noise: Sequence[tuple[float, float]]


class _Folder(NamedTuple):
    """The fields of a folder, as in `Fields`, with the same weight for each image of a size."""

    images: Sequence[Sequence[Field]]
    training: Sequence[Field]
    held_out: Sequence[Field]


_Key = tuple[str, str, tuple[int, ...]]
"""Name of a folder, and how it is read: channel and factors of shrinking."""


class Images:
    """The images of a campaign, each read when it is first needed and then kept.

    Parameters
    ----------
    folder
        Folder that holds those of the recipes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[_Key, _Folder] = {}
        self._noise: dict[tuple[_Key, Scale], list[tuple[float, float]]] = {}

    def restrict(self, recipe: Recipe) -> Recipe:
        """Return a recipe without the folders that are not there.

        Raises
        ------
        TrainingError
            If none is.
        """
        there = [(self._folder / d).is_dir() for d in recipe.data]
        if not any(there):
            raise TrainingError(f"the data of {recipe.name} need at least one of the folders {', '.join(recipe.data)}.")
        return replace(recipe, data=tuple(compress(recipe.data, there)), shares=tuple(compress(recipe.shares, there)))

    def read(self, recipe: Recipe) -> Fields:
        """Return the fields of a training.

        Raises
        ------
        TrainingError
            If a folder has no readable image.
        """
        keys = [(d, recipe.channel, recipe.shrink) for d in recipe.data]
        folders = [self._read_folder(key) for key in keys]
        shares = recipe.shares or (None,) * len(folders)
        return Fields(
            [fields for folder in folders for fields in folder.images],
            [_weigh(field, s) for folder, s in zip(folders, shares, strict=True) for field in folder.training],
            [field for folder in folders for field in folder.held_out],
            [noise for key in keys for noise in self._measure(key, recipe.scale)],
        )

    def _read_folder(self, key: _Key) -> _Folder:
        name, channel, shrink = key
        if key not in self._read:
            images = read_fields([self._folder / name], channel=channel, shrink=shrink, shares=(1.0,)).images
            everything = [field for fields in images for field in fields]
            few = len(images) < _FEWEST_TO_HOLD_OUT
            self._read[key] = _Folder(images, *((everything, []) if few else hold_out(images, _SEED)))
        return self._read[key]

    def _measure(self, key: _Key, scale: Scale) -> list[tuple[float, float]]:
        if (key, scale) not in self._noise:
            self._noise[key, scale] = [own_noise(field.hr, scale) for field in self._read_folder(key).training]
        return self._noise[key, scale]


def _weigh(field: Field, share: float | None) -> Field:
    """Return a field with the share of its folder; without one, it is drawn by its size."""
    return replace(field, weight=None if share is None or field.weight is None else share * field.weight)


@contextmanager
def open_data(path: Path) -> Iterator[Images]:
    """Yield the images in a folder, or in a packed file while it is unpacked.

    Raises
    ------
    TrainingError
        If the file is missing or is no packed file.
    """
    if path.is_dir():
        yield Images(path)
        return
    if not zipfile.is_zipfile(path):
        raise TrainingError(
            f"{path} is neither a folder of images nor a packed file.", remedy="Set `data` to one of them."
        )
    with TemporaryDirectory(prefix="superres-campaign-") as folder:
        unpack(path, Path(folder))
        yield Images(Path(folder))
