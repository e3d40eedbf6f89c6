"""bioimage.io packages, of the specifications 0.4 and 0.5.

``package``  which weights a package holds and how they are read
``files``    its files: description, weights, arrays
``card``     its description as a model card
``check``    comparison of a network with the package's test tensors
"""
