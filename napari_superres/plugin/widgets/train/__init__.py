"""The Train widget: from layers or folders to a model that is in the list at once.

``widget``       what is chosen and run; ``fields`` where images come from, ranges and paths
``degradation``  the instrument that is simulated, with pictures of what it does (``simulation``)
``curves``       loss, validation and examples while it trains
``work``         what is done in the thread
"""
