"""Tiled throughput against torch's own forward pass of the same network, on this machine.

    python tests/benchmarks/throughput.py [--size 1024] [--repeats 5]

Runs are interleaved and medians are reported. ``raw whole`` is the network applied to the whole image
at once, ``raw tile`` the network on one window of the size that the engine chose, both without
conversion, normalisation or cropping. ``efficiency`` is the engine's throughput over that of ``raw tile``
times the share of computed pixels that are kept: what tiling costs apart from its halo.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from napari_superres import Image, load_model
from napari_superres.inference import resolve
from napari_superres.inference.memory import tune_allocator
from napari_superres.inference.run import upscale
from napari_superres.models import Model, ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.halo import measure_reach


def edsr_baseline() -> Model:
    """EDSR of the paper's baseline size with fresh weights: speed does not depend on them."""
    arguments = {"scale": [2, 2]}
    network = build("edsr", arguments).eval()
    halo = measure_reach(network, (2, 2)).halo
    network = network.deploy().to(memory_format=torch.channels_last)
    return Model(
        ModelCard(name="edsr-baseline-x2", architecture="edsr", arguments=arguments, scale=(2, 2), halo=halo), network
    )


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(model: Model, size: int, repeats: int) -> str:
    image = Image.from_array(np.random.default_rng(0).integers(0, 4096, (size, size), dtype=np.uint16), "YX")
    plan = resolve(image, model, intensity_range=[(0, 4095)])
    whole = torch.rand(1, 1, size, size).contiguous(memory_format=torch.channels_last)
    window = whole[:, :, : plan.tile[0], : plan.tile[1]].contiguous(memory_format=torch.channels_last)
    runs = {
        "engine": lambda: upscale(image, model, intensity_range=[(0, 4095)]),
        "raw whole": lambda: model(whole),
        "raw tile": lambda: model(window),
    }
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(timed(run))
    median = {name: statistics.median(t) for name, t in times.items()}
    area = float(np.prod(plan.work_scale)) / 1e6
    speed = {
        "engine": size * size * area / median["engine"],
        "raw whole": size * size * area / median["raw whole"],
        "raw tile": float(np.prod(plan.tile)) * area / median["raw tile"],
    }
    useful = size * size / (plan.total * float(np.prod(plan.tile)))
    return (
        f"| {model.card.name} | {plan.tile[0]} x {plan.tile[1]} | {speed['engine']:.2f} | {speed['raw whole']:.2f} | "
        f"{speed['raw tile']:.2f} | {useful:.2f} | {speed['engine'] / (speed['raw tile'] * useful):.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    tune_allocator()
    processor, size = platform.processor() or platform.machine(), f"{options.size} x {options.size} uint16"
    print(
        f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}, {size}, tuned: {tune_allocator()}"
    )
    print("| model | tile | engine Mpx/s | raw whole | raw tile | kept share | efficiency |")
    print("|---|---|---|---|---|---|---|")
    for model in (load_model("fsrcnn-x2"), load_model("fsrcnn-x4"), edsr_baseline()):
        print(measure(model, options.size, options.repeats), flush=True)


if __name__ == "__main__":
    main()
