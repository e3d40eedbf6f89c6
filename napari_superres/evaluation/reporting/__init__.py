"""Answers, tables and pages made from measurements.

Begin with ``questions``, whose functions turn measurements into answers, and ``report.Report``, which carries all rows
and answers.

``questions``  the questions that a report answers, one function each, and what all answers mean together
``additions``  those about what a result adds: places, grids, fine detail
``rivals``     those that compare it with interpolation, classical methods and the reference itself
``channels``   what is measured of each channel and colour
``findings``   `Findings` and `examine`: everything measured of one image beyond metrics
``report``     `Report`: rows and answers as a table, JSON, CSV and HTML (schema: ``report.schema.json``)
``page``       the HTML page; ``figures`` its pictures
``gates``      conditions on the rows, met or not, for pipelines
"""
