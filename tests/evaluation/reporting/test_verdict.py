"""One sentence for all answers, which never says more than is known."""

import re
from pathlib import Path

import pytest
from helpers.scenes.reported import make_case

from napari_superres import evaluate, upscale
from napari_superres.evaluation import reporting
from napari_superres.evaluation.reporting.questions import Answer
from napari_superres.evaluation.reporting.verdict import judge, next_step

REAL = "Is the added fine detail real?"


def answers(*states, last=REAL):
    return [Answer(f"Question {i}?", state, "") for i, state in enumerate(states[:-1])] + [Answer(last, states[-1], "")]


@pytest.mark.parametrize(
    ("states", "level", "start"),
    [
        (("yes", "no", "yes"), "failed", "Do not use: 1 of 3 checks failed"),
        (("yes", "no", "doubtful"), "failed", "Do not use: 1 of 3 checks failed"),
        (("yes", "doubtful", "not measurable"), "doubtful", "Use with care: 1 of 3 checks is doubtful"),
        (("yes", "yes", "yes"), "passed", "No check failed: 3 of 3 checks passed."),
        (("not measurable", "yes", "yes"), "passed", "No check failed: 2 of 3 checks passed, 1 could not be made."),
        (("yes", "yes", "not measurable"), "open", "Nothing speaks against it, but whether its fine detail is real"),
        (("not measurable", "not measurable"), "open", "Hardly anything could be checked: 0 of 2 checks passed"),
        (("not measurable", "yes", "not measurable"), "open", "Hardly anything could be checked: 1 of 3 checks passed"),
    ],
)
def test_the_worst_answer_decides(states, level, start):
    verdict = judge({"a": answers(*states)})
    assert verdict.level == level
    assert verdict.sentence.startswith(start)


def test_without_answers_nothing_is_judged():
    assert judge({}).level == "open"


def test_of_several_images_the_bad_one_is_named():
    sentence = judge({"good": answers("yes", "yes"), "bad": answers("yes", "no")}).sentence
    assert sentence.startswith(
        "No check failed in 1 of 2 images. Do not use the other (bad), where 1 of 4 checks failed: bad: the result"
    )
    fine, doubtful = answers("yes", "yes"), answers("yes", "doubtful")
    sentence = judge({"fine": fine, **{f"{i}.tif": doubtful for i in range(7)}}).sentence
    assert sentence.startswith(
        "Nothing is doubtful in 1 of 8 images. Use the other 7 (0.tif, 1.tif, 2.tif, 3.tif, 4.tif and 2 more) with care"
    )


def test_every_answer_that_is_not_yes_has_a_next_step():
    for question in (REAL, "Does it lie on the reference?", "Something new?"):
        for state in ("no", "doubtful"):
            assert next_step(Answer(question, state, "")), question
    assert next_step(Answer(REAL, "yes", "")) == ""
    assert "reference" in next_step(Answer(REAL, "not measurable", ""))


QUESTIONS = re.compile(r'"((?:Is|Does|Are) [^"{]*\?)"')


def test_every_question_has_words_of_its_own():
    folder = Path(reporting.__file__).parent
    asked = {q for path in folder.rglob("*.py") for q in QUESTIONS.findall(path.read_text("utf-8"))}
    assert len(asked) > 12
    for question in (*asked, "Does it lie on the reference?", "Does it lie on its input?"):
        assert judge({"a": [Answer(question, "no", "")]}).sentence.count("fails a check") == 0, question


def test_one_answer_about_all_images_counts_once():
    common = Answer("Does it beat interpolation?", "yes", "better in 6 of 6")
    images = {name: [common, *answers("yes", "yes")] for name in "abc"}
    assert judge(images).sentence.endswith("7 of 7 checks passed.")


def test_an_interpolated_result_is_called_that_and_no_guess_of_a_model():
    """By its record, or because it equals the interpolated input."""
    case = make_case()
    plain = upscale(case.lr, "bicubic-x2")
    recorded = case.result
    for result in (plain.replace(metadata={}), recorded):
        found = evaluate(result, None, lr=case.lr).findings["image"]
        (answer,) = (a for a in found.answers if "fine detail" in a.question)
        assert answer.state == "not measurable"
        assert answer.reason.startswith("the result is itself interpolated, so it adds no detail")
