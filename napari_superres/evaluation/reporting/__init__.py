"""Answers, tables and pages made from measurements.

Begin with ``questions``, whose functions turn measurements into answers, and ``report.Report``, which carries all rows
and answers.

``questions``  the questions that a report answers, one function each
``findings``   `Findings` and `examine`: everything measured of one image beyond metrics
``objects``    the table of objects, the bound over images, and whether they can be measured better
``report``     `Report`: rows and answers as a table, JSON, CSV and HTML (schema: ``report.schema.json``)
``page``       the HTML page; ``figures`` its pictures
``gates``      conditions on the rows, met or not, for pipelines
"""
