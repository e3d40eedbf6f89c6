"""Settings and fold states of the widgets, remembered until the next session.

Device and precision are not among them: they have a place in napari's Preferences. What belongs to a layer or to files
is not remembered either.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from magicgui.widgets import CheckBox, ComboBox
from qtpy.QtWidgets import QCheckBox
from superqt import QCollapsible

from napari_superres.errors import SuperResError
from napari_superres.storage.atomic import make_folder, write_text

_NAME = "widgets.json"

Control: TypeAlias = "ComboBox | CheckBox | QCheckBox | QCollapsible"


def remember(panel: str, **controls: Control) -> None:
    """Set controls to what they were when the user last changed them, and follow them from now on.

    A value that is no longer offered is forgotten.

    Parameters
    ----------
    panel
        Name of the widget.
    **controls
        Controls by the names under which they are remembered.
    """
    known = _read().get(panel, {})
    for name, control in controls.items():
        if name in known:
            _set(control, known[name])
        _follow(control, panel, name)


def _set(control: Control, value: Any) -> None:
    if isinstance(control, QCollapsible):
        (control.expand if value is True else control.collapse)(animate=False)
    elif isinstance(control, QCheckBox):
        control.setChecked(value is True)
    elif isinstance(control, CheckBox):
        control.value = value is True
    elif value in control.choices:
        control.value = value


def _follow(control: Control, panel: str, name: str) -> None:
    def keep(value: Any) -> None:
        values = _read()
        values[panel] = {**values.get(panel, {}), name: value}
        with suppress(SuperResError, OSError):  # Where nothing can be written, nothing is remembered.
            make_folder(_file().parent)
            write_text(_file(), json.dumps(values))

    if isinstance(control, QCollapsible | QCheckBox):
        control.toggled.connect(keep)
    else:
        control.changed.connect(keep)


def _file() -> Path:
    from platformdirs import user_config_path

    return user_config_path("napari-superres") / _NAME


def _read() -> dict[str, dict[str, Any]]:
    try:
        values = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # absent or damaged: nothing is remembered
        return {}
    if not isinstance(values, dict):
        return {}
    return {str(panel): known for panel, known in values.items() if isinstance(known, dict)}
