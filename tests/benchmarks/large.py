"""Out of core: peak memory and time of a large OME-Zarr, beside the same network on an image in memory.

    python tests/benchmarks/large.py FOLDER [--sizes 16384 32768] [--model fsrcnn-x2] [--workers 0 2]

FOLDER needs room for the images. Each run is a process of its own; the peak is VmHWM less what the
imported libraries take.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

IMPORTED = "import torch, zarr, yaozarrs, psutil, safetensors, napari_superres.inference.files as files"
PEAK = """
import re, sys, time, json
from pathlib import Path
def memory(kind):
    return int(re.search(kind + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
"""
MAKE = """
import sys
import numpy as np, skimage.data
from napari_superres import Image
from napari_superres.io import ZarrTarget
edge, path = int(sys.argv[1]), sys.argv[2]
tile = np.tile(skimage.data.camera().astype(np.uint16) * 16, (8, 8))
noise = np.random.default_rng(0)
outline = Image.from_array(np.broadcast_to(np.zeros((), np.uint16), (edge, edge)), "YX", pixel_size=0.1)
target = ZarrTarget.create(path, outline)
for box in target.boxes():
    shape = [b.stop - b.start for b in box]
    target.store(box, tile[: shape[0], : shape[1]] + noise.integers(0, 64, shape, dtype=np.uint16))
target.finish(outline)
"""
STREAM = (
    PEAK
    + """
from napari_superres.inference.machine.memory import tune_allocator
tune_allocator()
IMPORTED
before = memory("VmRSS")
source, target, model, workers = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
if __name__ == "__main__":
    start = time.perf_counter()
    files.upscale_file(source, target, model=model, overwrite=True, workers=workers or None)
    print(json.dumps({"seconds": time.perf_counter() - start, "imports": before, "peak": memory("VmHWM")}))
"""
).replace("IMPORTED", IMPORTED)
HELD = (
    PEAK
    + """
from napari_superres.inference.machine.memory import tune_allocator
tune_allocator()
import numpy as np
from napari_superres import read_image, upscale
image = read_image(sys.argv[1])
image = image.replace(data=np.asarray(image.data[: int(sys.argv[3]), : int(sys.argv[3])]))
out = np.zeros([2 * n for n in image.shape], np.uint16)
start = time.perf_counter()
upscale(image, sys.argv[2], out=out)
print(json.dumps({"seconds": time.perf_counter() - start}))
"""
)


def run(program: str, *arguments: object) -> dict[str, float]:
    file = Path(os.environ.get("TMPDIR", "/tmp")) / f"superres-large-{os.getpid()}.py"
    file.write_text(program)
    try:
        done = subprocess.run(
            [sys.executable, file, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True
        )
    finally:
        file.unlink()
    return json.loads(done.stdout) if done.stdout.strip() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16384, 32768])
    parser.add_argument("--model", default="fsrcnn-x2")
    parser.add_argument("--workers", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    print("| image | processes | s | ns per input pixel | peak less imports / MB |\n|---|---|---|---|---|")
    for size in options.sizes:
        source = options.folder / f"plane-{size}.ome.zarr"
        if not source.exists():
            run(MAKE, size, source)
        for workers in options.workers:
            target = options.folder / f"result-{size}.ome.zarr"
            found = run(STREAM, source, target, options.model, workers)
            pace = found["seconds"] / size**2 * 1e9
            peak = f"{found['peak'] - found['imports']:.0f}"
            print(f"| {size}^2 | {workers or 'this'} | {found['seconds']:.1f} | {pace:.0f} | {peak} |", flush=True)
        held = min(size, 8192)
        pace = run(HELD, source, options.model, held)["seconds"] / held**2 * 1e9
        print(f"| {held}^2 of it, in memory | this | {pace * held**2 / 1e9:.1f} | {pace:.0f} | - |", flush=True)


if __name__ == "__main__":
    main()
