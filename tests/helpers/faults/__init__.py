"""Disks that fail or lose their power, and networks that run out of memory, where a test says."""
