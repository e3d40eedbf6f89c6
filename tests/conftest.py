"""Fixtures for all tests."""

import os
import tempfile

# Test images are small and test machines are shared: threads would wait for each other longer than they compute.
# Set before torch is imported, and inherited by the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What tests measure must not be remembered for, nor come from, the person's own runs.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="superres-tests-")
# Nor may tests meet the models that the person keeps.
os.environ["NAPARI_SUPERRES_MODELS"] = tempfile.mkdtemp(prefix="superres-tests-models-")
