"""Damaged model files, checkpoints, packages and state of models, made from sound ones by a seed.

Damage keeps the structure of most files, so that it gets past the first check. ``KINDS`` in ``kinds`` lists what there
is: sound samples, what damages them, and what the program does with the result.

``kinds``        what is damaged, and how it is used
``cards``        damage to JSON: cards, headers, caches, indices, descriptions
``checkpoints``  damage to pickles: their operations, and the functions that they name
``graphs``       damage to ONNX
"""
