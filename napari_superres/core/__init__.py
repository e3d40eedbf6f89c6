"""The values and the arithmetic that all other layers share: numpy only, frozen dataclasses and pure functions.

Begin with `image.Image`, the value that travels through the package. Every layer may import ``core``; ``core`` imports
only ``errors``.

``image``      `Image`: an array with its axes, pixel size, position and units
``axes``       the meaning of the letters ``"TCZYXS"``, and checks of axes strings
``grid``       index-to-world matrices, and how upscaling, downscaling and cropping change them
``units``      names and sizes of physical units
``tiling``     the tiles that a model reads, and the disjoint cores that are kept of its output
``intensity``  one invertible intensity map per channel, and the cast back to the data type of the input
``invalid``    NaN and infinite pixels
``decibels``   the formula behind every PSNR
``turns``      flips and quarter turns of a plane, for arrays and tensors
``kernels``    interpolation kernels and their weights
``color``      luma and colour differences of BT.601
``options``    options of public functions: visible to editors, and checked for misspelt names

What happens to NaN: NaN and infinite pixels never reach a model. ``invalid.fill`` replaces each by the mean of its
finite neighbours. The engine (``inference/engine/tile_io.py``) then puts the original value back into every pixel of
the result that it covers. `intensity.fit_normalisation` and the metrics leave such pixels out.
"""
