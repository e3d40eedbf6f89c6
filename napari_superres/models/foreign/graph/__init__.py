"""Graphs of operators: ONNX, alone or in a package, computed by torch where that is exact and by onnxruntime otherwise.

Begin with ``onnx_network.build_graph``. ``programs`` builds networks with it, ``bare`` makes the card of a graph that
has no description.

``arithmetic``    operators on values, reductions, norms, products
``shapes``        operators that move, cut and join
``layers``        convolutions, pools, resizing
``torch_graph``   `TorchGraph`: a graph computed by torch
``runtime``       `RuntimeGraph`: a graph computed by onnxruntime
``onnx_network``  which of the two a card asks for, and the comparison of them
``exported``      programs of ``torch.export``
``bare_files``    ``.onnx`` and ``.pt2`` that no description accompanies
``bare``          their card, measured
``wishes``        what the user says about them
``onnx_file``     the bytes of a graph and of its data, checked
"""
