"""What a model does on this computer, measured: halo, exactness of tiling, precision, throughput.

Begin with ``check.check_model``, which runs models through ``inference.images`` as any caller does. It also calls
``engine.half_precision`` directly. Nothing else of `napari_superres.inference` imports this folder.

``check``  `check_model`: what a model's card says, held against measurements
``bench``  `iter_throughput`: pixels per second, next to the network alone
"""
