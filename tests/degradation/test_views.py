"""Two views of one scene: the parallax that was asked for, what stands before a scene, and the position of pixels."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_superres.degradation.instruments import make_instrument, views

CLEAR = {"kind": "views", "psf_sigma": [0.8, 0.8], "read_noise": [0.0, 0.0]}


def scenes(count=6, edge=64, margin=(36, 36), seed=0):
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.random((count, 1, edge // 4, edge // 4)).astype(np.float32))
    size = [edge + 2 * m for m in margin]
    return F.interpolate(coarse, size, mode="bicubic", align_corners=True)


@pytest.fixture
def plain(monkeypatch):
    """Leave out everything but the parallax."""
    for name in ("_FOREGROUND_CHANCE", "_RELIEF", "_ROW_ERROR", "_GAIN_ERROR"):
        monkeypatch.setattr(views, name, 0.0)


def test_the_first_view_is_what_one_camera_records(plain):
    instrument, alone = make_instrument(CLEAR), make_instrument({**CLEAR, "kind": "optics"})
    high = scenes(margin=instrument.margin((2, 2)))
    low, kept = instrument.expose(high, None, (2, 2), np.random.default_rng(0))
    assert low.shape == (6, 2, 32, 32)
    assert kept.shape == (6, 1, 64, 64)
    room = instrument.margin((2, 2))[0] - alone.margin((2, 2))[0]
    inner = high[..., room:-room, room:-room]
    single, target = alone.expose(inner, None, (2, 2), np.random.default_rng(0))
    assert torch.allclose(low[:, :1], single, atol=1e-6)
    assert torch.equal(kept, target)


@pytest.mark.parametrize("parallax", [0.0, 6.0, 32.0])
def test_the_second_view_shows_the_scene_from_the_side(plain, parallax):
    instrument = make_instrument({**CLEAR, "parallax": [parallax, parallax]})
    high = scenes(12, 128, margin=instrument.margin((2, 2)))
    low, _ = instrument.expose(high, None, (2, 2), np.random.default_rng(0))
    way = int(parallax) // 2
    ways = set()
    for first, second in low:
        errors = {side: float((second - first.roll(-side * way, -1))[:, 17:-17].abs().mean()) for side in (1, -1)}
        if way < 16:
            ways.add(min(errors, key=errors.get))
            assert min(errors.values()) < 2e-3
    assert way in (0, 16) or ways == {1, -1}, "to both sides"


def test_something_stands_before_the_scene_in_both_views(monkeypatch):
    monkeypatch.setattr(views, "_FOREGROUND_CHANCE", 1.0)
    instrument = make_instrument({**CLEAR, "parallax": [0.0, 0.0]})
    dark, bright = torch.zeros(1, 1, 160, 160), torch.ones(1, 1, 160, 160)
    first, second = instrument.see(torch.cat([dark, bright] * 4), np.random.default_rng(0))
    for view in (first, second):
        share = view[::2].mean(dim=(1, 2, 3))
        assert float(share.min()) > 0.02, "something bright before each dark scene"
        assert float(share.max()) < 0.98
    assert not torch.equal(first, second)


def test_cards_say_what_was_done():
    said = make_instrument({**CLEAR, "parallax": [0, 20]}).describe()
    assert said.startswith("Two views, parallax 0-20 fine pixels; Gaussian PSF, sigma 0.8 fine pixels; binning")
