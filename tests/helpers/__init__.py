"""What several tests share: networks, files, scenes and widgets made for testing.

A test imports it as ``from helpers.networks import make``; fixtures are in the ``conftest.py`` of their folder. Some
modules are programs too, run in a checkout with ``tests`` on the path: those of ``tables`` write tables of the
documentation (``make tables``), ``pages`` runs the blocks of a page, and ``fuzz`` reads damaged files (``make fuzz``).
"""
