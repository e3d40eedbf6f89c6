"""File > Open Sample: real images as pairs of a low- and a high-resolution layer."""

from napari_superres.core.grid import upscale_affine
from napari_superres.io import list_samples, read_image, sample_path
from napari_superres.plugin.host.layers import LayerData
from napari_superres.plugin.host.reader import image_layers


def sample_layers(name: str) -> list[LayerData]:
    """Return the layers of a sample: the high-resolution reference, hidden, below the low-resolution image.

    Parameters
    ----------
    name
        As in `napari_superres.io.list_samples`.

    Raises
    ------
    SettingsError
        If there is no such sample; the message lists them.
    """
    sample_path(name)  # raises for an unknown name
    entry = next(e for e in list_samples() if e["name"] == name)
    layers = []
    for file, words, visible in ((entry["hr"], "HR reference", False), (entry["lr"], "LR", True)):
        image = read_image(sample_path(file))
        if file == entry["hr"] and not image.has_pixel_size:
            # Nothing in the file says that it shows the same field: the pixels of the other one are the unit.
            image = image.replace(affine=upscale_affine(image.affine, [entry["scale"]] * len(image.spatial)))
        for data, keywords, kind in image_layers(image, f"{name} {words}"):
            metadata = {**keywords["metadata"], "path": str(sample_path(file))}
            layers.append((data, {**keywords, "visible": visible, "metadata": metadata}, kind))
    return layers


def nuclei() -> list[LayerData]:
    """Return nuclei in fluorescence, one plane."""
    return sample_layers("nuclei")


def nuclei_stack() -> list[LayerData]:
    """Return nuclei in fluorescence, a stack."""
    return sample_layers("nuclei-stack")


def brain() -> list[LayerData]:
    """Return a slab of a brain MRI."""
    return sample_layers("brain")


def chelsea() -> list[LayerData]:
    """Return a colour photograph."""
    return sample_layers("chelsea")
