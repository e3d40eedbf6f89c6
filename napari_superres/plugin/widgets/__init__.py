"""The widgets, a folder each: ``upscale`` (Super-resolve), ``compare``, ``batch``, ``train``, ``models`` and ``tour``.

Every folder but that of the tour has the same files: ``state`` is what the widget knows and shows, and whether a button
can be pressed, as a frozen value without Qt; ``widget`` creates the controls and binds them to the state; ``work``,
where there is one, is what runs in a thread. To add a button, create it in ``widget`` or in the file of its section,
and decide in ``state`` when it can be pressed. ``common`` holds what several widgets share. No other code imports a
widget: napari finds them by the manifest ``napari.yaml``.
"""
