"""Sphinx extension that generates parts of pages from the program itself, so that they cannot become outdated.

Directives:

``superres-commands``       every command of ``superres``, with its arguments and options
``superres-models``         the card of every shipped model
``superres-contributions``  widgets, readers, writers and samples of the napari manifest

It also registers ``mathml``, which writes formulas that browsers draw without scripts, and ``signatures``, which
shortens the types of arrays.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from superres_docs import cards, commands, contributions, mathml, signatures


class Generated(SphinxDirective):
    """Directive that inserts Markdown returned by a function."""

    write: ClassVar[Callable[[], str]]

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the program may have changed although the page has not
        return self.parse_text_to_nodes(type(self).write(), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    written = {
        "superres-commands": commands.write,
        "superres-models": cards.write,
        "superres-contributions": contributions.write,
    }
    for name, write in written.items():
        app.add_directive(name, type(name, (Generated,), {"write": staticmethod(write)}))
    mathml.setup(app)
    signatures.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
