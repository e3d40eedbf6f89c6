"""Write the tables of the page on formats."""

from helpers.tables import write_table
from helpers.tables.formats import PAGE
from helpers.tables.formats.cells import reading_table, writing_table

write_table(PAGE, "writing", writing_table())
write_table(PAGE, "reading", reading_table())
