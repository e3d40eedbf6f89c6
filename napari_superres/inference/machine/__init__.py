"""What this computer offers: devices, memory, threads, and how fast a model runs on them.

Begin with ``device``. This folder imports nothing else of `napari_superres.inference`.

``device``         which device computes, and in which precision
``memory``         how much memory a pass may use; the allocator of our own processes
``half_form``      networks in 16 bits on the CPU: conversion, and whether it pays
``threads``        tiles side by side on the CPU
``cuda_pipeline``  uploads, computation and downloads that overlap on an accelerator
``timing``         the stopwatch of all measurements
``speed``          seconds per pixel of a model, measured once and kept
"""
