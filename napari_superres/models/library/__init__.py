"""Which models exist, and how a name becomes a network.

Begin with ``registry.load_model``. Every layer above may import this room; it imports all other rooms of
`napari_superres.models` except ``export``.

``registry``  `list_models`, `find_card` and `load_model`: shipped, added, from a file, or interpolation by name
``shipped``   weights that come with the program, and interpolation
``added``     `add_model`, `remove_model`, `verify_models`: model files that a user keeps
``index``     the sha256 of each added file, changed by one process at a time
``loading``   builds the network of a file and checks it against its card
"""
