"""DICOM: single files, multi-frame files and folders of slices. Read only.

Begin with ``read.scan``. Only `napari_superres.io` imports this folder. pydicom reads the elements and decodes the
pixels; nibabel reads Siemens's private header.

``read``     finds the series of a folder and stacks their slices
``dataset``  reads the elements that describe the pixels, and no more of a file than it holds
``header``   the tags of a slice or a file that say where it lies; never who was imaged
``kinds``    says what an object is that holds no image, and what reads it
``stack``    orders the slices of a series and checks that they form an even, straight stack
``frames``   orders the frames of a multi-frame file, or the volumes of a series, by place, time and other dimensions
``mosaic``   the slices of Siemens mosaics
``decode``   checks that a file can hold its pixels, and decodes them
``values``   turns stored numbers into intensities or colours, and finds what was not measured
"""
