"""No network sees the transparency of RGBA: the colours are those of RGB, and what is opaque stays opaque."""

import numpy as np
import pytest
from scipy.ndimage import zoom

from napari_superres import upscale
from napari_superres.errors import SuperResWarning

COLOUR = np.random.default_rng(5).random((18, 22, 3))


def with_alpha(colour, alpha):
    return np.concatenate([colour, np.broadcast_to(alpha, colour.shape[:2])[..., None].astype(colour.dtype)], axis=-1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("architecture", "card"),
    [("espcn", {}), ("espcn", {"color": "luma"}), ("edsr", {"channels": 3}), ("espcn", {"scale": (3, 3)})],
    ids=str,
)
def test_opaque_images_stay_opaque_and_their_colours_are_those_without_alpha(toy, architecture, card, dtype):
    model = toy(architecture, **card)
    # Twelve of sixteen bits: the alpha of 65535 lies far from the colours.
    top, opaque = {"uint8": (255, 255), "uint16": (4095, 65535), "float32": (0.1, 1.0)}[dtype]
    colour = (COLOUR * top).astype(dtype)
    found = upscale(with_alpha(colour, opaque), model, axes="YXS", tile=13).data
    np.testing.assert_array_equal(found[..., :3], upscale(colour, model, axes="YXS", tile=13).data)
    assert (found[..., 3] == opaque).all()


@pytest.mark.parametrize("model", ["bicubic-x2", "lanczos-x3", "espcn"])
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_alpha_is_interpolated_linearly_and_tiles_do_not_show(toy, model, dtype):
    model = toy() if model == "espcn" else model
    alpha = (np.random.default_rng(6).random((18, 22)) * 255).astype(dtype)
    image = with_alpha((COLOUR * 255).astype(dtype), alpha)
    whole = upscale(image, model, axes="YXS").data[..., 3]
    scale = whole.shape[0] // 18
    exact = zoom(alpha.astype(float), scale, order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(whole, np.rint(exact) if dtype == "uint8" else exact, atol=1e-9)
    np.testing.assert_array_equal(upscale(image, model, axes="YXS", tile=13).data[..., 3], whole)


def test_planes_of_a_stack_and_pixels_without_a_value(toy):
    stack = np.stack([with_alpha(COLOUR, 1.0), with_alpha(COLOUR, 0.25)])
    stack[0, 3, 4] = np.nan
    with pytest.warns(SuperResWarning, match="NaN or infinite"):
        found = upscale(stack, toy(), axes="TYXS", tile=13).data
    assert np.isnan(found[0, 6:8, 8:10]).all()
    assert (found[0, ..., 3][np.isfinite(found[0, ..., 3])] == 1.0).all()
    assert (found[1, ..., 3] == 0.25).all()
