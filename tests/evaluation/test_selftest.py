import subprocess
import sys

from napari_superres.evaluation import KnownAnswer, run_selftest
from napari_superres.evaluation.metrics import full_reference


def test_every_known_answer_is_found():
    answers = run_selftest()
    assert len(answers) >= 20
    assert len({a.name for a in answers}) == len(answers)
    assert [a for a in answers if not a.passed] == []


def test_a_wrong_number_is_caught(monkeypatch):
    monkeypatch.setattr(full_reference, "psnr", lambda *_, **__: 20.1)
    failed = [a.name for a in run_selftest() if not a.passed]
    assert any("PSNR" in name for name in failed)


def test_not_a_number_does_not_pass():
    assert not KnownAnswer("x", float("nan"), 1.0, 1.0).passed


def test_evaluation_does_not_load_torch():
    code = "import napari_superres.evaluation, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
