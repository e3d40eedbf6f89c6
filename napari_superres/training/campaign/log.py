"""What a campaign writes besides models: a summary, and the curves of all trainings."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_superres.errors import TrainingError
from napari_superres.limits import read_json
from napari_superres.storage.atomic import write_text

SUMMARY, CURVES = "summary.json", "curves.csv"
_COLUMNS = ("training", "seconds", "share", "steps", "loss", "psnr", "bicubic_psnr", "gain", "worst")


class Log:
    """The summary and the curves in a folder, continued if they are there.

    Parameters
    ----------
    folder
        Folder of the results.
    facts
        What is the same for all trainings. The entry ``"tiny"`` must be that of an earlier run.

    Raises
    ------
    TrainingError
        If the summary is damaged, or belongs to a campaign with networks of another size.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self._folder, self._began = folder, time.monotonic()
        self._trainings: dict[str, dict[str, Any]] = {}
        self._facts, self._earlier_seconds = dict(facts), 0.0
        path = folder / SUMMARY
        if path.exists():
            try:
                saved = read_json(path)
                self._trainings, self._earlier_seconds = dict(saved["trainings"]), float(saved["seconds"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise TrainingError(f"{path} is damaged.", remedy="Use an empty folder.") from error
            self._facts.setdefault("graphs", saved.get("graphs", ""))
            if saved.get("tiny") != facts["tiny"]:
                raise TrainingError(
                    f"{folder} holds a campaign with networks of another size.", remedy="Use an empty folder."
                )

    @property
    def graphs(self) -> str:
        """Why steps are not repeated as graphs on this machine, if an earlier run could not."""
        return str(self._facts.get("graphs", ""))

    @graphs.setter
    def graphs(self, reason: str) -> None:
        self._facts["graphs"] = reason
        self._write()

    def of(self, name: str) -> dict[str, Any]:
        """Return what is known of a training, by column of the curves; empty before its first entry."""
        return self._trainings.get(name, {})

    def write(self, name: str, **facts: Any) -> None:
        """Add facts about a training, and a line to the curves if the steps are among them."""
        entry = self._trainings.setdefault(name, {})
        entry.update(facts)
        seconds = self._write()
        if "steps" in facts:
            self._write_line({**entry, "training": name, "seconds": seconds})

    def _write(self) -> float:
        """Write the summary; return the seconds of all runs."""
        seconds = round(self._earlier_seconds + time.monotonic() - self._began, 1)
        content = {**self._facts, "seconds": seconds, "trainings": self._trainings}
        write_text(self._folder / SUMMARY, json.dumps(content, indent=1) + "\n")
        return seconds

    def _write_line(self, values: Mapping[str, Any]) -> None:
        path = self._folder / CURVES
        lines = [] if path.exists() else [",".join(_COLUMNS)]
        lines.append(",".join(str(values.get(column, "")) for column in _COLUMNS))
        with path.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
