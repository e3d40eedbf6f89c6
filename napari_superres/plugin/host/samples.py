"""File > Open Sample: real images, each as a low-resolution and a high-resolution layer."""

from napari_superres.core.grid import upscale_affine
from napari_superres.io import list_samples, read_image, sample_path
from napari_superres.plugin.host.layers import LayerData
from napari_superres.plugin.host.reader import image_layers


def sample_layers(name: str) -> list[LayerData]:
    """Return the layers of a sample: the hidden high-resolution reference below the low-resolution image.

    Parameters
    ----------
    name
        One of `napari_superres.io.list_samples`.

    Raises
    ------
    SettingsError
        If no sample has this name. The message lists the samples.
    """
    sample_path(name)  # Raises SettingsError for an unknown name.
    entry = next(e for e in list_samples() if e["name"] == name)
    layers = []
    for file, suffix, visible in ((entry["hr"], "HR reference", False), (entry["lr"], "LR", True)):
        image = read_image(sample_path(file))
        if file == entry["hr"] and not image.has_pixel_size:
            # The file has no pixel size. The grid that covers the low-resolution image's field is taken.
            image = image.replace(affine=upscale_affine(image.affine, [entry["scale"]] * len(image.spatial)))
        for data, keywords, kind in image_layers(image, f"{name} {suffix}"):
            metadata = {**keywords["metadata"], "path": str(sample_path(file))}
            layers.append((data, {**keywords, "visible": visible, "metadata": metadata}, kind))
    return layers


def nuclei() -> list[LayerData]:
    """Return one plane of nuclei in fluorescence."""
    return sample_layers("nuclei")


def nuclei_stack() -> list[LayerData]:
    """Return a stack of nuclei in fluorescence."""
    return sample_layers("nuclei-stack")


def brain() -> list[LayerData]:
    """Return a slab of a brain MRI."""
    return sample_layers("brain")


def chelsea() -> list[LayerData]:
    """Return a colour photograph."""
    return sample_layers("chelsea")
