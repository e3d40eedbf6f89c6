"""Where files are: on disks, written all or nothing, and at addresses, ``https://``, ``s3://`` and ``gs://``.

Nothing is sent over a network unless an address is given.

``atomic``      files on a disk that are written completely or not at all
``address``     `RemotePath`: an address as a path
``client``      requests to an object store or web server, with retries, timeouts and errors in words
``web``         a file of any web server by one request, with errors in words
``zarr_store``  the store that zarr reads and writes at an address
"""

from napari_superres.storage.address import HiddenRemotePath, RemotePath, as_path, is_address

__all__ = ["HiddenRemotePath", "RemotePath", "as_path", "is_address"]
