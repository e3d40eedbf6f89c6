"""The napari plugin: the only folder that imports napari, Qt and magicgui. Nothing else imports it.

Begin with ``widgets/upscale``, then follow its imports down; docs/explanation/architecture.md lists all imports. Layers
are touched only on the GUI thread. torch is imported in a thread when a widget opens, because the import would block
the window. No command of the manifest needs it.

``widgets``   a folder per widget (Super-resolve, Compare, Batch, Train, Models) and one for what they share
``worker``    computations in a thread
``host``      the interface to napari: layers, files, preferences
``demo``      opens napari with a sample and the Super-resolve widget
"""
