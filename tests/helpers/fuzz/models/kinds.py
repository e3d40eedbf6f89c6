"""What is damaged, and what the program does with the result."""

import io
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from helpers.checkpoints import bioimageio_packages as packages
from helpers.checkpoints.spandrel_networks import checkpoint
from helpers.fuzz import case
from helpers.fuzz.case import Damage, Kind, Sample
from helpers.fuzz.models import cards, checkpoints, graphs
from napari_superres import Image, load_model, upscale
from napari_superres.errors import SuperResError
from napari_superres.models import ModelCard, add_model, find_card, list_models, verify_models
from napari_superres.models.architectures import build
from napari_superres.models.model_file import SUFFIX, write_model

_NETWORKS: tuple[tuple[str, dict[str, Any], dict[str, tuple[float, float]]], ...] = (
    ("espcn", {"scale": [2, 2], "features": [4, 4]}, {}),
    (
        "edsr",
        {"scale": [2, 2], "blocks": 1, "features": 4, "conditions": 1, "tail": "direct"},
        {"psf_sigma": (0.0, 2.0)},
    ),
    ("unet", {"scale": [1, 2], "depth": 1, "features": 4}, {}),
    ("rcan", {"scale": [2, 2], "groups": 1, "blocks": 1, "features": 4, "reduction": 2}, {}),
    ("espcn", {"scale": [2, 1, 1], "ndim": 3, "features": [4, 4]}, {}),
)


def write_case(seed: int, index: int, folder: Path) -> tuple[Kind, Path]:
    """Write the file of a case into a folder; the seed and the index decide everything about it."""
    kind = Random(f"{seed}/{index}").choices(KINDS, SHARES)[0]
    return kind, case.write_case(kind, kind.samples(), seed, index, folder)


@cache
def model_files() -> tuple[bytes, ...]:
    """Return sound model files of this program."""
    files = []
    with TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for number, (architecture, arguments, conditions) in enumerate(_NETWORKS):
            network = build(architecture, dict(arguments))
            card = ModelCard(
                name="tiny",
                architecture=architecture,
                arguments=arguments,
                scale=tuple(arguments["scale"]),
                multiple=(getattr(network, "multiple", 1),) * len(arguments["scale"]),
                conditions=conditions,
                grid_offset=(0.5,) * len(arguments["scale"]),
                scores={"Set5": {"psnr": 30.0}},
                pixel_size=(0.1, 0.5),
            )
            path = Path(folder) / f"{number}{SUFFIX}"
            files.append(write_model(path, card, network.state_dict()).read_bytes())
    return tuple(files)


@cache
def checkpoint_files() -> tuple[bytes, ...]:
    """Return sound checkpoints of torch."""
    files = []
    for content in (checkpoint("Compact"), {"state_dict": checkpoint("SPAN"), "epoch": 3, "lr": 1e-4}):
        file = io.BytesIO()
        torch.save(content, file)
        files.append(file.getvalue())
    return tuple(files)


@cache
def package_files() -> tuple[bytes, ...]:
    """Return sound packages of bioimage.io with an ONNX program."""
    with TemporaryDirectory() as folder:
        written = [packages.write_package(Path(folder) / f"{order}.zip", order=order) for order in ("bcyx", "byx")]
        return tuple(path.read_bytes() for path in written)


@cache
def states() -> tuple[bytes, ...]:
    """Return sound files of state: measurements, the index of the library, trusted programs."""
    with _own_folders() as folder:
        file = folder / f"tiny{SUFFIX}"
        file.write_bytes(model_files()[0])
        add_model(file)
        paths = (folder / "cache" / "napari-superres" / "measured.json", folder / "library" / "library.json")
        return (*(path.read_bytes() for path in paths), json.dumps(["0" * 64, "1" * 64]).encode())


def use_model(path: Path) -> None:
    """Read the card of a model file, load it and upscale a small image."""
    card = find_card(path)
    card.to_json()
    model = load_model(path)
    shape = (3, 9, 10) if model.card.ndim == 3 or model.card.frames > 1 else (9, 10)
    axes = "YX" if len(shape) == 2 else "ZYX" if model.card.ndim == 3 else f"{model.card.context}YX"
    upscale(Image.from_array(np.random.default_rng(0).random(shape, dtype=np.float32), axes), model)


def use_foreign(path: Path) -> None:
    """Add a model of another program, and upscale a small image."""
    with _own_folders():
        add_model(path)
        use_model(Path(os.environ["NAPARI_SUPERRES_MODELS"]) / f"{path.stem}{SUFFIX}")


def use_state(path: Path) -> None:
    """Put a file in the place of each file of state; a sound model works whatever the measurements hold."""
    with _own_folders() as folder:
        file = folder / f"tiny{SUFFIX}"
        file.write_bytes(model_files()[0])
        measured = folder / "cache" / "napari-superres" / "measured.json"
        measured.parent.mkdir(parents=True)
        measured.write_bytes(path.read_bytes())
        use_model(file)
        library = folder / "library"
        library.mkdir()
        for name in ("library.json", "trusted.json"):
            (library / name).write_bytes(path.read_bytes())
        try:
            verify_models()
            add_model(file)
        except SuperResError:
            list_models()  # The shipped ones are there, whatever the library holds.


@contextmanager
def _own_folders() -> Iterator[Path]:
    """Yield a folder that holds the cache and the library."""
    names = {"XDG_CACHE_HOME": "cache", "NAPARI_SUPERRES_MODELS": "library"}
    before = {name: os.environ.get(name) for name in names}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ |= {name: str(Path(folder) / place) for name, place in names.items()}
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def _kind(
    name: str, suffix: str, files: Callable[[], Sequence[bytes]], use: Callable[[Path], None], *damages: Damage
) -> Kind:
    """Return a kind of which each sample is one file."""
    return Kind(name, lambda: [Sample(f"{name}{suffix}", {f"{name}{suffix}": f}) for f in files()], use, {"*": damages})


KINDS = (
    _kind("card", SUFFIX, model_files, use_model, cards.damage_card),
    _kind("weights", SUFFIX, model_files, use_model, cards.damage_header),
    _kind("state", ".json", states, use_state, cards.damage_json),
    _kind(
        "checkpoint", ".pth", checkpoint_files, use_foreign, checkpoints.damage_checkpoint, checkpoints.damage_members
    ),
    _kind("package", ".zip", package_files, use_foreign, graphs.damage_graph, graphs.damage_description),
)
SHARES = (0.5, 0.2, 0.1, 0.1, 0.1)
"""Share of each kind in the cases. Files of other programs take longer, because a process is started for each."""
