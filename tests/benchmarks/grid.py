"""Measure models on a grid of blur and noise, next to the classical methods, on images that no training used.

    python tests/benchmarks/grid.py DATA MODEL [MODEL ...] [--kind fluorescence em] [--psf told] [--noise measured]
    python tests/benchmarks/grid.py DATA MODEL [MODEL ...] --write
    python tests/benchmarks/grid.py DATA mri-x2 --kspace
    python tests/benchmarks/grid.py DATA --export inputs --kind em
    python tests/benchmarks/grid.py DATA results --kind em

DATA is the folder of images whose sources and crops ``grid_parts.crops`` lists. The truth is blurred by a Gaussian of
sigma 0, 0.5, 1 or 1.5 of its pixels and reduced by the mean over the model's factor. Photon noise follows: none, 300 or
30 photons at the 99.9 percentile. All scores are decibels of PSNR, whose peak is the range from the 0.1 to the 99.9
percentile of the truth. The classical method is the best of four *for each image*, which a user cannot choose without
the truth: bicubic interpolation, Richardson-Lucy with the true point-spread function, non-local means with the true
noise, and both one after the other. *Tuned* adds stronger deconvolution of images without noise.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from grid_parts.crops import SOURCES, Crop, Input, conditions_of, crops_of, export, inputs_of
from grid_parts.drawing import Restore, draw, write_examples
from grid_parts.methods import Cache, Row, condition
from grid_parts.scanner import measure_scans

from napari_superres import read_image, upscale
from napari_superres.degradation.instruments import make_instrument
from napari_superres.errors import SuperResWarning
from napari_superres.inference.options import UpscaleOptions
from napari_superres.models import Model, ModelCard, load_model
from napari_superres.models.architectures import build
from napari_superres.models.card_grid import Gains, Grid
from napari_superres.models.grid_map import grid_lines
from napari_superres.models.library.registry import model_path
from napari_superres.models.model_file import read_card, read_weights, write_model
from napari_superres.models.probes.halo import measure_reach
from napari_superres.training.running.checkpoint import KEY

EXAMPLES = Path(__file__).parents[2] / "docs/images/examples"
"""Folder of the pictures that the pages show, one for each model with a grid."""

KINDS = {"fluorescence": "fluorescence", "electron microscopy": "em", "CT": "ct", "MRI": "mri"}
TELLING = {"told": lambda s: s, "zero": lambda _s: 0.0, "narrow": lambda s: max(s - 0.4, 0.0)}
STRENGTHS = {"true": 1.0, "double": 2.0, "half": 0.5}
GATE_WORST = {("told", "measured"): -0.15, ("zero", "measured"): -0.15, ("narrow", "measured"): -0.3}
GATE_WORST |= {("told", "double"): -1.0, ("zero", "double"): -1.0}
"""Least gain of the worst image over bicubic in dB of a model that ships, by what it is told of blur and noise."""

GATE_MEAN = {"fluorescence": 1.3, "em": 0.8, "ct": 1.8}
"""Least mean gain over the best classical method in dB, told the blur, with the noise measured."""


def run(model: Model, low: Input, psf: str, noise: str) -> np.ndarray:
    """Return the model's result."""
    options: UpscaleOptions = {}
    if model.card.conditions:
        told = (low.gain * STRENGTHS.get(noise, 1.0) ** 2, 0.0)
        options = {"psf_sigma": TELLING[psf](low.sigma), "noise": "measured" if noise == "measured" else told}
    return np.asarray(upscale(low.pixels, model, axes="YX", **options).data)


def open_model(name: str) -> Model:
    """Return a model by its name or file, without the limits of its training; or that of an unfinished training."""
    if not name.endswith(".ckpt"):
        return load_model(name).for_any_image()
    saved = torch.load(name, map_location="cpu", weights_only=True)
    recipe = json.loads(saved[KEY])["recipe"]
    told = make_instrument(recipe["degradation"]).conditions
    arguments = {**recipe["arguments"], "scale": recipe["scale"], **({"conditions": len(told)} if told else {})}
    network = build(recipe["architecture"], arguments)
    average = "average.module."
    weights = {k.removeprefix(average): v for k, v in saved["state_dict"].items() if k.startswith(average)}
    network.load_state_dict(weights)
    halo = measure_reach(network, recipe["scale"], channels=1 + len(told)).halo
    card = ModelCard(
        name=recipe["name"],
        architecture=recipe["architecture"],
        arguments=arguments,
        scale=recipe["scale"],
        conditions=told,
        halo=halo,
        intensity="percentile",
    )
    return Model(card, network)


def results_in(folder: Path) -> Restore:
    """Return a function that reads the result of an input, which has the same name."""
    return lambda low: np.asarray(read_image(folder / low.file_name).data, dtype=np.float64)


