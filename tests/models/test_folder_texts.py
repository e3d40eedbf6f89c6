"""The text of each folder of models/ names the files of the folder."""

import ast
from pathlib import Path

import napari_superres.models

FOLDER = Path(napari_superres.models.__file__).parent


def test_every_file_is_in_the_text_of_its_folder():
    for folder in (FOLDER, *(p for p in FOLDER.iterdir() if (p / "__init__.py").exists())):
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        names = {p.stem for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()} - {"__init__"}
        missing = [name for name in sorted(names) if f"``{name}``" not in text]
        assert not missing, f"{folder.name}: {missing}"
