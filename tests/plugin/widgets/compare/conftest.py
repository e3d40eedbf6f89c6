"""The Compare widget."""

import pytest

from napari_superres.plugin.widgets.compare.widget import CompareWidget


@pytest.fixture(name="widget")
def compare_widget(dock):
    return dock(CompareWidget)