def measure(
    restore: Restore, scale: int, crops: Sequence[Crop], cache: Cache, *, is_blurred: bool = False
) -> Iterator[Row]:
    """Yield the scores of every crop in every condition, or in those with blur."""
    for crop in crops:
        for low in (low for low in inputs_of(crop, scale) if low.sigma or not is_blurred):
            found = low.score(restore(low))
            source = crop.source
            yield Row(crop.name, source.name, source.seen, low.sigma, low.photons, found, cache.scores(low))


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures of some rows: means and shares over them, and the worst of them."""
    worst = min(rows, key=lambda row: row.over_bicubic)
    without_psf = [max(row.classical["non-local means"] - row.classical["bicubic"], 0.0) for row in rows]
    best = [row.best - row.classical["bicubic"] for row in rows]
    return {
        "rows": len(rows),
        "over_bicubic_db": round(float(np.mean([row.over_bicubic for row in rows])), 2),
        "classical_over_bicubic_db": round(float(np.mean(best)), 2),
        "classical_without_psf_over_bicubic_db": round(float(np.mean(without_psf)), 2),
        "over_best_classical_db": round(float(np.mean([row.over_best for row in rows])), 2),
        "over_tuned_classical_db": round(float(np.mean([row.over_tuned for row in rows])), 2),
        "below_bicubic": round(float(np.mean([row.over_bicubic < 0 for row in rows])), 3),
        "below_best_classical": round(float(np.mean([row.over_best < 0 for row in rows])), 3),
        "worst_over_bicubic_db": round(worst.over_bicubic, 2),
        "worst_image": f"{worst.source}: {worst.crop}",
        "worst_condition": condition(worst.sigma, worst.photons),
    }


def verdict(kind: str, psf: str, noise: str, found: dict[str, dict[str, Any]]) -> str:
    """Return whether a model may ship, as far as this run can tell."""
    needed = [("worst_over_bicubic_db", GATE_WORST.get((psf, noise)))]
    needed += [("over_best_classical_db", GATE_MEAN.get(kind) if (psf, noise) == ("told", "measured") else None)]
    if (psf, noise) == ("zero", "measured"):
        needed += [("over_bicubic_db", found["all"]["classical_without_psf_over_bicubic_db"])]
    parts = [
        f"{name.removesuffix('_db').replace('_', ' ')} {found['all'][name]:+.2f} dB, needs {least:+.2f}: "
        + ("met" if found["all"][name] >= least else "MISSED")
        for name, least in needed
        if least is not None
    ]
    return "; ".join(parts)


def summaries(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Return the summary of each condition, of seen and unseen sources, and of all."""
    groups: dict[str, Callable[[Row], bool]] = {
        condition(sigma, photons): lambda r, c=(sigma, photons): (r.sigma, r.photons) == c
        for photons, sigma in dict.fromkeys((row.photons, row.sigma) for row in rows)
    }
    groups |= {"seen sources": lambda r: r.seen, "unseen sources": lambda r: not r.seen, "all": lambda _r: True}
    chosen = {name: [row for row in rows if fits(row)] for name, fits in groups.items()}
    return {name: summary(some) for name, some in chosen.items() if some}


COLUMNS = {
    "over_bicubic_db": ("over", "bicubic", "+8.2f"),
    "over_best_classical_db": ("over", "classic", "+8.2f"),
    "over_tuned_classical_db": ("over", "tuned", "+8.2f"),
    "classical_over_bicubic_db": ("classic", "-bicubic", "+8.2f"),
    "classical_without_psf_over_bicubic_db": ("no PSF", "-bicubic", "+8.2f"),
    "below_bicubic": ("below", "bicubic", "8.0%"),
    "below_best_classical": ("below", "classic", "8.0%"),
    "worst_over_bicubic_db": ("worst", "-bicubic", "+8.2f"),
}
"""Two lines of heading and the format of each figure."""


def show(title: str, found: dict[str, dict[str, Any]]) -> None:
    print(f"\n{title}")
    for line, start in enumerate(("", "mean dB, share of images")):
        print(f"{start:24}{''.join(f'{heads[line]:>9}' for heads in COLUMNS.values())}{'  image' * line}")
    for name, some in found.items():
        figures = "".join(f" {some[key]:{form}}" for key, (*_, form) in COLUMNS.items())
        at = "" if name == some["worst_condition"] else f", {some['worst_condition']}"
        print(f"{name:24}{figures}  {some['worst_image']}{at}")


