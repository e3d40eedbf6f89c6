"""The road of an image from `upscale` to its first tile visits each file at most twice."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np

import napari_superres
from napari_superres import Image, upscale

ROOT = Path(napari_superres.__file__).parent
CARRIERS = {"core/image.py", "core/options.py"}
"""The image's own file, and the decorator of public functions."""


def road(image, model) -> list[str]:
    """Return the files that the image itself enters as an argument, in order, up to its first tile."""
    stays: list[str] = []
    entered, arrived = set(), False

    def follow(frame, event, _):
        nonlocal arrived
        code = frame.f_code
        if event != "call" or arrived or code in entered or not code.co_filename.startswith(str(ROOT)):
            return
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        file = Path(code.co_filename).relative_to(ROOT).as_posix()
        if file in CARRIERS or not any(frame.f_locals.get(name) is image for name in arguments):
            return
        entered.add(code)
        if stays[-1:] != [file]:
            stays.append(file)
        arrived = code.co_name == "load_tile"

    sys.setprofile(follow)
    try:
        upscale(image, model)
    finally:
        sys.setprofile(None)
    assert arrived
    return stays


def test_no_file_is_visited_more_than_twice(espcn):
    image = Image.from_array(np.random.default_rng(0).random((40, 40)).astype(np.float32), "YX")
    upscale(image, espcn)
    stays = road(image, espcn)
    assert max(Counter(stays).values()) <= 2, " -> ".join(stays)
    assert stays[0] == "inference/images.py"
    assert stays[-1] == "inference/engine/tile_io.py"
