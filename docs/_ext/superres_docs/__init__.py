"""What the documentation takes from the program itself, so that it cannot go stale: commands, cards, contributions.

``superres-commands``       every command of ``superres``, with its arguments and options
``superres-models``         the card of every shipped model
``superres-contributions``  what napari gets from the manifest
``mathml``                  formulas that the browser draws itself: nothing is loaded from elsewhere
``signatures``              types of arrays by their short names
"""

from collections.abc import Callable
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from superres_docs import cards, commands, contributions, mathml, signatures


class Generated(SphinxDirective):
    """Markdown that a function writes, read as if it stood in the page."""

    write: ClassVar[Callable[[], str]]

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the program may have changed where the page has not
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
