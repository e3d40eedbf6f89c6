"""Published checkpoints exported as bare ONNX graphs as people do it, then added and compared with the checkpoint.

    python tests/benchmarks/published/graphs.py FOLDER [--case NAME ...]

FOLDER holds the checkpoints by the names in `CASES`. A row says whether each graph is refused, and why, or how far the
result of `upscale` is from that of the checkpoint: for an RGB image of 8 bits in grey levels, and for the mean of a
grey image of 16 bits in percent. The library of the user is not touched.
"""

import argparse
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from napari_superres import Image, load_model, upscale
from napari_superres.models import Model, add_model
from napari_superres.models.foreign.checkpoint import read_checkpoint
from napari_superres.models.foreign.convert import build_foreign
from napari_superres.models.foreign.loaders.detect import detect_model
from napari_superres.models.probes.passes import natural_planes

_SIZE, _BORDER = (90, 75), 20


class Wrapped(nn.Module):
    """A network for values from 0 to 1 as people export it.

    Parameters
    ----------
    network
        The network.
    top
        Upper end of the values that the graph takes and makes.
    whole
        Whether these are whole numbers of 8 bits.
    luma
        Whether it takes and makes one channel.
    """

    def __init__(self, network: nn.Module, top: float = 1.0, *, whole: bool = False, luma: bool = False) -> None:
        super().__init__()
        self.network, self.top, self.whole, self.luma = network, top, whole, luma

    def forward(self, x: Tensor) -> Tensor:
        """Return the image on the finer grid."""
        x = x.float() * (1 / self.top)
        made: Tensor = self.network(torch.cat([x, x, x], dim=1) if self.luma else x)
        made = (made.mean(dim=1, keepdim=True) if self.luma else made).clamp(0, 1) * self.top
        return made.round().to(torch.uint8) if self.whole else made


class Case(NamedTuple):
    """A checkpoint, how it is wrapped, and the only size that the graph takes; None = any."""

    checkpoint: str
    wrap: Callable[[nn.Module], nn.Module]
    size: int | None = None


CASES = {
    "span": Case("span_ntire2026_x4", Wrapped),
    "imdn-8bit": Case("imdn_ntire2022_x4", lambda n: Wrapped(n, 255.0, whole=True)),
    "carn-16bit": Case("carn_m_x2x3x4", lambda n: Wrapped(n, 65535.0)),
    "rfdn-luma": Case("rfdn_aim_x4", lambda n: Wrapped(n, luma=True)),
    "bsrn-128px": Case("bsrn_x2", lambda n: Wrapped(n, 255.0), 128),
    "span-512px": Case("span_ntire2026_x4", Wrapped, 512),
}
"""The graphs, by name."""


def checkpoint_model(path: Path) -> Model:
    """Return the model of a checkpoint, not measured: it computes images whole."""
    found = detect_model(path, read_checkpoint(path))
    return Model(found.card, build_foreign(path.name, found.card, found.weights))


def export(network: nn.Module, case: Case, path: Path) -> None:
    """Write a graph."""
    wrapped, edge = case.wrap(network).eval(), case.size or 64
    settings = getattr(wrapped, "whole", False), getattr(wrapped, "luma", False)
    image = torch.zeros(1, 1 if settings[1] else 3, edge, edge, dtype=torch.uint8 if settings[0] else torch.float32)
    free = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(
        wrapped,
        (image,),
        str(path),
        input_names=["input"],
        output_names=["output"],
        opset_version=17,
        dynamic_axes=None if case.size else {"input": free, "output": free},
        dynamo=False,
    )


def compare(model: Model, reference: Model, luma: bool) -> tuple[float, float]:
    """Return the largest difference in grey levels of an image of 8 bits, and of the mean of one of 16 bits in percent.

    Pixels near the border are left out: graphs of one size pad smaller images, and networks notice that.
    """
    rgb = natural_planes(3, _SIZE)[0].movedim(0, -1).numpy()
    photo = np.rint(255 * rgb).astype(np.uint8)
    grey = (photo.mean(axis=2) * 40 + 900).astype(np.uint16)
    eight = Image.from_array(photo[..., 0], "YX") if luma else Image.from_array(photo, "YXS")
    made, wanted = (np.asarray(upscale(eight, m, device="cpu").data).astype(float) for m in (model, reference))
    border = slice(_BORDER * model.card.scale[0], -_BORDER * model.card.scale[0])
    levels = float(np.abs(made - wanted)[border, border].max())
    sixteen = np.asarray(upscale(Image.from_array(grey, "YX"), model, device="cpu").data)
    return levels, float(100 * abs(sixteen.mean() / grey.mean() - 1))


def try_case(name: str, folder: Path, work: Path) -> str:
    """Return the row of a case."""
    case = CASES[name]
    reference = checkpoint_model(folder / f"{case.checkpoint}.pth")
    path, begin = work / f"{name}.onnx", monotonic()
    export(reference.module, case, path)  # type: ignore[arg-type]
    told: dict[str, Any] = {"channels": "luma"} if "luma" in name else {}
    try:
        card = add_model(path, **told)
    except Exception as error:  # noqa: BLE001 - the row says which
        return f"refused: {type(error).__name__}: {' '.join(str(error).split())}"
    levels, percent = compare(load_model(card.name), reference, luma=bool(told))
    runs_in = card.arguments.get("runs_in", "onnxruntime")
    return (
        f"{card.title.partition(', ')[2]} | {runs_in} | halo {max(card.halo)}, "
        f"{'exact' if card.bounded else f'tile error {card.tile_error}'} | {levels:.2f} levels | {percent:.3f} % | "
        f"{monotonic() - begin:.0f} s"
    )


def main() -> None:
    """Try each case, and print its row at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--case", nargs="*", choices=CASES, default=list(CASES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ["NAPARI_SUPERRES_MODELS"] = str(Path(work) / "library")
        for name in options.case:
            sys.stdout.write(f"| {name} | {try_case(name, options.folder, Path(work))} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
