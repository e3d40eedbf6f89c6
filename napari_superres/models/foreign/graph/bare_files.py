"""Bare graphs as files: ``.onnx``, and ``.pt2`` of ``torch.export``."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_superres.errors import ModelFileError, UntrustedModelError
from napari_superres.models.foreign.foreign_model import ForeignModel
from napari_superres.models.foreign.graph.bare import describe_bare
from napari_superres.models.foreign.graph.exported import build_exported
from napari_superres.models.foreign.graph.onnx_file import read_graph, with_data
from napari_superres.models.foreign.graph.onnx_network import build_graph
from napari_superres.models.foreign.graph.wishes import Wishes
from napari_superres.models.foreign.trust import fingerprint, require_trust

SUFFIXES = (".onnx", ".pt2")
Begin = Callable[[int], object]


def read_bare(path: Path, wishes: Wishes, *, trusted: bool, begin: Begin) -> ForeignModel:
    """Read a graph that no description accompanies.

    Parameters
    ----------
    path
        The file, which ends in one of `SUFFIXES`. ONNX may keep its weights in one file next to it.
    wishes
        What the user says about it.
    trusted
        Whether the user allows ``.pt2`` to run: reading it may evaluate Python expressions.
    begin
        Called before the graph runs for the first time, with the pixels of the only size that it takes, or 0.

    Raises
    ------
    ModelFileError
        If it is damaged, or no network that makes an image of an image.
    UntrustedModelError
        If it is ``.pt2``, and neither `trusted` nor allowed to run earlier.
    MissingExtraError
        If onnx or onnxruntime is not installed.
    """
    reader: Callable[[Path, Wishes, bool, Begin], ForeignModel] = (
        _read_onnx if path.suffix.lower() == ".onnx" else _read_pt2
    )
    try:
        return reader(path, wishes, trusted, begin)
    except UntrustedModelError:
        raise
    except ModelFileError as error:
        if path.name in error.message:
            raise
        raise ModelFileError(f"{path.name}: {error.message}", remedy=error.remedy) from error


def _read_onnx(path: Path, wishes: Wishes, _: bool, begin: Begin) -> ForeignModel:
    program, name, data = read_graph(path)
    if name:  # onnxruntime needs some of them, sizes for example, in the graph itself.
        program = _whole(path.name, with_data(program, name, data))
    weights = {"program": _tensor(program)}
    graph = build_graph({}, weights)
    stated: Any = graph.shape or [None] * 4  # Some exporters leave the sizes out.
    shape = [n if isinstance(n, int) and n > 0 else None for n in stated]
    taken = graph.taken
    whole = "" if taken.is_floating_point or taken == torch.bool else str(taken).removeprefix("torch.")
    begin(_fixed_pixels(shape))
    card, more = describe_bare(path.name, graph, shape, wishes, whole=whole)
    return ForeignModel(replace(card, arguments=more), weights)


def _whole(name: str, model: Any) -> bytes:
    try:
        return bytes(model.SerializeToString())
    except Exception as error:  # Protobuf's errors depend on its version.
        raise ModelFileError(f"{name} has weights of more than 2 GiB, the most that a graph can hold.") from error


def _read_pt2(path: Path, wishes: Wishes, trusted: bool, begin: Begin) -> ForeignModel:
    if not trusted:
        require_trust(path.name, "a program of torch.export", fingerprint(path))
    weights = {"program": _tensor(path.read_bytes())}
    network = build_exported({}, weights)
    begin(_fixed_pixels(network.shape))
    card, more = describe_bare(path.name, network, network.shape, wishes, whole="")
    return ForeignModel(replace(card, architecture="exported", arguments=more), weights)


def _fixed_pixels(shape: Sequence[int | None]) -> int:
    """Return the number of values of the only image that a graph takes, divided by colours; 0 if sizes are free."""
    sizes = [n for n in shape if n is not None]
    return prod(sizes) // 3 if len(sizes) == len(shape) else 0


def _tensor(content: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(content, np.uint8).copy())
