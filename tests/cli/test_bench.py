"""``superres bench``: a table for people, JSON for programs."""

import json

import pytest

_TINY = ("--model", "bicubic-x2", "--device", "cpu", "--size", 24, "--repeats", 1)


def test_table_and_files(superres, tmp_path):
    table, document = tmp_path / "t.md", tmp_path / "b.json"
    done = superres(
        "bench",
        *_TINY,
        "--model",
        "nearest-x3",
        "--tile",
        12,
        "--tile",
        "auto",
        "--json",
        document,
        "--markdown",
        table,
    )
    assert done.code == 0, done.err
    assert done.out == table.read_text(encoding="utf-8")
    rows = json.loads(document.read_text(encoding="utf-8"))["rows"]
    assert [row["model"] for row in rows] == ["bicubic-x2"] * 2 + ["nearest-x3"] * 2
    assert done.out.count("| bicubic-x2 | cpu |") == 2
    assert done.err.count("Mpx/s") == 4


def test_json_to_stdout_is_json_alone(superres):
    found = json.loads(superres("bench", *_TINY, "--precision", "bf16", "--json", "-").out)
    assert found["schema"] == 1
    assert found["machine"]["torch"]
    assert found["rows"][0]["precision"] == "bf16"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--tile", "4"), 1, "Set --tile to at least"),
        (("--tile", "big"), 1, "--tile must be auto"),
        (("--device", "abacus"), 1, "abacus"),
        (("--model", "no-such"), 1, "no-such"),
        (("--repeats", "0"), 2, "repeats"),
    ],
)
def test_mistakes_are_told_in_one_line(superres, options, code, words):
    done = superres("bench", *_TINY, *options)
    assert (done.code, done.out) == (code, "")
    assert words in done.err


def test_a_folder_that_is_not_there(superres, tmp_path):
    done = superres("bench", *_TINY, "--json", tmp_path / "gone" / "b.json")
    assert done.code == 1
    assert "gone does not exist. Create it first" in done.err
