"""The widgets, one folder each: ``upscale`` (Super-resolve), ``compare``, ``batch``, ``train`` and ``models``.

Begin with the folder's ``widget``. Each folder also holds what only its widget needs; ``common`` holds what they share.
Nothing but ``plugin.demo`` and the manifest imports a widget.
"""
