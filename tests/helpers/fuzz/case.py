"""A kind of file, its samples, and the cases that are made of them."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from random import Random
from zipfile import BadZipFile

from helpers.fuzz.values import damage_bytes

Damage = Callable[[Random, bytes], bytes]
"""Return damaged content of a file."""

FIXED_TIME = 10**9
"""Time of the last change of every file, in seconds."""

_PIPE, _LINK = b"<pipe>", b"<link>"
"""Contents of files that are to become something else than a file."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sound input.

    Attributes
    ----------
    main
        Name of the file or folder that is read.
    files
        Content of each file by its name.
    """

    main: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of input.

    Attributes
    ----------
    name
        Name in reports.
    samples
        Return the sound inputs. Called once per process; the same each time.
    use
        Do with the input, in an empty folder, what the program does.
    damages
        Kinds of damage by the pattern of the files that they suit; the first pattern that fits decides.
    quick
        Whether a case takes milliseconds. The quick tests leave out the others.
    """

    name: str
    samples: Callable[[], Sequence[Sample]]
    use: Callable[[Path], None]
    damages: Mapping[str, Sequence[Damage]] = field(default_factory=dict)
    quick: bool = True


def write_case(kind: Kind, samples: Sequence[Sample], seed: int, index: int, folder: Path) -> Path:
    """Write the damaged files of a case into an empty folder, and return the path to read."""
    rng = Random(f"{seed}/{index}")
    sample = rng.choice(samples)
    files = dict(sample.files)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name = rng.choice(sorted(files))
        if files[name] in (_PIPE, _LINK):
            continue
        if len(files) > 1 and rng.random() < 0.06:
            files[name] = rng.choice((b"", _PIPE, _LINK) if hasattr(os, "mkfifo") else (b"",))
            continue
        fitting = next((d for pattern, d in kind.damages.items() if fnmatch(name, pattern)), ())
        damage = rng.choice(fitting) if fitting and rng.random() < 0.85 else damage_bytes
        try:
            files[name] = damage(rng, files[name])
        except (ValueError, LookupError, StopIteration, BadZipFile):  # damaged before, it has no structure left
            files[name] = damage_bytes(rng, files[name])
    write_files(folder, files)
    return folder / sample.main


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their names, which may contain folders."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content == _PIPE:
            os.mkfifo(path)
        elif content == _LINK:
            path.symlink_to("/etc/passwd")
        else:
            path.write_bytes(content)
            os.utime(path, (FIXED_TIME, FIXED_TIME))


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder by its name."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}
