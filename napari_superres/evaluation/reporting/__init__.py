"""Answers, tables and pages made from measurements.

Begin with ``questions``, whose functions turn measurements into answers, and ``report.Report``, which carries all rows
and answers.

``questions``  the questions that a report answers, one function each, and what all answers mean together
``additions``  those about what a result adds: places, grids, fine detail
``rivals``     those that compare it with interpolation, classical methods and the reference itself
``channels``   what is measured of each channel and colour
``findings``   `Findings` and `examine`: everything measured of one image beyond metrics
``objects``    the table of objects, the bound over images, and whether they can be measured better
``report``     `Report`: rows and answers as a table, JSON, CSV and HTML (schema: ``report.schema.json``)
``about``      who, what and when; one line per file where many have no reference
``verdict``    all answers in one sentence, and what to do about each
``exhibits``   the place where a check failed, in all images
``spots``      places of a result, in the words that all texts share
``page``       the HTML page with its pictures and tables
``paper``      text, checklist and figure for a paper
``gates``      conditions on the rows, met or not, for pipelines
"""
