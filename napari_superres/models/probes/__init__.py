"""What a network does, measured on the network itself instead of believed.

Begin with ``halo.measure_reach``: how far the network looks. ``library`` and ``foreign`` import this room; it imports
``architectures``.

``halo``           halo, size multiple and global layers, measured with NaN probes
``global_layers``  layers that look at the whole image, found and computed tile by tile
``memory``         bytes per pixel that a pass needs
``cache``          measurements of models on this computer, kept between runs
"""
