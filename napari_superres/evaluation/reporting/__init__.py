"""Answers, tables and pages made from measurements.

Begin with ``questions``, which asks what a user asks, and ``report.Report``, which carries all rows and answers.
``evaluation.images`` and ``evaluation.folder`` import this room.

``questions``  the questions of a report and their answers for one image
``findings``   the same for a folder of images
``report``     `Report`: rows and answers, as JSON, CSV and HTML (schema: ``report.schema.json``)
``page``       the HTML page; ``figures`` its pictures
``gates``      pass or fail for pipelines
"""
