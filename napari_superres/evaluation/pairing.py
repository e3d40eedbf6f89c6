"""Which files of several folders show the same image, by their names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_superres.errors import EvaluationError

Role = Literal["result", "reference", "input"]


@dataclass(frozen=True, slots=True)
class Trio:
    """The files of one image.

    Attributes
    ----------
    name
        Stem of the result, or of the input where there is no result. The name of a medical image may be a patient's: a
        digest replaces it.
    result
        None where models make the results.
    reference
        Reference scan.
    lr
        Low-resolution image, or None where no folder of inputs was given.
    """

    name: str
    result: Path | None
    reference: Path
    lr: Path | None


@dataclass(frozen=True, slots=True)
class Unpaired:
    """A file without a partner.

    Attributes
    ----------
    name
        As in `Trio`.
    missing
        Which partner was not found.
    folder
        Where it was looked for.
    """

    name: str
    missing: Role
    folder: Path

    @property
    def reason(self) -> str:
        """Why the file is left out."""
        return f"no {self.missing} of this name"


def pair_files(result_dir: Path | None, ref_dir: Path, lr_dir: Path | None) -> tuple[list[Trio], list[Unpaired]]:
    """Pair the results of a folder, or its inputs where there are no results, with their references and inputs.

    Parameters
    ----------
    result_dir, ref_dir, lr_dir
        Folders of results, references and low-resolution images; at least one of `result_dir` and `lr_dir`.

    Returns
    -------
    trios
        One per result (or input) that has all partners. Results of medical images are named after the digest of their
        input: they need `lr_dir`.
    unpaired
        Results (or inputs) without a partner, then references that no result belongs to.

    Raises
    ------
    EvaluationError
        If neither `result_dir` nor `lr_dir` is given, or a folder holds two images of the same stem.
    UnreadableImageError
        If a folder is missing or holds no image.
    """
    from napari_superres.io import safe_name

    first = result_dir if result_dir is not None else lr_dir
    if first is None:
        raise EvaluationError("a folder of results or one of inputs is needed.")
    files, references = _by_stem(first), _by_stem(ref_dir)
    inputs = None if lr_dir is None else _by_stem(lr_dir)
    reference_of = pair_by_stem(list(files), list(references))
    input_of = {} if inputs is None else pair_by_stem(list(files), list(inputs))
    _pair_by_digest(inputs or {}, references, input_of, reference_of)
    trios, unpaired = [], []
    for stem, path in files.items():
        reference, lr = reference_of[stem], input_of.get(stem)
        if reference is None:
            unpaired.append(Unpaired(safe_name(path), "reference", ref_dir))
        elif lr_dir is not None and lr is None:
            unpaired.append(Unpaired(safe_name(path), "input", lr_dir))
        else:
            result = None if result_dir is None else path
            trios.append(Trio(safe_name(path), result, references[reference], inputs[lr] if inputs and lr else None))
    used = set(reference_of.values())
    missing: Role = "input" if result_dir is None else "result"
    unpaired += [Unpaired(safe_name(p), missing, first) for stem, p in references.items() if stem not in used]
    return trios, unpaired


def pair_results(result_dir: Path, lr_dir: Path | None) -> list[tuple[str, Path, Path | None]]:
    """Return the name, the file and the input of each result of a folder; None where there is no input of its name.

    Raises
    ------
    UnreadableImageError
        If a folder is missing or holds no image.
    """
    from napari_superres.io import safe_name

    files, inputs = _by_stem(result_dir), {} if lr_dir is None else _by_stem(lr_dir)
    input_of = pair_by_stem(list(files), list(inputs))
    _pair_by_digest(inputs, [], input_of, dict.fromkeys(files))
    return [(safe_name(path), path, inputs.get(input_of[stem] or "")) for stem, path in files.items()]


def _pair_by_digest(
    inputs: dict[str, Path],
    references: Iterable[str],
    input_of: dict[str, str | None],
    reference_of: dict[str, str | None],
) -> None:
    """Add the partners of results that are named after the digest of their input, as those of medical images are."""
    from napari_superres.io import safe_name

    alone = [stem for stem, lr in input_of.items() if lr is None]
    stems = {safe_name(path): stem for stem, path in inputs.items()} if alone else {}
    for result, name in pair_by_stem(alone, stems).items():
        if name is not None:
            lr = stems[name]
            input_of[result] = lr
            reference_of[result] = reference_of[result] or pair_by_stem([lr], references)[lr]


def pair_masks(labels_dir: Path, trios: Sequence[Trio]) -> dict[str, Path | None]:
    """Return the masks of each image, by its name; None where there are none. They are named as its reference is.

    Raises
    ------
    UnreadableImageError
        If the folder is missing or holds no image.
    """
    from napari_superres.io import stem

    masks = _by_stem(labels_dir)
    references = {trio.name: stem(trio.reference) for trio in trios}
    partner = pair_by_stem(list(masks), set(references.values()))
    of_reference = {reference: masks[mask] for mask, reference in partner.items() if reference is not None}
    return {name: of_reference.get(reference) for name, reference in references.items()}


def pair_by_stem(stems: Sequence[str], partners: Iterable[str]) -> dict[str, str | None]:
    """Return the partner of each stem: the same stem, or the longest one that it continues with ``_``."""
    partners = list(partners)
    fitting = {stem: [p for p in partners if stem == p or stem.startswith(f"{p}_")] for stem in stems}
    return {stem: max(names, key=len, default=None) for stem, names in fitting.items()}


def _by_stem(folder: Path) -> dict[str, Path]:
    """Return the images of a folder by their stems.

    Raises
    ------
    EvaluationError
        If two have the same stem: which of them is meant is not known.
    """
    from napari_superres.io import find_images, short_label, stem

    found: dict[str, Path] = {}
    for path in find_images(folder):
        other = found.setdefault(stem(path), path)
        if other != path:
            raise EvaluationError(
                f"{short_label(other)} and {short_label(path)} in {folder} have the same name but for the suffix, so "
                "which of them is meant is not known.",
                remedy="Move one of them to another folder.",
            )
    return found
