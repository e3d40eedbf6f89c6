"""Fixtures for all tests."""

import os

# Test images are small and test machines are shared: threads would wait for each other longer than they compute.
# Set before torch is imported, and inherited by the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
