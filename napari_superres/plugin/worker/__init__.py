"""Computations in a thread: steps, progress, cancelling and errors.

Begin with ``job``. Every widget imports this folder; it imports ``host``. Layers are touched only in a job's callbacks,
which run on the GUI thread.

``job``     one computation in a thread
``tasks``   generators that plan, upscale, preview and evaluate
``disk``    results that do not fit into memory
``triton``  keeps torch's compiler and the graphics driver apart
"""
