"""``superres verify``, ``degrade`` and ``resample`` with records."""

import json


def test_a_chain_of_commands_is_confirmed(superres, cells, tmp_path):
    low, target = tmp_path / "low.ome.tif", tmp_path / "result.ome.tif"
    assert superres("degrade", cells, "-o", low, "--scale", "2", "--photons", "200").code == 0
    assert superres("upscale", low, "-o", target, "--model", "bicubic-x2").code == 0
    done = superres("verify", target, "--tiles", "2")
    assert (done.code, done.err) == (0, "")
    first, *checks = done.out.splitlines()
    assert first == ("result.ome.tif is the output of low.ome.tif and the model bicubic-x2 <- cells.ome.tif (degrade)")
    assert all(line.startswith("yes:") for line in checks)
    assert len(checks) == 7


def test_what_cannot_be_checked_or_is_wrong_exits_with_4(superres, cells, tmp_path):
    target = tmp_path / "deep" / "er" / "result.ome.tif"
    target.parent.mkdir(parents=True)
    superres("upscale", cells, "-o", target, "--model", "bicubic-x2")
    done = superres("verify", target)
    assert done.code == 4
    assert done.out.startswith("it is not known whether result.ome.tif is the output of")
    assert "give it, or its folder, as --input" in done.out
    done = superres("verify", target, "--input", tmp_path, "--json")
    document = json.loads(done.out)
    assert (done.code, document["state"]) == (0, "yes")
    assert {check["subject"] for check in document["checks"]} == {"result", "input", "model", "pixels"}


def test_a_file_without_a_record_is_refused(superres, cells):
    done = superres("verify", cells)
    assert (done.code, done.out) == (1, "")
    assert "no record" in done.err