def make_grid(card: ModelCard, told: Sequence[Row], untold: Sequence[Row], kinds: Sequence[str]) -> Grid:
    """Return the grid of a card from the rows of a model that is told the blur, and that is told none."""
    worst = min((*told, *untold), key=lambda row: row.over_bicubic)
    sides = {seen: [row for row in told if row.seen == seen] for seen in (True, False)}
    means = {
        seen: round(float(np.mean([r.over_best for r in rows])), 2) if rows else None for seen, rows in sides.items()
    }
    names = {seen: tuple(dict.fromkeys(row.source for row in rows)) for seen, rows in sides.items()}

    sigmas, numbers = conditions_of(card.scale[0])

    def gains(rows: Sequence[Row], of: Callable[[Row], float]) -> Gains:
        return tuple(
            tuple(round(float(np.mean([of(r) for r in rows if (r.sigma, r.photons) == (s, p)])), 2) for s in sigmas)
            for p in numbers
        )

    return Grid(
        psf_sigma=sigmas,
        photons=numbers,
        over_bicubic=gains(told, lambda r: r.over_bicubic),
        over_classical=gains(told, lambda r: r.over_best),
        by_default=gains(untold, lambda r: r.over_bicubic) if card.conditions else (),
        worst=round(worst.over_bicubic, 2),
        worst_image=f"{worst.source}: {worst.crop}, {condition(worst.sigma, worst.photons)}",
        images=len({(row.source, row.crop) for row in told}),
        seen=names[True],
        unseen=names[False],
        seen_over_classical=means[True],
        unseen_over_classical=means[False],
        protocol=f"superres-bench 1, {' and '.join(kinds)}"
        + ("; PSF told, noise measured" if card.conditions else "; the model is told nothing"),
    )


def write_grid(name: str, model: Model, crops: Mapping[str, Sequence[Crop]], cache: Cache) -> None:
    """Measure a model with and without the blur told, write the grid on its card, and print it."""
    every = [crop for some in crops.values() for crop in some]
    scale = model.card.scale[0]
    restore = partial(run, model, psf="told", noise="measured")
    told = list(measure(restore, scale, every, cache))
    cache.save()
    untold = told
    if model.card.conditions:
        # Without blur, both are told the same.
        untold = [row for row in told if not row.sigma]
        untold += measure(partial(run, model, psf="zero", noise="measured"), scale, every, cache, is_blurred=True)
    path = model_path(name)
    grid = make_grid(model.card, told, untold, list(crops))
    write_model(path, replace(read_card(path), grid=grid), read_weights(path), overwrite=True)
    write_examples(restore, scale, every, told, EXAMPLES / f"{path.stem}.png")
    print(f"\n{name}", *grid_lines(grid), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help="names, model files, checkpoints, or folders of results"
    )
    parser.add_argument("--kind", choices=SOURCES, nargs="+", help="images to measure; by default the model's modality")
    parser.add_argument("--psf", choices=TELLING, default="told", help="what the network is told of the blur")
    parser.add_argument(
        "--noise", choices=("measured", *STRENGTHS), default="measured", help="what it is told of the noise"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="folder that keeps the classical scores, of one version"
    )
    parser.add_argument("--export", type=Path, metavar="DIR", help="write the low-resolution images")
    parser.add_argument("--scale", type=int, default=2, help="factor of --export and of folders with results")
    parser.add_argument(
        "--write", action="store_true", help="write the grid on the card of each model, print it, and draw its examples"
    )
    parser.add_argument("--kspace", action="store_true", help="measure on truncated k-space; see grid_parts.scanner")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="draw the worst and the median of each condition")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", SuperResWarning)  # thousands of crops, most of them noisy
    cache, written = Cache(options.cache), []
    if options.export:
        for kind in options.kind or SOURCES:
            export(crops_of(kind, options.data), options.scale, options.export)
    for name in options.models:
        model = None if Path(name).is_dir() else open_model(name)
        if options.kspace and model:
            measure_scans(name, model, list(crops_of("mri", options.data)))
            continue
        scale = model.card.scale[0] if model else options.scale
        kinds = options.kind or [KINDS.get(model.card.modality, "photographs") if model else "fluorescence"]
        crops = {kind: list(crops_of(kind, options.data)) for kind in kinds}
        if options.write and model:
            write_grid(name, model, crops, cache)
            continue
        for kind in kinds:
            restore = partial(run, model, psf=options.psf, noise=options.noise) if model else results_in(Path(name))
            rows = list(measure(restore, scale, crops[kind], cache))
            cache.save()
            found = summaries(rows)
            show(f"{name} on {kind}, PSF {options.psf}, noise {options.noise}", found)
            print(verdict(kind, options.psf, options.noise, found))
            if options.pictures:
                draw(restore, scale, crops[kind], rows, options.pictures / f"{Path(name).stem}-{kind}")
            settings = {"model": name, "kind": kind, "psf": options.psf, "noise": options.noise}
            written.append({**settings, "summary": found, "rows": [asdict(r) for r in rows]})
    if options.json:
        options.json.write_text(json.dumps(written, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
