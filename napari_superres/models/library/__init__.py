"""Which models exist, and how a name becomes a network.

Begin with ``registry.load_model``. This folder does not import ``export`` and ``choice``, which import it.

``registry``     `list_models`, `find_card` and `load_model`: shipped, added, from a file, or interpolation by name
``shipped``      models that come with the program: weights and interpolation
``user_models``  models that a user keeps: cards, `remove_model`, `verify_models`
``add``          `add_model`: checks, converts, measures and copies a model into the user's folder
``search``       `search_models`: models of public collections, by ``collections.json``
``download``     a model file at an address, fetched with a limit and pinned by its sha256
``index``        the sha256 of each model in that folder, changed by one process at a time
``folders``      what users said that the images of a folder show
``loading``      builds the network of a file and checks it against its card
"""
