"""From the tensors of a checkpoint to a model: which network they belong to.

Begin with ``detect``. A loader returns a `ForeignModel` for tensors that it recognises by their names and shapes, and
None for others.

``detect``           tries the loaders one after the other
``wrappers``         where in a checkpoint the weights of the network are, and under which prefix
``file_kinds``       what a file is that is no checkpoint, and how to convert it
``hyperparameters``  objects next to the weights that are replaced by empty ones
``spandrel_models``  networks that spandrel recognises
``published``        networks of `architectures.published`
``likeness``         which range of values, and which variant, a network was made for, measured on an image
"""
