"""`degrade_file`, `degrade_files`, `resample_file` and `measure_psf_file`: with a record that lets them be repeated."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_superres import io
from napari_superres.core.image import Image
from napari_superres.degradation import degrade, resample
from napari_superres.degradation.psf import PsfMeasurement, measure_psf
from napari_superres.degradation.psf.kernel import to_record
from napari_superres.errors import SettingsError, SuperResError
from napari_superres.inference.batch_files import BatchFiles
from napari_superres.inference.options import READING_DEFAULTS, ReadingOptions
from napari_superres.inference.provenance import package_version
from napari_superres.inference.stream.source import Source
from napari_superres.storage.atomic import make_folder

Step = Callable[..., Image]


def _measure(image: Image, **settings: Any) -> Image:
    return measure_psf(image, **settings).image


STEPS: Mapping[str, Step] = {"degrade": degrade, "resample": resample, "psf": _measure}
"""What a record's `operation` names."""


def degrade_file(
    source: str | Path,
    target: str | Path,
    *,
    overwrite: bool = False,
    reading: ReadingOptions | None = None,
    **settings: Any,
) -> Image:
    """Simulate the low-resolution image of a file's image, and write it with a record of how it was made.

    Parameters
    ----------
    source, target
        Any readable file or folder; any writable file name.
    overwrite
        Replace an existing target.
    reading
        What the file does not say of its image, as for `upscale_file`.
    **settings
        ``scale`` and the options of `degrade`.

    Returns
    -------
    Image
        What was written.

    Raises
    ------
    SuperResError
        As `read_image`, `degrade` and `write_image`; nothing is left behind.
    """
    return _write("degrade", source, target, settings, overwrite=overwrite, reading=reading)


def degrade_files(
    folder: str | Path, target: str | Path, **settings: Any
) -> Iterator[tuple[str, Path | SuperResError]]:
    """Simulate the low-resolution images of a folder's images, each with a seed of its own; failures stop no others.

    Parameters
    ----------
    folder
        Folder of images. Its subfolders are left out.
    target
        Folder of the results, which is created. They keep the stems of the images; those of medical images are digests.
    **settings
        As for `degrade_file`. The noise of the n-th image has the seed ``seed + n``.

    Yields
    ------
    tuple of str and Path or SuperResError
        How messages name an image, and its result or why there is none.

    Raises
    ------
    UnreadableImageError, OutputError
        If there is no image, or the folder cannot be created.
    """
    seed = settings.pop("seed", 0)
    files = BatchFiles(tuple(io.find_images(folder)), Path(target), "", None)
    make_folder(Path(target))
    for number, path in enumerate(files.paths):
        try:
            result = files.target(path)
            io.check_apart(result, [path])
            degrade_file(path, result, seed=seed + number, **settings)
            yield files.label(path), result
        except SuperResError as error:
            yield files.label(path), error


def resample_file(
    source: str | Path,
    target: str | Path,
    *,
    pixel_size: float | tuple[float, ...],
    overwrite: bool = False,
    reading: ReadingOptions | None = None,
) -> Image:
    """Resample the image of a file to another pixel size, and write it with a record of how it was made.

    Parameters
    ----------
    source, target
        Any readable file or folder; any writable file name.
    pixel_size
        As for `resample`.
    overwrite, reading
        As for `degrade_file`.

    Returns
    -------
    Image
        What was written.

    Raises
    ------
    SuperResError
        As `read_image`, `resample` and `write_image`; nothing is left behind.
    """
    return _write("resample", source, target, {"pixel_size": pixel_size}, overwrite=overwrite, reading=reading)


def measure_psf_file(
    source: str | Path,
    target: str | Path,
    *,
    overwrite: bool = False,
    reading: ReadingOptions | None = None,
    **settings: Any,
) -> PsfMeasurement:
    """Measure a point-spread function on a file of beads, and write it with a record of what was measured.

    Parameters
    ----------
    source, target
        Any readable file or folder; any writable file name.
    overwrite, reading
        As for `degrade_file`.
    **settings
        Options of `measure_psf`.

    Returns
    -------
    PsfMeasurement
        What was measured; its image was written.

    Raises
    ------
    SuperResError
        As `read_image`, `measure_psf` and `write_image`; nothing is left behind.
    """
    done: list[PsfMeasurement] = []

    def measure(image: Image, **options: Any) -> Image:
        done.append(measure_psf(image, **options))
        point = done[0].image
        return point.replace(metadata={**point.metadata, "psf": done[0].facts()})

    _write("psf", source, target, settings, overwrite=overwrite, reading=reading, step=measure)
    return done[0]


def repeat_step(image: Image, record: Mapping[str, Any]) -> Image:
    """Return what a recorded step makes of an image.

    Raises
    ------
    SettingsError
        If this version does not know the step.
    """
    step = STEPS.get(str(record.get("operation")))
    if step is None:
        raise SettingsError(f"the step {record.get('operation')!r} is not known.", remedy="Update this program.")
    return step(image, **record["settings"])


def _plain(value: Any) -> Any:
    """Return a setting as a record holds it."""
    if isinstance(value, Image):
        return to_record(value)
    return list(value) if isinstance(value, tuple) else value


def _write(
    operation: str,
    source: str | Path,
    target: str | Path,
    settings: Mapping[str, Any],
    *,
    overwrite: bool,
    reading: ReadingOptions | None,
    step: Step | None = None,
) -> Image:
    given: ReadingOptions = {**READING_DEFAULTS, **(reading or {})}
    opened, target = Source(io.InputPath(source), given), Path(target)
    image = opened.image
    io.check_target(target, overwrite=overwrite, image=image, inputs=[opened.path])
    settings = {name: _plain(v) for name, v in settings.items() if v is not None}
    made = (step or STEPS[operation])(image, **settings)
    opened.check_unchanged()
    facts = {"shape": list(image.shape), "dtype": str(image.dtype), "pixel_size": list(image.pixel_size)}
    record = {
        "schema": 1,
        "operation": operation,
        "settings": settings,
        "software": {name: package_version(name) for name in ("napari-superres-torch", "numpy")},
        "input": {**facts, **opened.facts, **opened.identity()},
        "synthetic_detail": False,
        **({"measured": made.metadata["psf"]} if "psf" in made.metadata else {}),
    }
    made = made.replace(metadata={**made.metadata, "provenance": record})
    io.write_image(made, target, overwrite=overwrite)
    return made
