"""Computations in a thread: steps, progress, cancel and errors, away from the window.

Begin with ``job.Job``. Every widget imports this room; it imports ``host``. Layers are touched only in callbacks on the
GUI thread.

``job``     one computation in a thread
``tasks``   what widgets ask of the engine
``disk``    results that do not fit into memory
``triton``  keeps torch's compiler and the graphics driver apart
"""
