"""Tables of what the plugin contributes to napari, generated from its manifest."""

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
    """Return Markdown with a section per kind of contribution."""
    manifest = yaml.safe_load((files("napari_superres") / "napari.yaml").read_text(encoding="utf-8"))
    contributions = manifest["contributions"]
    titles = {command["id"]: command["title"] for command in contributions["commands"]}
    menus = {item["command"]: _MENUS[menu] for menu, items in contributions["menus"].items() for item in items}
    everywhere = f"Plugins > {manifest['display_name']}"
    lines = ["## Widgets", ""]
    rows = [
        [
            f"**{w['display_name']}**",
            plain(titles[w["command"]]),
            plain(everywhere),
            plain(menus.get(w["command"], "-")),
        ]
        for w in contributions["widgets"]
    ]
    lines += table(["widget", "purpose", "menu", "also in"], rows)
    lines += ["## Files that napari can open", "", _patterns(contributions["readers"][0]), ""]
    lines += ["## File formats for saving layers", ""]
    rows = [
        [w["display_name"], _layers(w["layer_types"][0]), ", ".join(f"`{e}`" for e in w["filename_extensions"])]
        for w in contributions["writers"]
    ]
    lines += table(["name", "layers", "suffixes"], rows)
    lines += ["## Samples", "", f"These are in *File > Open Sample > {manifest['display_name']}*:", ""]
    lines += [f"- {plain(sample['display_name'])}" for sample in contributions["sample_data"]]
    lines += ["", "## Preferences", "", "These are in napari's Preferences, from napari 0.9 on:", ""]
    for section in contributions["configurations"].values():
        rows = [_preference(p) for p in section["properties"].values()]
        lines += table(["preference", "values", "default", "meaning"], rows)
    return "\n".join(lines)


def _patterns(reader: dict[str, Any]) -> str:
    folders = "; folders too" if reader.get("accepts_directories") else ""
    return f"{', '.join(f'`{p}`' for p in reader['filename_patterns'])}{folders}."


def _layers(text: str) -> str:
    """Return a layer type such as ``image{2,64}`` in words."""
    kind, _, count = text.rstrip("}").partition("{")
    return f"{' to '.join(count.split(','))} {kind} layers" if count else f"one {kind} layer"


def _preference(schema: dict[str, Any]) -> list[str]:
    values = ", ".join(f"`{v}`" for v in schema["enum"]) if "enum" in schema else schema["type"]
    default = "empty" if schema["default"] == "" else f"`{schema['default']}`"
    return [plain(schema["title"]), values, default, plain(schema["description"])]
