"""Find shipped recipes by name, and read recipes from TOML files."""

from dataclasses import MISSING, fields
from importlib.resources import files
from pathlib import Path

from napari_superres.errors import TrainingError
from napari_superres.limits import parse_toml
from napari_superres.training.recipes.recipe import Recipe


def list_recipes() -> list[str]:
    """Return the names of the shipped recipes, sorted."""
    return sorted(_shipped_files())


def load_recipe(name: str | Path) -> Recipe:
    """Return a shipped recipe by name, or the recipe in a TOML file.

    Parameters
    ----------
    name
        Name of a shipped recipe, such as ``"fluo-x2"``, or path of a file that ends in ``.toml``.

    Raises
    ------
    TrainingError
        If no recipe has this name, or the file is not a valid recipe.
    """
    path = Path(name)
    if path.suffix != ".toml":
        shipped = _shipped_files()
        if str(name) not in shipped:
            raise TrainingError(
                f"no recipe {str(name)!r}.", remedy=f"Use a TOML file or one of {', '.join(sorted(shipped))}."
            )
        path = shipped[str(name)]
    try:
        return _read(path)
    except (OSError, ValueError, TypeError) as error:
        remedy = error.remedy if isinstance(error, TrainingError) else ""
        reason = error.message if isinstance(error, TrainingError) else str(error)
        raise TrainingError(f"recipe {path.name} cannot be used: {reason.rstrip('.')}.", remedy=remedy) from error


def _shipped_files() -> dict[str, Path]:
    """Return the file of each shipped recipe by name."""
    folder = Path(str(files("napari_superres.training") / "recipes"))
    return {path.stem: path for path in folder.rglob("*.toml")}


def _read(path: Path) -> Recipe:
    values = parse_toml(path.read_text(encoding="utf-8"))
    known = {f.name: f for f in fields(Recipe) if f.name != "name"}
    required = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    if unknown := sorted(set(values) - set(known)):
        raise TrainingError(
            f"unknown entry {', '.join(map(repr, unknown))}.", remedy=f"Valid entries: {', '.join(known)}."
        )
    if missing := [n for n in required if n not in values]:
        raise TrainingError(f"it needs {', '.join(missing)}.")
    return Recipe(name=path.stem, **values)
