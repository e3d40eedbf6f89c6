"""Which model is chosen for each file of a folder, and why: ``python tests/benchmarks/choice.py FOLDER... [--of N]``.

The line of a file gives its path, the chosen model or ``asks``, and the reason. With ``--truth``, the first folder of
the path that names a kind is compared with the choice: ``right``, ``asks`` or ``WRONG``.
"""

import argparse
import random
from collections import Counter
from pathlib import Path

from napari_superres import read_image
from napari_superres.errors import SuperResError
from napari_superres.io import READ_SUFFIXES, suffix
from napari_superres.models.choice.choose import choose_model

KINDS = {
    "fluorescence": "fluorescence",
    "microct": "CT",
    "ct": "CT",
    "mri": "MRI",
    "em": "electron microscopy",
    "sem": "electron microscopy",
    "photographs": "photograph",
    "BSD200": "photograph",
    "BSDS500_test": "photograph",
    "T91": "photograph",
    "Set5": "photograph",
    "Set14": "photograph",
    "nuclei": "fluorescence",
    "brain": "MRI",
    "chelsea": "photograph",
    "mitocheck": "fluorescence",
    "golgi": "fluorescence",
    "cancer": "fluorescence",
}
"""Kind of the images in a folder or with a word in their name. Others, such as brightfield, have no model: asking is
right."""


def truth(path: Path) -> str | None:
    """Return the kind of an image by its folder or name."""
    names = [*path.parts[:-1][::-1], *path.name.replace("-", "_").split("_")]
    return next((KINDS[name] for name in names if name in KINDS), None)


def pick(folder: Path, count: int | None) -> list[Path]:
    """Return the images in a folder, or so many of them from as many of its subfolders as possible, always the same."""
    paths = sorted(
        p for p in folder.rglob("*") if p.is_file() and suffix(p) in READ_SUFFIXES and "masks" not in p.parts
    )
    if count is None or len(paths) <= count:
        return paths
    groups: dict[Path, list[Path]] = {}
    for path in random.Random(25).sample(paths, len(paths)):
        groups.setdefault(path.parent, []).append(path)
    turns = max(map(len, groups.values()))
    return sorted([group[i] for i in range(turns) for group in groups.values() if i < len(group)][:count])


def main() -> None:
    """Print a line per file, and how many were right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--of", type=int, help="number of files of each folder")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    for folder in options.folders:
        for path in pick(folder, options.of):
            try:
                choice = choose_model(read_image(path))
            except SuperResError as error:
                print(f"| {path.relative_to(folder)} | - | cannot be read | {error} |")
                continue
            kind = truth(path)
            verdict = "asks" if choice.model is None else "right" if choice.kind == kind else "WRONG"
            counts[verdict] += 1
            chosen = choice.model or " / ".join(choice.questions.values())
            print(f"| {path.relative_to(folder)} | {verdict} | {chosen} | {choice.reason} |")
    print(", ".join(f"{n} {verdict}" for verdict, n in counts.items()), f"of {counts.total()}")


if __name__ == "__main__":
    main()
