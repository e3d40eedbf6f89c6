"""Memory: what a run takes besides its input and its output."""

import subprocess
import sys

import pytest

PROGRAM = """
import re
from pathlib import Path
import numpy as np
from napari_superres.inference.machine.memory import tune_allocator
tune_allocator()
from napari_superres import upscale

def memory(kind):
    return int(re.search(kind + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

import torch
imported = memory("VmRSS")
data = np.random.default_rng(0).integers(0, 60000, (3000, 3000), dtype=np.uint16)
result = upscale(data, "fsrcnn-x2", axes="YX", device="cpu").data
assert result.shape == (6000, 6000)
# Not ru_maxrss, which a child inherits from the process that started it.
print(int((memory("VmHWM") - imported - data.nbytes - result.nbytes) / 2**20))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_peak_memory(monkeypatch):
    """At most 380 MB besides input, output and imports: 600 MB where torch takes 220, as its CPU build does."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) <= 380, f"{done.stdout.strip()} MB besides input, output and imports"
