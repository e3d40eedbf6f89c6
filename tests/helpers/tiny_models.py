"""Press buttons of the Models widget and read its list; a result of `check_model`."""

LONG = 60_000

FOUND = {
    "model": "tiny",
    "halo_on_card": [4, 4],
    "halo_measured": [5, 4],
    "statistics_layers": 2,
    "statistics_kinds": ["mean"],
    "bounded": False,
    "max_tiling_error": 0.012,
    "exact": False,
    "cuda0_megapixels_per_second": 12.345,
    "cuda0_fp16_psnr_db": 61.2,
}


def press(button, widget, qtbot):
    assert button.isEnabled()
    button.click()
    wait_until_ready(widget, qtbot)


def wait_until_ready(widget, qtbot):
    qtbot.waitUntil(lambda: widget.is_ready, timeout=LONG)
    assert widget.bar.isHidden()


def names_by_group(widget):
    """Return the names in each group of the list."""
    tree = widget.models.tree
    tops = [tree.topLevelItem(i) for i in range(tree.topLevelItemCount())]
    return {top.text(0): [top.child(i).text(0) for i in range(top.childCount())] for top in tops}


def row(widget, name):
    from qtpy.QtCore import Qt

    return widget.models.tree.findItems(name, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)[0]
