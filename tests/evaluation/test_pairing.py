"""Files of one image are found by their stems; what has no partner is listed, once."""

from pathlib import Path

import pytest

from napari_superres.errors import EvaluationError
from napari_superres.evaluation.pairing import Trio, Unpaired, pair_by_stem, pair_files


@pytest.fixture
def folders(tmp_path):
    """Return folders of results, references and inputs; a file is known by its name alone."""
    names = {
        "sr": ("a_fluo-x2.ome.tif", "b_fluo-x2.tif", "lonely.tif"),
        "ref": ("a.png", "b.tif", "forgotten.tif"),
        "lr": ("a.tif", "forgotten.tif"),
    }
    for folder, files in names.items():
        (tmp_path / folder).mkdir()
        for name in files:
            (tmp_path / folder / name).write_bytes(b"")
    return tuple(tmp_path / folder for folder in names)


def test_stems_are_paired_with_the_longest_that_fits():
    pairs = pair_by_stem(["cells_x2", "cells_day2_x2", "cellsx", "mri"], ["cells", "cells_day2", "mri"])
    assert pairs == {"cells_x2": "cells", "cells_day2_x2": "cells_day2", "cellsx": None, "mri": "mri"}


def test_results_are_paired_with_references(folders):
    sr, ref, _ = folders
    trios, unpaired = pair_files(sr, ref, None)
    assert trios == [
        Trio("a_fluo-x2", sr / "a_fluo-x2.ome.tif", ref / "a.png", None),
        Trio("b_fluo-x2", sr / "b_fluo-x2.tif", ref / "b.tif", None),
    ]
    assert unpaired == [Unpaired("lonely", "reference", ref), Unpaired("forgotten", "result", sr)]


def test_results_need_their_inputs_where_there_is_a_folder_of_them(folders):
    sr, ref, lr = folders
    trios, unpaired = pair_files(sr, ref, lr)
    assert trios == [Trio("a_fluo-x2", sr / "a_fluo-x2.ome.tif", ref / "a.png", lr / "a.tif")]
    assert Unpaired("b_fluo-x2", "input", lr) in unpaired


def test_without_results_inputs_are_paired_with_references(folders):
    _, ref, lr = folders
    trios, unpaired = pair_files(None, ref, lr)
    assert trios == [
        Trio("a", None, ref / "a.png", lr / "a.tif"),
        Trio("forgotten", None, ref / "forgotten.tif", lr / "forgotten.tif"),
    ]
    assert [(u.name, u.reason, u.folder) for u in unpaired] == [("b", "no input of this name", lr)]


def test_something_must_be_paired(folders):
    with pytest.raises(EvaluationError, match="a folder of results or one of inputs"):
        pair_files(None, Path(folders[1]), None)


def test_two_files_of_one_stem_are_both_named(folders):
    sr, ref, _ = folders
    (ref / "a.tif").write_bytes(b"")
    with pytest.raises(EvaluationError, match=r"a\.png and a\.tif .* which of them is meant"):
        pair_files(sr, ref, None)
