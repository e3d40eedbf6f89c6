"""The drill: lies of many kinds are flagged on many scenes, and honest results are not."""

import pytest
from helpers.scenes.drill import MAKERS, good_result, honest_results, judge, scene
from helpers.scenes.kinds import LIES, planted
from helpers.scenes.lies import SEEN_BY_REFERENCE_ONLY

from napari_superres import evaluate

EVERYWHERE = {
    True: ("checkerboard of 3 %", "seams of 3 %", "channels swapped", "the reference", "blurred", "another field"),
    False: ("checkerboard of 3 %", "seams of 3 %", "channels swapped", "another field"),
}
"""Kinds that must be flagged on every scene, with and without a reference. The blurred is worse than interpolation."""

LEAST = {True: 38 / 41, False: 30 / 41}
"""Least share of kinds that must be flagged on most scenes, with and without a reference."""


def flagged(answers, usual=()):
    """Return the questions whose answer warns, but those that warn of the sound result as well."""
    return {q for q, (state, _) in answers.items() if state in ("no", "doubtful")} - set(usual)


@pytest.mark.slow
@pytest.mark.parametrize("with_reference", [True, False], ids=["with a reference", "without"])
def test_lies_are_flagged(with_reference):
    table = {}
    for name in MAKERS:
        usual = flagged(judge(name, good_result(name), with_reference=with_reference))
        for kind in LIES:
            result = planted(name, kind)
            if result is not None and (with_reference or kind not in SEEN_BY_REFERENCE_ONLY):
                table[name, kind] = bool(flagged(judge(name, result, with_reference=with_reference), usual))
    counts = {kind: [seen for (_, k), seen in table.items() if k == kind] for kind in LIES}
    counts = {kind: seen for kind, seen in counts.items() if seen}
    for kind, seen in counts.items():
        print(f"{kind}: {sum(seen)} of {len(seen)}")
    found = [kind for kind, seen in counts.items() if sum(seen) > 0.75 * len(seen)]
    print(f"{len(found)} of {len(counts)} kinds, {sum(table.values())} of {len(table)} lies")
    assert len(counts) >= 41
    assert len(found) >= LEAST[with_reference] * len(counts), sorted(set(counts) - set(found))
    missed = [pair for pair, seen in table.items() if not seen and pair[1] in EVERYWHERE[with_reference]]
    assert missed == []


@pytest.mark.slow
def test_honest_results_are_not_denied():
    states, warned = [], []
    for name in MAKERS:
        for kind, result in honest_results(scene(name)):
            for with_reference in (True, False):
                for question, (state, reason) in judge(name, result, with_reference=with_reference).items():
                    states.append(state)
                    warned += [(name, kind, question, state, reason)] if state in ("no", "doubtful") else []
    assert [w for w in warned if w[3] == "no"] == []
    assert len(warned) <= len(states) / 20, warned


QUICK = [
    ("two channels", "channels swapped", "Are the channels in order?"),
    ("two channels", "checkerboard of 3 %", "Is it free of grids and seams?"),
    ("two channels", "seams of 3 %", "Is it free of grids and seams?"),
    ("two channels", "object added", "Is it consistent with its input?"),
    ("cells", "gain of 1.5", "Are its intensities linear?"),
    ("cells", "fine texture in a part", "Is the added fine detail real?"),
    ("cells", "shifted by a pixel", "Does it lie on its input?"),
]


@pytest.mark.parametrize(("name", "kind", "question"), QUICK)
def test_a_lie_is_flagged_by_its_input(name, kind, question):
    answers = judge(name, planted(name, kind), with_reference=False)
    assert question in flagged(answers), answers


@pytest.mark.parametrize(
    ("kind", "question"),
    [
        ("the reference", "Is it independent of the reference?"),
        ("half of the reference", "Is it independent of the reference?"),
        ("blurred", "Is it better than interpolation?"),
        ("object added", "Is every place as right as interpolation?"),
        ("checkerboard of 3 %", "Is it free of grids and seams?"),
    ],
)
def test_a_lie_is_flagged_by_its_reference(kind, question):
    answers = judge("two channels", planted("two channels", kind), with_reference=True)
    assert question in flagged(answers), answers


def test_the_worst_channel_is_named():
    """A lie in the last channel is found there; the first is sound."""
    answers = judge("two channels", planted("two channels", "object added"), with_reference=False)
    assert answers["Is it consistent with its input?"][1].startswith("channel tubulin: its worst place differs by")


def test_a_sound_result_is_not_denied():
    of = scene("two channels")
    report = evaluate(good_result("two channels"), of.reference, lr=of.lr, baselines=("non-local-means",))
    answers = {a.question: a for a in report.findings["image"].answers}
    assert {q for q, a in answers.items() if a.state in ("no", "doubtful")} == set()
    assert "denoising" in answers["Is it better than interpolation?"].reason
    assert report.verdict().level in ("passed", "open")
    assert report.table().startswith(report.verdict().sentence)
