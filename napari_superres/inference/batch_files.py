"""The files of a batch: which are taken, how messages name them, and where their results go."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from napari_superres import io
from napari_superres.errors import SuperResError, UnreadableImageError
from napari_superres.inference.options import AutoModels, ModelChoice
from napari_superres.models.model import Model


@dataclass(frozen=True)
class BatchFiles:
    """The inputs of a batch and the places of their results.

    Attributes
    ----------
    paths
        The inputs.
    folder
        Folder of the results.
    ending
        End of a result's name: model, and suffix if that is the same for all.
    suffix
        Format of the results; None for the format family of each input.
    """

    paths: tuple[Path, ...]
    folder: Path
    ending: str
    suffix: str | None

    @classmethod
    def find(
        cls,
        sources: Sequence[str | Path],
        folder: Path,
        model: ModelChoice,
        suffix: str | None = None,
        *,
        recursive: bool = False,
    ) -> Self:
        """Find the inputs. Images next to a record, in the folder of the results or below, are results of a batch.

        Raises
        ------
        UnreadableImageError
            If the only source holds no image. A missing one among others becomes a failure of its own.
        """
        found = _find_images(sources, recursive)
        paths = tuple(p for p in found if not is_result(p, folder, recursive=recursive))
        return cls(paths, folder, f"_{_model_name(model)}", suffix)

    def label(self, path: Path) -> str:
        """Return how messages name an input: its name, with its folders where two inputs have the same name."""
        short = io.short_label(path)
        if self._labels[short] < 2 or io.is_anonymous(path):
            return short
        return str(self._below(path) / short)

    def target(self, path: Path) -> Path:
        """Return where the result of an input goes.

        Raises
        ------
        SuperResError
            If a medical image cannot be read, or the format of the input is unknown.
        """
        name = self._result_name(path)
        # The folder of a medical image may have the name of a patient, and its digest is unique.
        if io.is_anonymous(path) or self._names[name] < 2:
            return self.folder / name
        return self.folder / self._below(path) / name

    @cached_property
    def resolved(self) -> frozenset[Path]:
        """The inputs without links."""
        return frozenset(path.resolve() for path in self.paths)

    def _result_name(self, path: Path) -> str:
        return f"{io.safe_name(path)}{self.ending}{self.suffix or io.output_suffix(path)}"

    def _below(self, path: Path) -> Path:
        """Return the folders of an input below the folder that all inputs share."""
        return Path(os.path.abspath(path.parent)).relative_to(self._root)  # noqa: PTH100 - links stay what they are

    @cached_property
    def _root(self) -> str:
        return os.path.commonpath([os.path.abspath(p.parent) for p in self.paths if not io.is_anonymous(p)])  # noqa: PTH100

    @cached_property
    def _labels(self) -> Counter[str]:
        return Counter(path.name for path in self.paths)

    @cached_property
    def _names(self) -> Counter[str]:
        """Number of inputs for each name of a result; those whose names are digests are left out."""
        return Counter(self._plain_names())

    def _plain_names(self) -> Iterator[str]:
        for path in self.paths:
            if not io.is_anonymous(path):
                try:
                    yield self._result_name(path)
                except SuperResError:  # Its own run reports it.
                    continue


def is_result(path: Path, folder: Path, *, recursive: bool) -> bool:
    """Return whether an image in the folder of the results, or with `recursive` below it, lies next to a record."""
    own, results = path.parent.resolve(), folder.resolve()
    return (own.is_relative_to(results) if recursive else own == results) and io.sidecar_path(path).is_file()


def _find_images(sources: Sequence[str | Path], recursive: bool) -> list[Path]:
    """Return the images of all sources; a missing one among others becomes a failure of its own."""
    if recursive:  # What lies in another of the folders is found there.
        folders = {Path(s).resolve() for s in sources if Path(s).is_dir()}
        sources = [s for s in sources if folders.isdisjoint(Path(s).resolve().parents)]
    if len(sources) == 1:
        return io.find_images(sources[0], recursive=recursive)
    paths: list[Path] = []
    for source in sources:
        try:
            paths += io.find_images(source, recursive=recursive)
        except UnreadableImageError:
            paths.append(io.InputPath(source))
    return io.without_parts(list(dict.fromkeys(paths)))


def _model_name(model: ModelChoice) -> str:
    if isinstance(model, Model):
        return model.card.name
    if isinstance(model, AutoModels):
        return model.name
    if isinstance(model, str | Path):
        return Path(model).name.removesuffix(".safetensors")
    return "-".join(dict.fromkeys(_model_name(m) for m in model.values()))
