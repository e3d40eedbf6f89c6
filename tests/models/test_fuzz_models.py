"""Damaged model files, checkpoints, packages and caches end in an error of ours, soon and in little memory."""

import os
import sys
import time
import warnings

import pytest
from helpers.fuzz.models.kinds import KINDS, write_case

from napari_superres.errors import SuperResError
from napari_superres.models.foreign import confined

SEED = int(os.environ.get("SUPERRES_FUZZ_SEED", "19"))
CASES = int(os.environ.get("SUPERRES_FUZZ_CASES", "100"))
PER_TEST = 10
LONGEST_S, MOST_BYTES = 5.0, 2**28


@pytest.fixture(scope="module", autouse=True)
def samples():
    """Make the sound files first: the libraries that this imports are no part of a case."""
    for kind in KINDS:
        assert kind.samples()


@pytest.mark.parametrize("first", range(0, CASES, PER_TEST))
def test_damaged_files_end_in_an_error_of_ours(first, tmp_path, monkeypatch):
    """Time is that of this process: limits on others are tested elsewhere."""
    monkeypatch.setattr(confined, "STEP_S", 20.0)
    for index in range(first, min(first + PER_TEST, CASES)):
        folder = tmp_path / str(index)
        folder.mkdir()
        kind, path = write_case(SEED, index, folder)
        name = f"{kind.name}, seed {SEED}, case {index}: {path}"
        memory, begun, message = _peak(), time.process_time(), ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                kind.use(path)
        except SuperResError as error:
            message = str(error)
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error}") from error
        assert "\n" not in message, name
        assert len(message) < 2000, name
        assert time.process_time() - begun < LONGEST_S, name
        assert _peak() - memory < MOST_BYTES, name


def _peak():
    """Return the largest memory that this process ever had, in bytes."""
    resource = pytest.importorskip("resource", reason="this system does not know the memory of processes")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
