"""Data by address: OME-Zarr at ``https://``, ``s3://`` and ``gs://``. Nothing here is used unless an address is given.

``path``    `RemotePath`, `as_path`: an address as a path
``client``  requests to an object store or web server, with retries, timeouts and errors in words
``store``   the store that zarr reads and writes
"""

from napari_superres.remote.path import HiddenRemotePath, RemotePath, as_path, is_address

__all__ = ["HiddenRemotePath", "RemotePath", "as_path", "is_address"]
