"""What the program finds at its start: folders of modules, wheels, a folder for its measurements.

Nothing is imported here that the wheels or the checkout must bring.
"""

import os
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

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
    if not is_installed("psutil"):
        sys.modules["psutil"] = _free_memory_only()
        done.append("psutil is not installed: free memory is that of the system's own count")
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


def _free_memory_only() -> ModuleType:
    """Return a module in the place of psutil that knows the free memory and nothing else."""
    module = ModuleType("psutil")

    def virtual_memory() -> SimpleNamespace:
        return SimpleNamespace(available=os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))

    vars(module).update(virtual_memory=virtual_memory, getloadavg=os.getloadavg)
    return module
