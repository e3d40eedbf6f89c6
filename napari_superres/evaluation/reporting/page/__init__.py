"""The report as one HTML page that needs no other file and no network.

Begin with ``render.render``, which fills the template.

``contents``       what the page shows of a report: its verdict, cards, answers, tables, in words and pictures
``render``         fills ``template.html`` and ``style.css``
``columns``        the columns of the tables
``figures``        maps and curves
``drawing``        crops with ring and scale bar, thumbnails
"""
