"""Computations in a thread: steps, progress, cancelling and errors.

Begin with ``job``. Layers are touched only in a job's callbacks, which run on the GUI thread. Of the plugin, this
folder imports only ``host``.

``job``     one computation in a thread
``tasks``   generators that plan, upscale, preview and evaluate
``loading`` the models that jobs use
``learn``   learns from one stack of thick slices
``disk``    results that do not fit into memory
``triton``  keeps torch's compiler and the graphics driver apart
"""
