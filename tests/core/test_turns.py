import numpy as np
import pytest
import torch

from napari_superres.core.turns import Turn, iter_turns


@pytest.mark.parametrize("mirrored", ["YX", "ZYX"])
def test_every_turn_is_another_and_undoes_itself(mirrored):
    array = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    turns = list(iter_turns(mirrored))
    assert turns[0] == Turn()
    assert len({turn.apply(array).tobytes() + bytes(turn.apply(array).shape) for turn in turns}) == 2 * 2 ** len(
        mirrored
    )
    for turn in turns:
        np.testing.assert_array_equal(turn.undo(turn.apply(array)), array)


def test_tensors_turn_as_arrays_do():
    array = np.arange(24).reshape(2, 3, 4)
    for turn in iter_turns("ZYX"):
        np.testing.assert_array_equal(turn.apply(torch.from_numpy(array)).numpy(), turn.apply(array))


def test_y_and_x_are_exchanged_before_they_are_mirrored():
    array = np.array([[1, 2], [3, 4]])
    assert Turn(True, "Y").apply(array).tolist() == [[2, 4], [1, 3]], "a quarter turn"
    assert Turn(False, "X").apply(array).tolist() == [[2, 1], [4, 3]]


def test_axes_are_found_by_name():
    array = np.arange(24).reshape(2, 3, 4)
    turned = Turn(True, "X").apply(array, "XCY")
    assert turned.shape == (4, 3, 2)
    np.testing.assert_array_equal(turned, array.transpose(2, 1, 0)[::-1])


def test_pixels_that_are_not_square_are_only_mirrored():
    assert list(iter_turns("X", exchanged=False)) == [Turn(), Turn(False, "X")]
