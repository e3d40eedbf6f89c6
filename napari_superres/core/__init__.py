"""The values and the arithmetic that all other layers share: numpy only, frozen dataclasses and pure functions.

Begin with `image.Image`, the value that travels through the package. ``core`` imports only ``errors``;
docs/explanation/architecture.md lists all imports.

``image``      `Image`: an array with its axes, pixel size, position and units
``axes``       the meaning of the letters ``"TCZYXS"``, and checks of axes strings
``grid``       index-to-world matrices, and how upscaling, downscaling and cropping change them
``units``      names and sizes of physical units, and the formula of decibels behind every PSNR
``tiling``     the tiles that a model reads, and the disjoint cores that are kept of its output
``intensity``  one invertible intensity map per channel, and the cast back to the data type of the input
``noise``      noise measured on an image: its variance as a line over brightness
``conditions`` what a network may be told about an image: blur and noise
``invalid``    pixels without a measurement: NaN, infinite, or in the range `Image.no_data`
``binning``    means of blocks of pixels
``turns``      flips and quarter turns of a plane, for arrays and tensors
``kernels``    interpolation kernels and their weights
``color``      luma and colour differences of BT.601
``notebook``   what Jupyter shows: tables of facts, thumbnails, and a bar while a run lasts
``options``    options of public functions: visible to editors, and checked for misspelt names

What happens to pixels without a measurement: NaN, infinite pixels and whole numbers in the range `Image.no_data` never
reach a model. ``invalid.fill`` replaces each by the mean of its measured neighbours, or by a fallback if no neighbour
within three pixels is measured: the engine uses the middle of the
channel's intensity range. The engine (``inference/engine/tile_io.py``) then puts the original value back into every
pixel of the result that it covers. Their number enters the record and the notes of the result.
`intensity.fit_normalisation` and the metrics leave such pixels out.
"""
