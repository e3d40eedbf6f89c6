"""The process in which files of other programs are opened; started by ``confined``.

It reads requests, one JSON object per line, and answers with lines of JSON on what was its standard output. Where
processes can be forked safely, each request has one of its own, and the next one need not import torch again.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from math import prod
from pathlib import Path
from typing import IO, Any

import psutil
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from napari_superres.errors import SuperResError
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.convert import PicklableNetwork, build_foreign, convert, prefer_torch
from napari_superres.models.foreign.graph.exported import Exported
from napari_superres.models.foreign.graph.runtime import RuntimeGraph
from napari_superres.models.foreign.graph.wishes import Wishes
from napari_superres.models.foreign.measure_card import complete_card, measure_smallest
from napari_superres.models.model_file import read_card, read_weights, write_model

_FORKS = sys.platform == "linux"
_WATCH_S = 1.0

_SMALL_PIXELS = 2 * 256**2
"""Pixels of the largest image that counts as small. Some networks take no smaller one, and may need much memory."""


class _Worker:
    """Works on one request, and says what it does."""

    def __init__(self, channel: IO[str], factor: int) -> None:
        self._channel, self._factor = channel, factor
        self._quick = False
        self.is_read = False

    def say(self, **message: Any) -> None:
        """Send a message."""
        self._channel.write(json.dumps(message) + "\n")
        self._channel.flush()

    def convert(self, path: str, into: str, trusted: bool, wishes: Mapping[str, Any]) -> ModelCard:
        """Write another program's model as a model file; return its card."""
        self._quick = bool(wishes.get("quick"))
        said = Wishes.from_json(wishes)
        card, weights = convert(
            Path(path), trusted=trusted, measure=self._measure, wishes=said, begin=lambda n: self.say(stage=_stage(n))
        )
        self.say(step="writing it")
        write_model(into, card, dict(weights))
        return card

    def measure(self, path: str) -> ModelCard:
        """Return the card of a model file, measured."""
        file = Path(path)
        card, weights = read_card(file), read_weights(file)
        return self._measure(card, build_foreign(file.name, card, weights), None)

    def _measure(self, card: ModelCard, network: nn.Module, check: Any) -> ModelCard:
        taken = prod(card.arguments.get("smallest") or [1])
        self.say(stage=_stage(taken), step="running it")
        card = measure_smallest(card, network, self._factor, lambda factor: self.say(factor=factor))
        self.say(stage="measuring", step="measuring it")
        if check is not None:
            check(network)
        card, network = prefer_torch(card, network)
        return complete_card(card, network, quick=self._quick, report=lambda share: self.say(share=share))


def _stage(pixels: float) -> str:
    return "measuring" if pixels > _SMALL_PIXELS else "running"


def work(request: Mapping[str, Any], channel: IO[str]) -> None:
    """Do what a request asks for, and answer."""
    worker = _Worker(channel, request["factor"])
    threading.Thread(target=_end_with, args=(request["owner"],), daemon=True).start()
    worker.say(pid=os.getpid(), memory=psutil.Process().memory_info().rss)

    def announce(module: nn.Module, inputs: Any) -> None:
        if isinstance(module, PicklableNetwork):
            worker.say(step=f"computing an image of {' x '.join(map(str, inputs[0].shape[2:]))} pixels")
            worker.is_read = True
        elif isinstance(module, RuntimeGraph | Exported) and not worker.is_read:
            worker.say(step=f"computing a tensor of {' x '.join(map(str, inputs[0].shape))}")

    register_module_forward_pre_hook(announce)
    try:
        do: Callable[..., ModelCard] = worker.convert if request["task"] == "convert" else worker.measure
        card = do(**request["arguments"])
        worker.say(result=card.to_json())
    except SuperResError as error:
        worker.say(error=[type(error).__name__, error.message, error.remedy])
    except Exception as error:  # noqa: BLE001 - what a stranger's file does may raise anything
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        worker.say(error=["", f"{type(error).__name__}: {reason}", ""])


def _end_with(owner: int) -> None:
    """End this process when the one that started it is gone."""
    while psutil.pid_exists(owner):
        time.sleep(_WATCH_S)
    os._exit(1)


def main() -> None:
    """Answer requests until there are no more."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        request = json.loads(line)
        for library in request["libraries"]:  # Those of the program, which later requests find here.
            with suppress(Exception):  # A missing or broken one is reported where it is needed.
                import_module(library)
        if not _FORKS:
            work(request, channel)
            channel.write(json.dumps({"ended": 0}) + "\n")
            channel.flush()
            continue
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
            work(request, channel)
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        channel.write(json.dumps({"ended": ended}) + "\n")
        channel.flush()


if __name__ == "__main__":
    main()
