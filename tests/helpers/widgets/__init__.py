"""Helpers for the tests of Compare (``curtain_layers``), Batch (``batch_files``), Models and Train."""
