"""What a model does on this computer, measured: halo, exactness of tiling, precision, throughput.

Begin with ``check.check_model``. The command line and the plugin import this room; it runs models through
``inference.images`` as any caller does.

``check``  `check_model`: what a model's card says, held against measurements
``bench``  `iter_throughput`: pixels per second, next to the network alone
"""
