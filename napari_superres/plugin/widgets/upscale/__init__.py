"""The Super-resolve widget: a layer in, a finer layer exactly over it.

``widget``      what is chosen, planned and run; ``controls`` what it shows, from top to bottom
``region``      which part of the layer, which channels
``pixel_size``  giving a layer the pixel size its file did not state
``resample``    offering the pixels that a model was trained on
``preview``     the visible field, computed as it is looked at
``growing``     the result as it is made
``snippets``    the run as a command or script
"""
