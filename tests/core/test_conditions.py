"""The values that conditioned networks were trained with."""

import pytest

from napari_superres.core.conditions import encode


@pytest.mark.parametrize(
    ("name", "value", "told"), [("psf_sigma", 1.5, 0.75), ("gain", 0.04, 0.6), ("read_noise", 0.1, 0.5)]
)
def test_a_condition_is_told_as_in_training(name, value, told):
    assert encode(name, value) == pytest.approx(told)
