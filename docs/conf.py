"""Sphinx configuration. Pages load nothing from other sites: no scripts, fonts, formulas or statistics."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

# The last bits of a result depend on the number of threads; one thread makes the pages equal on every machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Models that examples add go to a temporary library, which is deleted after the build.
os.environ["NAPARI_SUPERRES_MODELS"] = tempfile.mkdtemp(prefix="superres-docs-")
atexit.register(shutil.rmtree, os.environ["NAPARI_SUPERRES_MODELS"], ignore_errors=True)

from napari_superres import __version__  # noqa: E402 - it reads the environment set above

project = "napari_superres"
author = "The napari_superres developers"
copyright = f"BSD-3-Clause, {author}"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "superres_docs",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_ext", "gallery"]
highlight_language = "none"  # most blocks show commands; Python blocks name their language
smartquotes = False  # options begin with two hyphens
default_role = "py:obj"
nitpicky = False
root_doc = "index"

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 4
myst_update_mathjax = False

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
maximum_signature_line_length = 100
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = f"napari_superres {release}"
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_extra_path = ["images/first-steps.webm"]  # pages name it in HTML, which Sphinx does not follow
html_theme_options = {
    "logo": {"text": "napari_superres"},
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
    "back_to_top_button": False,
}

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"[/\\]plot_",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("matplotlib",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,  # that page would load scripts from another site
    "remove_config_comments": True,
}
