"""What the answers of a report mean together, and what to do about each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from napari_superres.evaluation.reporting.exhibits import Exhibit
from napari_superres.evaluation.reporting.questions import Answer, State

Level = Literal["failed", "doubtful", "open", "passed"]

DECISIVE = "Is the added fine detail real?"
"""The question without which no report is a success."""

OF_ALL = ("Does it beat interpolation?", "Does it help my measurement?")
"""Questions that have one answer for all images of a folder."""

_NAMED = 5
"""Images that a verdict names."""

SEVERITY: Mapping[State, int] = {"no": 0, "doubtful": 1, "not measurable": 2, "yes": 3}


class Advice(NamedTuple):
    """What an answer that is not yes means.

    Attributes
    ----------
    failed
        What is wrong, as the end of the sentence "The result ...".
    meaning
        What follows for a user of the result.
    remedy
        What to do.
    """

    failed: str
    meaning: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answers of a report in one sentence.

    Attributes
    ----------
    level
        ``"failed"`` if a check failed, ``"doubtful"`` if one is doubtful, ``"open"`` if what matters most could not be
        checked, else ``"passed"``.
    sentence
        The sentence.
    """

    level: Level
    sentence: str


_ADVICE = {
    "every pixel": Advice(
        "has pixels that are not numbers",
        "A part of the field is missing. No check can say anything about it, and sums over the field are wrong.",
        "Make the result again. If the part is missing in the input, too, mask it.",
    ),
    "pixel size": Advice(
        "has a pixel size that does not fit",
        "Lengths and areas that are measured in it are wrong.",
        "Correct the pixel size in the file, or give it as `pixel_size`.",
    ),
    "lie on the reference": Advice(
        "does not lie on the reference",
        "The metrics measure the shift more than the result.",
        "Set `register`, or correct pixel size and origin in the files.",
    ),
    "lie on its input": Advice(
        "does not lie on its input",
        "What it shows is not where the input has it.",
        "Check that the input is that of the result, and the origins in both files.",
    ),
    "channels": Advice(
        "has its channels in another order",
        "Each channel is compared with the image of another stain.",
        "Reorder the channels of one of the files.",
    ),
    "intensities linear": Advice(
        "has intensities that are not proportional to the recorded ones",
        "Brightness in it must not be compared or summed.",
        "Measure intensities in the input. Check the intensity range that the model was given.",
    ),
    "consistent with its input": Advice(
        "contradicts its input",
        "Blurred and binned again, it does not give the image that it was made from: something was added or removed.",
        "Do not use the marked place. Check that the input is that of the result; use another model, or interpolation.",
    ),
    "fine detail real": Advice(
        "shows fine detail that the reference does not confirm",
        "The detail finer than the input's pixels is the model's guess.",
        "Measure no structure finer than the input's pixels. Use a model that was trained on images like this one.",
    ),
    "interpolation": Advice(
        "is no better than interpolation",
        "The model adds nothing that interpolation would not give without its risks.",
        "Use interpolation, a classical method, or a model that was trained on images like this one.",
    ),
    "classical method": Advice(
        "is no better than a classical method",
        "Denoising or deconvolution of the same input comes as near to the reference, and invents less.",
        "Use the classical method, or a model that was trained on images like this one.",
    ),
    "every place": Advice(
        "has places that are worse than interpolation",
        "A mean over the image hides them.",
        "Do not use the marked place. Look at it in the input.",
    ),
    "my measurement": Advice(
        "does not help to measure these objects",
        "Objects are lost or invented more often than in interpolation.",
        "Measure the objects in the interpolated or denoised input.",
    ),
    "error bars": Advice(
        "lies outside its error bars too often",
        "The error bars promise more than they keep.",
        "Calibrate again, on images like this one.",
    ),
    "grids and seams": Advice(
        "shows a regular pattern that the input does not have",
        "Structures that repeat at a fixed distance are made by the program, not by the specimen.",
        "Do not measure texture in it. Upscale again, or use another model.",
    ),
    "of the reference": Advice(
        "was not made from the input alone: it holds the reference",
        "The scores say nothing about the model.",
        "Make the result again from the input.",
    ),
}
_UNKNOWN = {
    "fine detail real": "Record a reference scan of a few fields, and evaluate against it.",
    "error bars": "Calibrate on pairs of images with `calibrate_folder()`, and give the file as `calibration`.",
    "consistent with its input": "Give the input as `lr`.",
    "pixel size": "Give the pixel size as `pixel_size`.",
    "interpolation": "Evaluate at least six images.",
}


