"""What a network does, measured on the network itself.

Begin with ``halo.measure_reach``: how far the network looks. Of `napari_superres.models`, this folder imports only
``architectures``, ``card`` and ``interpolate``.

``tiles``          size multiple and halo with which tiles are exact, or the error that they leave
``grid``           where the pixels of a result lie
``halo``           how far a network looks, measured with NaN probes; the error of tiles
``global_layers``  statistics of layers that reduce the whole map, collected and merged tile by tile
``reductions``     which calls of torch reduce the whole map
``memory``         bytes that a pass needs
``passes``         images for measuring
``facts``          what a card says that was measured, remembered by the sha256 of its file
``cache``          measurements on this computer, kept between runs
"""
