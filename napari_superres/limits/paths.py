"""Where a path leads."""

import stat
from pathlib import Path


def is_special(path: Path) -> bool:
    """Return whether a path is a pipe, a socket or a device: opening one may wait forever, and reading never end."""
    mode = path.stat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_link_or_special(path: Path) -> bool:
    """Return whether a path is a link, or special: a folder of the program's own holds neither."""
    return path.is_symlink() or is_special(path)


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether a path lies inside a folder, after all links are followed."""
    return path.resolve().is_relative_to(folder.resolve())
