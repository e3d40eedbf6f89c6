"""Formats of microscopes, read only, each by a library of the extra ``formats``.

``bio``  CZI, ND2 and LIF by the plug-ins of bioio
``mrc``  MRC, the format of electron cryomicroscopy and tomography, by mrcfile
"""
