"""Test input, test output and cover picture of a bioimage.io package."""

from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_superres.models.card import ModelCard
from napari_superres.models.export.description import EPSILON, preprocessing, sizes

_TEST_EDGE, _COVER_EDGE = {2: 64, 3: 24}, 250
"""Edge of the test image, by number of axes, and of one half of the cover, in pixels."""


def write_example(folder: Path, card: ModelCard, trained: nn.Module) -> Tensor:
    """Write test input, test output and cover picture; return the input on the network's intensity scale."""
    from PIL import Image

    image = blob_image(card)
    low, high = 0.0, 1.0
    if not preprocessing(card):
        pass
    elif card.intensity == "percentile":
        low, high = np.percentile(image, card.percentiles)
    elif card.intensity == "standard":
        low, high = image.mean(dtype=float), image.mean(dtype=float) + image.std(dtype=float)
    scaled = ((image - low) / (high - low + (EPSILON if preprocessing(card) else 0))).astype(np.float32)
    result = trained(torch.from_numpy(scaled)).numpy()
    np.save(folder / "test_input.npy", image)
    np.save(folder / "test_output.npy", result)
    own = slice(card.own * card.channels, (card.own + 1) * card.channels)
    Image.fromarray(_cover(card, scaled[0, own], result[0])).save(folder / "cover.png")
    return torch.from_numpy(scaled)


def blob_image(card: ModelCard) -> npt.NDArray[np.float32]:
    """Return blobs of 1 to 4 pixels, ``(1, C, (Z)YX)``, whose brightness differs between channels and frames."""
    random = np.random.default_rng(0)
    edge = _TEST_EDGE[card.ndim]
    size = [least + step * max(1, -(-(edge - least) // step)) for least, step, _ in sizes(card)]
    image = np.zeros((1, card.inputs, *size))
    for _ in range(12 * card.ndim**2):
        centre, width = random.uniform(0, size), random.uniform(1, 4)
        profiles = [np.exp(-(((np.arange(n) - c) / width) ** 2) / 2) for n, c in zip(size, centre, strict=True)]
        image[0] = np.maximum(image[0], reduce(np.multiply.outer, [random.uniform(0.2, 1, card.inputs), *profiles]))
    # If the package scales its input, the test image has counts of a camera.
    return (100 + 900 * image if preprocessing(card) else image).astype(np.float32)


def _cover(card: ModelCard, lr: npt.NDArray[Any], sr: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return a picture, twice as wide as high: input ``(C, (Z)YX)`` enlarged by nearest, then the result.

    Of volumes it shows the middle section along Z and X.
    """
    low, high = float(lr.min()), float(lr.max())
    for axis, scale in enumerate(card.scale, 1):
        lr = lr.repeat(scale, axis)
    if card.ndim == 3:
        lr, sr = (image.take(image.shape[2] // 2, 2) for image in (lr, sr))  # (C, Z, X)
    edge = min(*sr.shape[1:], _COVER_EDGE)
    pair = np.concatenate([image[:, :edge, :edge] for image in (lr, sr)], axis=2)
    grey = np.clip((pair - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
    return np.moveaxis(grey.repeat(_COVER_EDGE // edge, 1).repeat(_COVER_EDGE // edge, 2), 0, -1).squeeze()
