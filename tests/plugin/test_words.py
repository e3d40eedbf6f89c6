"""Cards, plans and progress in words."""

from types import SimpleNamespace

import numpy as np

from napari_superres.models import ModelCard, find_card, list_models
from napari_superres.plugin.widgets.common.card_html import card_html, in_groups, model_label
from napari_superres.plugin.widgets.common.wording import byte_count, duration, plan_text, progress_text


def card(**facts):
    return ModelCard(name="mine", architecture="x", scale=(2, 2), modality="fluorescence", **facts)


def test_cards_from_files_cannot_inject():
    text = card_html(card(title="<script>x</script>", license="<b>", citation='<a href="x">doi:10.1/x</a>'), whole=True)
    assert "<script" not in text
    assert text.count("<a ") == 1  # ours, to fold the card


def test_scores_are_shown_next_to_bicubic():
    text = card_html(
        card(scores={"Set5": {"psnr": 36.7, "bicubic_psnr": 33.65}, "validation": {"psnr": 1}}), whole=False
    )
    assert "36.70 dB (bicubic 33.65)" in text
    assert "alidation" not in text


def test_scores_are_shown_next_to_the_best_baseline():
    entry = {
        "psnr": 32.15,
        "bicubic_psnr": 29.54,
        "lanczos_psnr": 29.91,
        "zero_filling_psnr": 29.95,
        "ssim": 0.8,
        "bicubic_ssim": 0.7,
        "lanczos_ssim": 0.6,
        "note_psnr": "?",
        "least_gain_over_best_baseline_db": -1.22,
    }
    short, whole = (card_html(card(scores={"heads": entry}), whole=w) for w in (False, True))
    assert "32.15 dB (bicubic 29.54, zero-filling 29.95)" in short
    assert "0.8000 SSIM (bicubic 0.7000)" in whole
    assert "-1.22 dB relative to the best baseline in the worst image" in whole
    assert "worst" not in short


def test_a_card_says_whether_it_takes_planes_or_volumes():
    assert "(planes,\u00a0x2)" in card_html(card(), whole=False)
    assert "(5 planes along T,\u00a0x2)" in card_html(card(frames=5), whole=False)


def test_a_card_says_what_the_network_is_told():
    told = card(conditions={"psf_sigma": (0, 2), "gain": (0, 0.1)})
    line = "<b>Adapts to:</b> noise and a known PSF with a sigma of up to 2 pixels of the result"
    assert line in card_html(told, whole=True)
    assert "Adapts" not in card_html(card(), whole=True)


def test_whole_card_cites_with_a_link():
    text = card_html(card(citation="Ours. doi:10.1000/182"), whole=True)
    assert 'href="https://doi.org/10.1000/182"' in text


def test_models_are_grouped_with_interpolation_last():
    groups = in_groups(list_models())
    assert all(c.is_interpolation for c in groups[-1])
    assert not any(c.is_interpolation for group in groups[:-1] for c in group)
    assert model_label(find_card("bicubic-x2")) == "bicubic-x2 · interpolation"


def test_durations_and_sizes_have_readable_units():
    assert [duration(s) for s in (0.02, 0.12, 42, 600, 7300)] == ["0.1 s", "0.1 s", "42 s", "10 min", "2 h 2 min"]
    assert [byte_count(n) for n in (12, 2_290_000, 3.1e9)] == ["12 B", "2.29 MB", "3.1 GB"]
    assert progress_text(SimpleNamespace(done=0, total=5, remaining=None)) == "Computing…"
    assert progress_text(SimpleNamespace(done=2, total=5, remaining=3.0)) == "2 of 5, about 3.0 s left"


def test_a_plan_shows_its_duration_if_it_is_known():
    image = SimpleNamespace(axes="YX", shape=(20, 30), dtype=np.dtype("uint16"))
    region = {"Y": (0, 20), "X": (0, 30)}
    plan = SimpleNamespace(device="cpu", region=region, told=None)
    facts = {"shape": (40, 60), "memory_bytes": 1_230_000}
    begin = "20 × 30 to 40 × 60 pixels (4.8 kB). Takes about "
    known, unknown = (SimpleNamespace(seconds=s, tiles=t, **facts) for s, t in ((42.0, 1), (None, 6)))
    assert plan_text(image, plan, known) == f"{begin}42 s and 1.2 MB of memory on cpu, in 1 step."
    part = SimpleNamespace(**{**vars(plan), "region": {"Y": (3, 8), "X": (0, 30)}})
    assert plan_text(image, part, SimpleNamespace(**{**vars(known), "shape": (10, 60)})).startswith(
        "5 × 30 of 20 × 30 to 10 × 60 pixels (1.2 kB)."
    )
    assert plan_text(image, plan, unknown) == f"{begin}1.2 MB of memory on cpu, in 6 steps."


def test_a_card_draws_its_grid():
    grid = {
        "psf_sigma": [0, 1],
        "photons": [None, 30],
        "over_bicubic": [[1.2, 2], [0.4, -0.3]],
        "over_classical": [[0.8, 0.1], [-0.1, -0.9]],
        "worst": -0.9,
        "worst_image": "<b>cells</b>",
        "images": 3,
    }
    short, whole = (card_html(card(grid=grid), whole=w) for w in (False, True))
    assert "<table" not in short
    small = "<td><small>{}</small></td>".format
    for cell in ("no noise", small("0") + small("++ +1.2") + small("- +0.4"), small("+ +2.0") + small("-- -0.3")):
        assert cell in whole
    assert "-0.90 dB relative to bicubic (&lt;b&gt;cells" in whole
    marked = card_html(card(grid=grid), whole=True, marker=(1, 1))
    assert "<b>[-- -0.3]</b>" in marked
    assert ("[your image]" in marked, "[your image]" in whole) == (True, False)
