"""What the Models widget says of a model, and what it does in threads."""

import pytest
from helpers.widgets.tiny_models import FOUND

from napari_superres.errors import UntrustedModelError
from napari_superres.models import ModelCard
from napari_superres.models.foreign.trust import fingerprint
from napari_superres.plugin.widgets.models import work as library_work
from napari_superres.plugin.widgets.models.card_text import measurement_text, properties_html


def test_measurements_are_said_in_lines():
    assert measurement_text(FOUND).splitlines() == [
        "Measured here: tiles are not exact (largest error 0.01 of the range).",
        "Halo: 5 × 4 px measured, 4 × 4 px on the card.",
        "Layers that depend on the whole image: 2 (mean).",
        "No halo is large enough for exact tiles.",
        "Speed on cuda0: 12.3 megapixels of the result per second.",
        "fp16 on cuda0: 61 dB compared with fp32.",
    ]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "exact"),
        ({"global_statistics": True}, "exact, after measuring statistics of the whole image"),
        ({"bounded": False}, "not possible: each image must fit into one"),
        ({"bounded": False, "tile_error": 0.004}, "may be visible in large images (0.004 of the range)"),
    ],
)
def test_properties_say_whether_tiles_are_exact(facts, words):
    card = ModelCard(name="mine", architecture="x", scale=(2, 2), license="MIT", **facts)
    assert properties_html(card) == f"<b>Halo:</b> 0 × 0 px<br><b>Tiles:</b> {words}"


def test_only_the_program_that_was_allowed_runs(tmp_path, monkeypatch):
    asked_of = []

    def careful(path, *, trust=False):
        asked_of.append(trust)
        raise UntrustedModelError(f"{path.name} is a program")

    monkeypatch.setattr(library_work, "add_model", careful)
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))
    path = tmp_path / "tiny.pt"
    path.write_bytes(b"program")
    allowed = library_work.add(path).sha256
    path.write_bytes(b"another program")
    assert library_work.add(path, allowed=allowed).sha256 == fingerprint(path) != allowed
    assert asked_of == [False, False]
    with pytest.raises(UntrustedModelError):  # never asked about twice
        library_work.add(path, allowed=fingerprint(path))
