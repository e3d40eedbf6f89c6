"""What the program finds at its start: folders of modules, wheels, a folder for its measurements.

Nothing is imported here that the wheels or the checkout must bring.
"""

import os
import sys
import zipfile
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent


def prepare(out: Path, wheels: Path | None) -> list[str]:
    """Make the checkout and the wheels importable, and keep what runs measure in `out`; return what was done."""
    done = _unpack(wheels, out / "wheels") if wheels else []
    # The folder of this file would hide modules of the same names.
    sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).parent]
    for folder in (TESTS / "benchmarks", TESTS, ROOT):
        sys.path.insert(0, str(folder))
    # The user's own models and measurements have no part in it.
    os.environ["NAPARI_SUPERRES_MODELS"] = str(out / "models")
    os.environ["XDG_CACHE_HOME"] = str(out / "cache")
    return done


def is_installed(module: str) -> bool:
    """Return whether a module can be imported."""
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def _unpack(wheels: Path, folder: Path) -> list[str]:
    """Unpack wheels into a folder that modules are then found in, after those that are installed."""
    found = sorted(wheels.glob("*.whl"))
    for wheel in found:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    sys.path.append(str(folder))
    return [f"wheel {wheel.name}" for wheel in found]
