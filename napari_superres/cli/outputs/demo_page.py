"""The page of ``superres demo``: a field of each sample as input, interpolation, restoration, result and truth."""

import base64
import io
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_superres import Image, Report
    from napari_superres.evaluation.metrics.score import Row

_FIELD = 160
"""Edge of the field in pixels of the result: five of them fit next to each other on a screen."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the demo shows of one sample.

    Attributes
    ----------
    sample
        Entry of `list_samples`.
    told
        What the model was told of the recording, in words; empty for nothing.
    bicubic, classical, result
        Scores of bicubic interpolation, of the best classical method and of the result, over the whole sample.
    crops
        Caption and picture, as the data URI of a PNG, of each image of the field.
    """

    sample: dict[str, Any]
    told: str
    bicubic: "Row"
    classical: "Row"
    result: "Row"
    crops: tuple[tuple[str, str], ...]

    @property
    def gain(self) -> float:
        """PSNR of the result less that of bicubic interpolation, in dB."""
        return float(self.result["psnr"] - self.bicubic["psnr"])

    @property
    def lead(self) -> float:
        """PSNR of the result less that of the best classical method, in dB."""
        return float(self.result["psnr"] - self.classical["psnr"])


def show(sample: dict[str, Any], lr: "Image", result: "Image", reference: "Image", report: "Report") -> Shown:
    """Return what the demo shows of a sample.

    Parameters
    ----------
    sample
        Entry of `list_samples`.
    lr, result, reference
        Input, result and reference.
    report
        Report on the result.
    """
    rows = {row["candidate"]: row for row in report.rows if row["channel"] == "all"}
    bicubic = rows["bicubic"]
    classical = max((r for r in rows.values() if r["role"] == "baseline" and r is not bicubic), key=lambda r: r["psnr"])
    name = classical["candidate"]
    images = {
        "input": lr,
        "bicubic": _baseline("bicubic", lr, reference),
        name: _baseline(name, lr, reference),
        sample["model"]: result,
        "truth": reference,
    }
    scores = {"bicubic": bicubic, name: classical, sample["model"]: rows["result"]}
    captions = {n: f"{n}, {scores[n]['psnr']:.1f} dB" if n in scores else n for n in images}
    sigma = sample.get("psf_sigma")
    told = f"told the blur of the recording (a sigma of {sigma:g} pixels of the result)" if sigma else ""
    crops = tuple((captions[n], uri) for n, uri in _pictures(images, sample["scale"]).items())
    return Shown(sample, told, bicubic, classical, rows["result"], crops)


def _baseline(name: str, lr: "Image", reference: "Image") -> "Image":
    """Return interpolation or a classical method, set as it is for the table."""
    from napari_superres.evaluation.candidates import candidates
    from napari_superres.evaluation.registration.scale import scale_of

    found = candidates(
        None,
        lr,
        scale_of(reference, lr),
        reference=reference,
        common=reference,
        models=(),
        against=None,
        baselines=() if name == "bicubic" else (name,),
        psf_sigma=None,
        psf=None,
        notes=[],
    )
    return next(image for label, _, image in found if label == name)


def _pictures(images: "dict[str, Image]", scale: int) -> dict[str, str]:
    """Return the field of each image, pixel by pixel and at one contrast; that of the input with larger pixels."""
    from napari_superres.evaluation.reporting.page.drawing import as_plane, contrast

    planes = {name: as_plane(image) for name, image in images.items()}
    planes["input"] = planes["input"].repeat(scale, 0).repeat(scale, 1)
    rows, columns = _busiest(planes["truth"])
    crops = {name: plane[rows, columns] for name, plane in planes.items()}
    low, high = contrast({"truth": crops["truth"]})
    return {name: _png(np.clip((crop - low) / (high - low), 0, 1)) for name, crop in crops.items()}


def _busiest(plane: npt.NDArray[np.float64]) -> tuple[slice, slice]:
    """Return the field in which the reference has the steepest edges, whatever the result is like there."""
    from scipy.ndimage import gaussian_gradient_magnitude, uniform_filter

    grey = plane.mean(axis=2) if plane.ndim == 3 else plane
    edges = [min(_FIELD, n) for n in grey.shape]
    steep = uniform_filter(gaussian_gradient_magnitude(grey, 1.0), edges, mode="constant")
    # Only where the whole field lies in the image: the filter's centre is half a field from each side.
    inner = tuple(slice(e // 2, n - (e - e // 2) + 1) for e, n in zip(edges, grey.shape, strict=True))
    top, left = np.unravel_index(np.argmax(steep[inner]), steep[inner].shape)
    return slice(int(top), int(top) + edges[0]), slice(int(left), int(left) + edges[1])


def _png(values: npt.NDArray[np.float64]) -> str:
    from PIL import Image as Picture

    out = io.BytesIO()
    Picture.fromarray(np.rint(255 * values).astype(np.uint8)).save(out, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def write_page(shown: list[Shown], next_command: str, path: Path) -> None:
    """Write the page, which needs no other file and no network.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from jinja2 import Environment

    from napari_superres.storage.atomic import write_text

    text = (files("napari_superres.cli.outputs") / "demo.html").read_text(encoding="utf-8")
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)
    write_text(path, template.render(shown=shown, next_command=next_command))