def advice(answer: Answer) -> Advice:
    """Return what an answer means and what to do about it, in general words where the question is not known."""
    # "every place" is compared with interpolation, too: the longest key that fits says what is asked.
    keys = sorted((key for key in _ADVICE if key in answer.question), key=len, reverse=True)
    found = _ADVICE[keys[0]] if keys else None
    return found or Advice("fails a check", "The result is not what it should be in this respect.", "See the reason.")


def next_step(answer: Answer) -> str:
    """Return what to do about an answer; empty if it is yes."""
    if answer.state == "yes":
        return ""
    if answer.state == "not measurable":
        if DECISIVE in answer.question and "reference" in answer.reason:
            return ""  # There is one, and the reason says what it shows.
        return next((v for key, v in _UNKNOWN.items() if key in answer.question), "")
    return advice(answer).remedy


def each_once(answers: Mapping[str, Sequence[Answer]]) -> list[tuple[str, Answer]]:
    """Return all answers with the images that they are about; those on all images together, such as a test, once."""
    found = [(name, answer) for name, group in answers.items() for answer in group]
    return list({answer if answer.question in OF_ALL else hit: hit for hit in found for answer in hit[1:]}.values())


def badness(answers: Sequence[Answer]) -> tuple[int, ...]:
    """Return what orders images, the worst first: by how many answers are no, then doubtful, then unknown."""
    return tuple(-sum(a.state == state for a in answers) for state in SEVERITY)[:3]


def judge(
    answers: Mapping[str, Sequence[Answer]], exhibits: Mapping[tuple[str, str], Exhibit] | None = None
) -> Verdict:
    """Return the answers on all images in one sentence.

    Parameters
    ----------
    answers
        Answers by image.
    exhibits
        Where a check is worst, by image and question.
    """
    groups = sorted(answers.items(), key=lambda item: badness(item[1]))
    found = each_once(dict(groups))
    if not found:
        return Verdict("open", "Not judged: nothing of it was examined beyond the metrics.")
    failed, doubtful, unknown = (
        [(n, a) for n, a in found if a.state == state] for state in ("no", "doubtful", "not measurable")
    )
    if hits := failed or doubtful:
        shown = exhibits or {}

        def is_vague(hit: tuple[str, Answer]) -> bool:
            exhibit = shown.get((hit[0], hit[1].question))
            return exhibit is None or not exhibit.claim

        # Of the worst image, a place where something is wrong tells more than a number of the whole image.
        name, answer = min((hit for hit in hits if hit[0] == hits[0][0]), key=is_vague)
        exhibit = shown.get((name, answer.question))
        subject = f"{name}: the result" if len(answers) > 1 else "the result"
        fault = exhibit.claim if exhibit is not None and exhibit.claim else advice(answer).failed
        spot = "" if exhibit is None else f" (worst at {exhibit.place})"
        images = list(dict.fromkeys(n for n, _ in hits))
        count, worst = f"{len(hits)} of {len(found)} checks", f"{subject} {fault}{spot}."
        if len(images) < len(answers) and all(a.question not in OF_ALL for _, a in hits):
            sentence = _of_some(images, len(answers), count, is_failed=bool(failed))
            return Verdict("failed" if failed else "doubtful", f"{sentence}: {worst}")
        fields = f" in {len(images)} of {len(answers)} images" if len(answers) > 1 else ""
        reason = f"{fields}: {worst}"
        if failed:
            return Verdict("failed", f"Do not use: {count} failed{reason}")
        return Verdict("doubtful", f"Use with care: {count} {'is' if len(hits) == 1 else 'are'} doubtful{reason}")
    done = f"{len(found) - len(unknown)} of {len(found)} checks passed"
    if 2 * len(unknown) > len(found):
        return Verdict("open", f"Hardly anything could be checked: {done}, {len(unknown)} could not be made.")
    rest = f", {len(unknown)} could not be made" if unknown else ""
    if len(unknown) == len(found) or any(DECISIVE in a.question for _, a in unknown):
        return Verdict(
            "open", f"Nothing speaks against it, but whether its fine detail is real is not known: {done}{rest}."
        )
    return Verdict("passed", f"No check failed: {done}{rest}.")


def _of_some(images: Sequence[str], total: int, count: str, *, is_failed: bool) -> str:
    """Return how many images are not concerned, and which are, the worst first."""
    others = len(images) - _NAMED
    named = ", ".join(images[:_NAMED]) + (f" and {others} more" if others > 0 else "")
    rest = f"{total - len(images)} of {total} images"
    other = f"the other {len(images)} ({named})" if len(images) > 1 else f"the other ({named})"
    if is_failed:
        return f"No check failed in {rest}. Do not use {other}, where {count} failed"
    are = "is" if count.startswith("1 ") else "are"
    return f"Nothing is doubtful in {rest}. Use {other} with care, where {count} {are} doubtful"
