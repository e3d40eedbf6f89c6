"""What the files of a batch hold, and whether the model fits them. Runs in a thread; without Qt."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_superres import io
from napari_superres.core.image import Image
from napari_superres.models.choice.choose import Choice, choose_model, is_auto
from napari_superres.models.choice.suitability import plane_size
from napari_superres.plugin.host.labels import as_labels

if TYPE_CHECKING:
    from napari_superres.plugin.widgets.batch.search import Row

_SYMBOLS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "centimeter": "cm", "meter": "m"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What one file holds.

    Attributes
    ----------
    channels
        Number of channels, or ``"RGB"``.
    pixel
        Pixel size along Y and X with its unit, or that it is unknown.
    choice
        The models for it; None if it cannot be read.
    problem
        Why it cannot be read.
    """

    channels: str = ""
    pixel: str = ""
    choice: Choice | None = None
    problem: str = ""

    def fit(self, model: str) -> tuple[str, str]:
        """Return whether a model fits the file in a word or two, and why.

        Parameters
        ----------
        model
            Name of the model, ``auto`` or ``auto:KIND``.
        """
        if self.choice is None:
            return "unreadable", self.problem
        choice = self.choice
        if is_auto(model):
            kind = model.partition(":")[2]
            known = choice.model or (f"as {kind}" if kind else "unknown")
            reason = choice.reason if choice.model or kind else f"{choice.reason}. Say it under “If unknown”"
            return known, reason
        if model in choice.refused:
            return "cannot run", choice.refused[model]
        if model in choice.suited:
            return "fits", choice.reason
        if choice.kind is None:
            return "unknown", choice.reason
        return "check", f"{model} was not trained on such images. Best is {choice.reason}"

    @property
    def is_unknown(self) -> bool:
        """Whether nothing tells what the file shows."""
        return self.choice is not None and self.choice.model is None


def read_facts(rows: Sequence["Row"]) -> Generator[int, None, None]:
    """Read the facts of files one after the other into their rows, and yield the index of each.

    Parameters
    ----------
    rows
        Rows without facts are read.
    """
    for index, row in enumerate(rows):
        if row.facts is None:
            try:
                row.facts = _facts(io.read_image(row.path))
            except Exception as error:  # noqa: BLE001 - one damaged file must not end the others; the run says more
                text = str(error).replace(str(row.path), row.label)
                row.facts = Facts(problem=as_labels(text.splitlines()[0] if text else type(error).__name__))
            yield index


def _facts(image: Image) -> Facts:
    channels = "RGB" if "S" in image.axes else str(image.size("C") if "C" in image.axes else 1)
    return Facts(channels, _pixel_text(image), choose_model(image))


def _pixel_text(image: Image) -> str:
    if not image.has_pixel_size:
        return "unknown"
    sizes = [f"{size:.3g}" for size in plane_size(image)]
    unit = str(image.units["X"])
    return f"{' × '.join(dict.fromkeys(sizes))} {_SYMBOLS.get(unit, unit)}"
