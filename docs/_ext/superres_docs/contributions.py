"""What napari gets from this package, from its manifest."""

from importlib.resources import files
from typing import Any

import yaml

from superres_docs.text import plain, table

_MENUS = {
    "napari/file/io_utilities": "File > IO Utilities",
    "napari/layers/filter": "Layers > Filter",
    "napari/layers/measure": "Layers > Measure",
}


def write() -> str:
    """Return a section per kind of contribution."""
    manifest = yaml.safe_load((files("napari_superres") / "napari.yaml").read_text(encoding="utf-8"))
    found = manifest["contributions"]
    titles = {command["id"]: command["title"] for command in found["commands"]}
    menus = {item["command"]: _MENUS[menu] for menu, items in found["menus"].items() for item in items}
    everywhere = f"Plugins > {manifest['display_name']}"
    lines = ["## Widgets", ""]
    rows = [
        [
            f"**{w['display_name']}**",
            plain(titles[w["command"]]),
            plain(everywhere),
            plain(menus.get(w["command"], "-")),
        ]
        for w in found["widgets"]
    ]
    lines += table(["widget", "what it does", "menu", "also in"], rows)
    lines += ["## Files that are opened", "", _patterns(found["readers"][0]), ""]
    lines += ["## Files that layers are saved as", ""]
    rows = [
        [w["display_name"], _layers(w["layer_types"][0]), ", ".join(f"`{e}`" for e in w["filename_extensions"])]
        for w in found["writers"]
    ]
    lines += table(["name", "layers", "suffixes"], rows)
    lines += ["## Samples", "", f"In *File > Open Sample > {manifest['display_name']}*:", ""]
    lines += [f"- {plain(sample['display_name'])}" for sample in found["sample_data"]]
    lines += ["", "## Preferences", "", "In napari's Preferences, from napari 0.9 on:", ""]
    for section in found["configurations"].values():
        rows = [_preference(p) for p in section["properties"].values()]
        lines += table(["preference", "values", "by default", "meaning"], rows)
    return "\n".join(lines)


def _patterns(reader: dict[str, Any]) -> str:
    folders = "; folders too" if reader.get("accepts_directories") else ""
    return f"{', '.join(f'`{p}`' for p in reader['filename_patterns'])}{folders}."


def _layers(text: str) -> str:
    """Return ``image{2,64}`` in words."""
    kind, _, count = text.rstrip("}").partition("{")
    return f"{' to '.join(count.split(','))} {kind} layers" if count else f"one {kind} layer"


def _preference(given: dict[str, Any]) -> list[str]:
    values = ", ".join(f"`{v}`" for v in given["enum"]) if "enum" in given else given["type"]
    default = "empty" if given["default"] == "" else f"`{given['default']}`"
    return [plain(given["title"]), values, default, plain(given["description"])]
