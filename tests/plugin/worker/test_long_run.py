"""Hundreds of runs in one viewer leave no memory, handles or threads behind."""

import gc
import os
import threading

import numpy as np
import psutil
import pytest

from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.long]

WARM_UP, RUNS = 25, int(os.environ.get("SUPERRES_VIEWER_RUNS", "200"))
MOST_BYTES_PER_RUN = 100_000


def test_runs_leave_nothing_behind(viewer, dock, qtbot):
    widget, process = dock(UpscaleWidget), psutil.Process()
    widget.model.value = "espcn-x2"
    handles = process.num_fds if hasattr(process, "num_fds") else process.num_handles
    data = (np.random.default_rng(0).random((96, 96)) * 1000).astype(np.uint16)

    def run():
        viewer.add_image(data, name="cells")
        widget.run.click()
        qtbot.waitUntil(lambda: not widget.is_running)
        assert len(viewer.layers) == 2
        viewer.layers.clear()
        gc.collect()
        return process.memory_info().rss, handles(), threading.active_count()

    for _ in range(WARM_UP):
        run()
    memory, opened, threads = (
        np.array(column, dtype=float) for column in zip(*(run() for _ in range(RUNS)), strict=True)
    )
    numbers = np.arange(RUNS)
    slopes = [float(np.polyfit(numbers, column, 1)[0]) for column in (memory, opened, threads)]
    print(f"{RUNS} runs: {slopes[0] / 1e3:.1f} kB, {slopes[1]:.3f} handles and {slopes[2]:.3f} threads per run")
    assert slopes[0] < MOST_BYTES_PER_RUN
    assert opened[-1] <= opened[0] + 2
    assert threads[-1] <= threads[0] + 1
