"""The values everything else speaks: numpy only, pure functions and frozen dataclasses.

``axes``      what the letters of ``"TCZYXS"`` mean and which strings are allowed
``units``     names of physical units and their sizes
``grid``      index-to-world matrices and what upscaling or cropping does to them
``image``     `Image`, the value that travels through the package
``tiling``    windows a model reads and the disjoint cores that are kept of them
``intensity`` one global, invertible intensity map per channel; casting back to the input's dtype
``kernels``   interpolation kernels and their weights at each phase of an integer scale
``options``   options of public functions: shown to editors, misspelt names answered
``color``     luma and colour differences of BT.601
``invalid``   NaN and infinite pixels: filled before a model sees them, restored after it
"""
