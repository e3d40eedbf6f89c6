"""Images for reports: a scene, its recording, a sound result, and one with an object that the input denies."""

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_superres import Image, degrade, upscale, write_image

OBJECT = {"Y": 40, "X": 71}
"""Where the planted object is, in pixels of the result."""


@dataclass(frozen=True)
class Case:
    """Images of one scene."""

    reference: Image
    lr: Image
    result: Image
    lie: Image


def make_case(seed: int = 0, shape: tuple[int, ...] = (96, 112), axes: str = "YX", channel: int = 0) -> Case:
    """Return smooth structures with noise in the input; one channel of the lie holds one bright object more."""
    noise = np.random.default_rng(seed).normal(size=shape)
    smooth = gaussian_filter(noise, [2 if a in "YX" else 0 for a in axes])
    values = (100 + 4000 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint16)
    reference = Image.from_array(values, axes, pixel_size=0.1, origin=[5.0] * len([a for a in axes if a in "ZYX"]))
    factors = [2 if a in "YX" else 1 for a in axes if a in "ZYX"]
    lr = degrade(reference, factors, kernel="gaussian", psf_sigma=1.0, photons=2000, read_noise=2, seed=seed)
    result = upscale(lr, "lanczos-x2")
    changed = np.array(result.data)
    spots = [slice(OBJECT[a] - 3, OBJECT[a] + 4) if a in OBJECT else slice(None) for a in axes]
    if "C" in axes:
        spots[axes.index("C")] = slice(channel, channel + 1)
    changed[tuple(spots)] += 2500
    return Case(reference, lr, result, result.replace(data=changed))


def write_folders(root: Path, count: int, lies: tuple[int, ...] = (), references: bool = False) -> tuple[Path, Path]:
    """Write folders of results and inputs, ``sr`` and ``lr``, and of references, ``ref``; return the first two."""
    for i in range(count):
        case = make_case(i)
        images = {"sr": case.lie if i in lies else case.result, "lr": case.lr}
        for name, image in (images | ({"ref": case.reference} if references else {})).items():
            (root / name).mkdir(exist_ok=True)
            write_image(image, root / name / (f"{i}_lanczos-x2.tif" if name == "sr" else f"{i}.tif"))
    return root / "sr", root / "lr"


class Page(HTMLParser):
    """What a page holds, as a screen reader or a printer meets it.

    Attributes
    ----------
    tags
        Name and attributes of every element, in their order.
    text
        All text outside style sheets, in one line.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._hidden = "", False
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a style sheet."""
        self._hidden = self._hidden and tag != "style"

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        if not self._hidden:
            self.text += f" {data}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]
