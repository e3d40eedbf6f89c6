"""Time and memory of evaluation, beside plain scikit-image where it has the same metric, in one run.

    python tests/benchmarks/evaluation.py [--volume]

Medians of interleaved repeats. Memory is the process's peak above what the images take.
"""

import argparse
import os
import platform
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_superres import Image, degrade, evaluate, upscale
from napari_superres.evaluation import decorrelation, ring_correlation, single_image_correlation
from napari_superres.evaluation.metrics import full_reference
from napari_superres.evaluation.resolution import local_agreement

EDGE = 2048
VOLUME = (120, 512, 512)
REPEATS = 5


def seconds(tasks: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median time of each task, one after the other in every round."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(REPEATS + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    return {name: float(np.median(found[1:])) for name, found in times.items()}


class Peak:
    """The most memory the process held, above what it held at the start."""

    def __enter__(self) -> "Peak":
        self.process, self.done = psutil.Process(), False
        self.start = self.most = self.process.memory_info().rss
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.done:
            self.most = max(self.most, self.process.memory_info().rss)
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self.done = True
        self.thread.join()
        self.bytes = self.most - self.start


def planes() -> None:
    random = np.random.default_rng(0)
    scene = random.normal(size=(EDGE, EDGE))
    a, b = (Image.from_array(scene + 0.1 * random.normal(size=scene.shape), "YX", pixel_size=0.1) for _ in range(2))
    x, y = np.asarray(a.data), np.asarray(b.data)
    found = seconds(
        {
            "FRC of a pair": lambda: ring_correlation(a, b),
            "single-image FRC": lambda: single_image_correlation(a),
            "decorrelation": lambda: decorrelation(a),
            "map of agreement": lambda: local_agreement(a, b),
            "SSIM": lambda: full_reference.ssim(x, y, data_range=8.0),
            "SSIM, scikit-image": lambda: structural_similarity(
                x, y, data_range=8.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            ),
            "PSNR": lambda: full_reference.psnr(x, y, data_range=8.0),
            "PSNR, scikit-image": lambda: peak_signal_noise_ratio(x, y, data_range=8.0),
        }
    )
    for name, value in found.items():
        print(f"{EDGE} x {EDGE}  {name:24} {value:8.3f} s")


def volume() -> None:
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(0)
    scene = gaussian_filter(random.normal(size=VOLUME).astype(np.float32), (1, 2, 2))
    reference = Image.from_array((2000 + 8000 * scene).clip(0).astype(np.uint16), "ZYX", pixel_size=(0.3, 0.1, 0.1))
    low = degrade(reference, (1, 2, 2), kernel="gaussian", psf_sigma=(0.0, 1.2, 1.2), photons=500)
    result = upscale(low, "bicubic-x2")
    size = np.asarray(reference.data).nbytes
    for baselines in ((), ("lanczos", "wiener", "richardson-lucy", "non-local-means")):
        with Peak() as peak:
            start = time.perf_counter()
            evaluate(result, reference, lr=low, baselines=baselines)
            taken = time.perf_counter() - start
        print(
            f"{' x '.join(map(str, VOLUME))} uint16, baselines bicubic {' '.join(baselines)}: {taken:.1f} s, "
            f"{peak.bytes / size:.1f} times its {size / 1e6:.0f} MB"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--volume", action="store_true")
    wanted = parser.parse_args()
    print(platform.processor() or platform.machine(), os.cpu_count(), "cores")
    planes()
    if wanted.volume:
        volume()
