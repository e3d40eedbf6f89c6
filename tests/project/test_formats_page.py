"""The page on formats says what files keep."""

import pytest
from helpers.tables import read_table
from helpers.tables.formats import PAGE
from helpers.tables.formats.cells import reading_table, writing_table


@pytest.mark.slow
@pytest.mark.parametrize(("name", "table"), [("writing", writing_table), ("reading", reading_table)])
def test_the_tables_are_what_other_libraries_find(name, table):
    assert read_table(PAGE, name) == table(), "run: make tables-slow"
