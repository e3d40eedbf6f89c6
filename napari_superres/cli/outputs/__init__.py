"""What commands write besides results.

``reports``    where reports may be written, and the command that made them
``maps``       writes the maps of ``superres evaluate --maps`` and ``superres trust``
``demo_page``  the page of ``superres demo``, which fills ``demo.html``
"""
