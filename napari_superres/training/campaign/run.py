"""`run_campaign`: one training after another, within a time."""

import gc
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from napari_superres.errors import OutputError, SuperResError
from napari_superres.training.campaign.images import Images, open_data
from napari_superres.training.campaign.log import Log
from napari_superres.training.campaign.model import ModelTraining
from napari_superres.training.campaign.step import GraphError
from napari_superres.training.campaign.table import list_trainings
from napari_superres.training.recipes import Recipe

_TINY_STEPS = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a campaign ended.

    Attributes
    ----------
    finished, unfinished
        Names of the trainings that had all of their time, and of those that had not.
    errors
        Trace of each training that failed, by name.
    broken
        Whether the GPU may be unusable until the process starts again, and trainings are left.
    """

    finished: tuple[str, ...]
    unfinished: tuple[str, ...]
    errors: dict[str, str]
    broken: bool = False


def run_campaign(
    folder: Path,
    data: Path,
    *,
    minutes: float = 8.0,
    tiny: bool = False,
    stop: Callable[[], bool] = bool,
    show: Callable[[str], object] = bool,
) -> Outcome:
    """Train all models of the table, in order, and write them with complete cards.

    A folder of an earlier run is continued: finished models stay, and an unfinished one goes on from its averaged
    weights at its place in the schedule. A training that fails leaves its last model file, and its time to the others;
    the next run tries it last. If it fails on a GPU, this run ends: the GPU may refuse all work of this process.

    Parameters
    ----------
    folder
        Folder of the results: a model file per training, ``summary.json`` and ``curves.csv``.
    data
        Folder that holds the folders of the recipes, or the file that `pack` wrote of it.
    minutes
        Time from the start to the end of the last training. Writing the last model takes some seconds more.
    tiny
        Train tiny networks, and only for some steps, to try the way.
    stop
        Called between steps. If it returns True, the models are written as they are.
    show
        Takes a line of text now and then.

    Raises
    ------
    TrainingError
        If the data are missing, or the folder holds a campaign of another kind.
    OutputError
        If the folder cannot be written.
    """
    end = time.monotonic() + 60.0 * minutes
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"folder {folder} cannot be made: {error.strerror}.") from error
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    log = Log(folder, {"tiny": tiny, "device": name, "torch": torch.__version__, "minutes": minutes})
    torch.manual_seed(0)
    with open_data(data) as images:
        # Those that failed come last: they may fail again.
        recipes = sorted(list_trainings(tiny=tiny), key=lambda recipe: bool(log.of(recipe.name).get("error")))
        left = {r.name: r.minutes * (1.0 - float(log.of(r.name).get("share", 0.0))) for r in recipes}
        broken = False
        for recipe in recipes:
            # What preparing or failing takes, all the trainings that follow pay alike.
            part = left[recipe.name] / (sum(left.values()) or 1.0)
            del left[recipe.name]
            if part > 0 and not broken and not stop() and time.monotonic() < end:
                steps = _TINY_STEPS if tiny else None
                broken = _try_training(recipe, images, folder, log, device, end, part, steps, stop)
                show(_describe(recipe.name, log))
                if not broken:
                    _free(device)
    return _outcome(log, broken=broken)


def _try_training(
    recipe: Recipe,
    images: Images,
    folder: Path,
    log: Log,
    device: torch.device,
    end: float,
    part: float,
    steps: int | None,
    stop: Callable[[], bool],
) -> bool:
    """Train one model for its part of the time that is left once it is prepared; return whether that broke the GPU."""
    failure, broken = "", False
    try:
        recipe = images.restrict(recipe)
        training = ModelTraining(recipe, images.read(recipe), folder, log, device, graphs=not log.graphs)
        if (seconds := (end - time.monotonic()) * part) > 0:
            training.run(seconds, steps, stop)
    except GraphError as error:
        log.graphs, broken = str(error), True
    except Exception as error:  # noqa: BLE001 - the other trainings must go on
        failure = traceback.format_exc()
        broken = device.type == "cuda" and not isinstance(error, SuperResError)
    log.write(recipe.name, error=failure)
    return broken


def _free(device: torch.device) -> None:
    """Give the memory of a training that ended back to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _describe(name: str, log: Log) -> str:
    entry = log.of(name)
    shown = ("share", "steps", "steps_per_second", "loss", "gain", "worst", "error")
    return f"{name}: {', '.join(f'{key} {entry[key]}' for key in shown if entry.get(key))}"


def _outcome(log: Log, *, broken: bool) -> Outcome:
    names = [recipe.name for recipe in list_trainings()]
    finished = tuple(n for n in names if log.of(n).get("share", 0.0) >= 1.0)
    unfinished = tuple(n for n in names if n not in finished)
    errors = {n: str(log.of(n)["error"]) for n in names if log.of(n).get("error")}
    return Outcome(finished, unfinished, errors, broken and not errors.keys() >= {*unfinished})
