"""What is chosen in the Train widget, what follows from it, and the texts to show; without Qt."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari_superres.errors import SettingsError
from napari_superres.models import ModelCard
from napari_superres.models.library.index import is_valid_name
from napari_superres.models.model_file import SUFFIX
from napari_superres.plugin.widgets.common.wording import duration
from napari_superres.plugin.widgets.train.work import BEFORE_LOADING, Available, Images, Task

if TYPE_CHECKING:
    from napari_superres.training import TrainingStep

LAYERS, FOLDER, PAIRS = "Sharp images: layers", "Sharp images: folder", "Pairs: two folders"
NOISY_LAYERS, NOISY, REPEATS = "Noisy only: layers", "Noisy only: folder", "Noisy, recorded twice"
STACK, BEADS = "A stack of thick slices", "Small beads"
SOURCES = (LAYERS, FOLDER, PAIRS, NOISY_LAYERS, NOISY, REPEATS, STACK, BEADS)
"""What users have, and where it is."""

SCALES = {
    "× 1, denoise": (1, 1),
    "× 2": (2, 2),
    "× 3": (3, 3),
    "× 4": (4, 4),
    "Z × 2, volumes": (2, 1, 1),
    "Z × 3, volumes": (3, 1, 1),
    "Z × 4, volumes": (4, 1, 1),
}
"""Factors along Y and X, or along Z, Y and X, by label."""

GOALS = {"quick, 2 min": 2.0, "good, 30 min": 30.0, "long, 8 h": 480.0, "other": 0.0}
"""Minutes to train, by label; 0 for what the user has typed."""

LICENSES = ("", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "BSD-3-Clause", "MIT")

Phase = Literal["loading", "idle", "training", "finishing", "cancelling"]
"""What the widget is doing."""

FINISHING = "Finishing: scoring the best model…"


@dataclass(frozen=True, slots=True)
class TrainState:
    """State of the Train widget at one moment.

    Attributes
    ----------
    available
        Networks and models to choose from.
    source, source_name
        What the user has, one of `SOURCES`, and the name of the first layer or of the folder; empty where nothing is
        chosen.
    register
        Whether to align the images of each pair.
    start
        Name of the model to refine; empty for random weights.
    network
        Name of the network.
    scale
        Factor per axis.
    degradation, modality
        Settings of the simulated instrument, and its modality.
    minutes
        Time to train.
    output
        Model file as it was entered; None where none is given.
    license
        Licence for the model card.
    phase
        ``"loading"`` until torch is loaded, then ``"idle"`` or a phase of a training.
    """

    available: Available = BEFORE_LOADING
    source: str = LAYERS
    source_name: str = ""
    register: bool = False
    start: str = ""
    network: str = ""
    scale: tuple[int, ...] = (2, 2)
    degradation: Mapping[str, Any] = field(default_factory=dict)
    modality: str = ""
    minutes: float = 2.0
    output: Path | None = None
    license: str = ""
    phase: Phase = "idle"

    @property
    def is_running(self) -> bool:
        """Whether a model is being trained."""
        return self.phase in ("training", "finishing", "cancelling")

    @property
    def can_edit(self) -> bool:
        """Whether images and settings can be changed."""
        return not self.is_running

    @property
    def can_press_run(self) -> bool:
        """Whether the button that starts or cancels a training can be pressed."""
        return self.phase not in ("loading", "cancelling")

    @property
    def can_keep(self) -> bool:
        """Whether the training can be stopped early to keep the best model so far."""
        return self.phase == "training"

    @property
    def run_label(self) -> str:
        """Text of the button that starts or cancels a training."""
        if self.phase == "cancelling":
            return "Cancelling…"
        return "Cancel" if self.is_running else "Run"

    @property
    def run_tooltip(self) -> str:
        """Tooltip of the button that starts or cancels a training."""
        if self.is_running:
            return "Stop training and keep nothing."
        return "Train the network, and add the model to the library (Ctrl+Enter)."

    @property
    def shows_degradation(self) -> bool:
        """Whether low-resolution images are simulated: recorded pairs and noisy images need no simulation."""
        return self.source in (LAYERS, FOLDER)

    @property
    def is_trained(self) -> bool:
        """Whether a network is trained here on what the user has."""
        return self.source not in (STACK, BEADS)

    @property
    def can_choose_network(self) -> bool:
        """Whether the network can be chosen: a model to refine keeps its own."""
        return not self.start

    def suggested_file(self, home: Path, exists: Callable[[Path], bool] = Path.exists) -> str:
        """Return a model file in a folder whose name is neither a file nor a model yet.

        Parameters
        ----------
        home
            The folder.
        exists
            Whether a file exists.
        """
        factor = f"{'z' if len(self.scale) == 3 else 'x'}{self.scale[0]}"
        stem = re.sub(r"[^\w-]+", "-", self.source_name).strip("-_")[:60] or "model"
        names = [f"{stem}-{factor}", *(f"{stem}-{factor}-{i}" for i in range(2, 100))]
        paths = (home / f"{name}{SUFFIX}" for name in names if name not in self.available.names)
        return str(next((path for path in paths if not exists(path)), ""))

    def model_file(self, library_names: Collection[str]) -> Path:
        """Return the model file to write, with its suffix.

        Parameters
        ----------
        library_names
            Names of the models that the user has added, which can be replaced.

        Raises
        ------
        SettingsError
            If none is given, or it cannot name a model.
        """
        if self.output is None:
            raise SettingsError("a file for the model is missing.", remedy="Choose a file under “Save as”.")
        path = self.output.with_name(f"{self.output.name.removesuffix(SUFFIX)}{SUFFIX}")
        name = path.stem
        if not is_valid_name(name) or (name not in library_names and name in self.available.names):
            raise SettingsError(
                f"the file names the model, and {name} cannot be its name: a name begins with a letter or digit, has "
                "no spaces, and differs from the models that come with the program.",
                remedy="Save it under another name.",
            )
        return path

    def _degradation(self) -> Mapping[str, Any]:
        if self.source in (NOISY_LAYERS, NOISY):
            return {"kind": "splits"}
        if self.source == REPEATS:
            return {"kind": "recorded", "repeats": True}
        return self.degradation if self.shows_degradation else {"kind": "recorded"}

    def task(self, images: Images, output: Path, *, resume: bool, replaced: bool) -> Task:
        """Return the training that is asked for.

        Parameters
        ----------
        images
            Layers or folders to learn from.
        output
            As returned by `model_file`.
        resume
            Whether to continue an unfinished training.
        replaced
            Whether to replace the library's model of that name.
        """
        start = self.available.cards.get(self.start)
        sizes = None if start is None else {k: v for k, v in start.arguments.items() if k not in ("scale", "ndim")}
        return Task(
            images=images,
            register=self.register,
            network=start.architecture if start else self.network,
            arguments=sizes,
            start=start.name if start else "",
            scale=self.scale,
            degradation=self._degradation(),
            card={"modality": self.modality if self.shows_degradation else "", "license": self.license},
            minutes=self.minutes,
            output=output,
            overwrite=not resume,
            resume=resume,
            replaced=replaced,
        )


def replace_question(output: Path, *, is_file: bool, in_library: bool) -> str:
    """Return the question whether to replace a file and a model of the library; empty if there is nothing to ask."""
    existing = [str(output)] if is_file else []
    existing += [f"the model {output.stem} of the library"] if in_library else []
    return f"Replace {' and '.join(existing)} when the new model is ready?" if existing else ""


def resume_question(output: Path) -> str:
    """Return the question whether to continue an unfinished training."""
    return f"An unfinished training of {output.stem} exists. Continue it?"


def step_text(step: "TrainingStep") -> str:
    """Return the status line during a training."""
    return f"Step {step.step}, about {duration(step.remaining)} left"


def end_text(card: ModelCard | None, *, failed: bool, shipped: tuple[str, float] | None = None) -> str:
    """Return the status line after a training, with the score of the new model if there is one.

    Parameters
    ----------
    card
        Card of the new model; None if there is none.
    failed
        Whether an error was shown.
    shipped
        Name and score of the model that comes with the program for the same task.
    """
    if card is None:
        return "No model was made; see the notification." if failed else "Cancelled: no model was made."
    scores = card.scores.get("validation", {})
    if "psnr" in scores:
        score = f"Validation: {scores['psnr']:.2f} dB, bicubic {scores['bicubic_psnr']:.2f} dB"
        score += "." if shipped is None else f", {shipped[0]} {shipped[1]:.2f} dB."
    else:
        score = "No image could be held out, so the model has no score."
    return f"Done. {score} The model is in the library as {card.name}."
