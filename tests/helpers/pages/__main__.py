"""Run the blocks of one page, in the current folder: ``python -m helpers.pages PAGE``.

Bash blocks are processes of their own; the Python blocks share one namespace, as in a session that a reader keeps open.
The first block that fails ends the run and is named.
"""

import subprocess
import sys
import traceback
from pathlib import Path

from helpers.pages import RUN, Block, blocks


def run(page: Path, block: Block, namespace: dict[str, object]) -> bool:
    """Return whether a block did what it should."""
    if block.language == "bash":
        return subprocess.run(["bash", "-euc", block.code], check=False).returncode == 0
    # Under the page's own name and lines, so that a traceback shows the line that the reader sees.
    code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
    try:
        exec(code, namespace)
    except BaseException:  # noqa: BLE001 - whatever a block raises is told
        traceback.print_exc()
        return False
    return True


def main(page: Path) -> int:
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if block.language in RUN:
            print(f"--- {page.name}:{block.line} {block.language}", file=sys.stderr, flush=True)
            if not run(page, block, namespace):
                print(f"the {block.language} block at {page.name}:{block.line} failed", file=sys.stderr)
                return 1
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
