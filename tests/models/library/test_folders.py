"""What users say of a folder is remembered without its path."""

import pytest

from napari_superres.models.library.folders import remember_kind, remembered_kind


@pytest.fixture(autouse=True)
def library(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library" / "models"))
    return tmp_path / "library"


def test_the_last_answer_for_a_folder_counts(library, tmp_path):
    folder = tmp_path / "Jane Doe"
    assert remembered_kind(folder) is None
    remember_kind(folder, "CT")
    remember_kind(tmp_path, "photograph")
    remember_kind(folder, "MRI")
    assert (remembered_kind(folder), remembered_kind(tmp_path)) == ("MRI", "photograph")
    assert "Jane" not in (library / "folders.json").read_text()


@pytest.mark.parametrize("content", ["{", "[1]", "\xff"])
def test_a_damaged_file_remembers_nothing(library, tmp_path, content):
    library.mkdir()
    (library / "folders.json").write_text(content)
    assert remembered_kind(tmp_path) is None
    remember_kind(tmp_path, "CT")
    assert remembered_kind(tmp_path) == "CT"
