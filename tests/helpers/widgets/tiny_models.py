"""Press buttons of the Models widget and read its list; a result of `check_model`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_superres.plugin.widgets.models.widget import ModelsWidget

LONG = 60_000

FOUND: dict[str, Any] = {
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


def press(action: Any, widget: "ModelsWidget", qtbot: Any) -> None:
    """Choose an entry of the widget's menu, and wait until its work is done."""
    assert action.isEnabled()
    action.trigger()
    wait_until_ready(widget, qtbot)


def wait_until_ready(widget: "ModelsWidget", qtbot: Any) -> None:
    """Wait until the widget is ready, with its progress bar hidden."""
    qtbot.waitUntil(lambda: widget.is_ready, timeout=LONG)
    assert widget.bar.isHidden()


def names_by_group(widget: "ModelsWidget") -> dict[str, list[str]]:
    """Return the list that the widget shows: groups with the names in them."""
    tree = widget.models.tree
    tops = [tree.topLevelItem(i) for i in range(tree.topLevelItemCount())]
    return {top.text(0): [top.child(i).text(0) for i in range(top.childCount())] for top in tops}


def row(widget: "ModelsWidget", name: str) -> Any:
    """Return the entry of a model in the list."""
    from qtpy.QtCore import Qt

    return widget.models.tree.findItems(name, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)[0]
