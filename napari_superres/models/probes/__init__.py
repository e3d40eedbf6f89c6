"""What a network does, measured on the network itself.

Begin with ``halo.measure_reach``: how far the network looks. Of `napari_superres.models`, this folder imports only
``architectures`` and ``card``.

``halo``           how far a network looks, measured with NaN probes; the error of tiles
``global_layers``  statistics of layers that reduce the whole map, collected and merged tile by tile
``reductions``     which calls of torch reduce the whole map
``memory``         bytes that a pass needs
``cache``          measurements on this computer, kept between runs
"""
