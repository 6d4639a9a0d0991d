"""The documentation site, which Sphinx makes of the pages as they are: `make docs`.

The source is the whole project, so that a link leads to the same place on the site and in the repository; the pages are
README, CONTRIBUTING, CHANGELOG and what lies in docs. Notebooks are executed where `HIT_DOCS_EXECUTE` is 1.
"""

import os
import re
from typing import Any

import hit

project = "HIT"
author = "the HIT contributors"
copyright = "2026, the HIT contributors"
release = version = hit.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**"]
exclude_patterns = [".*", "build", "mlruns", "tests", "hit", "sweeps", "analysis", "docs/site", "**/.*"]

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4
nb_execution_mode = "force" if os.environ.get("HIT_DOCS_EXECUTE") == "1" else "off"
nb_execution_excludepatterns = ["docs/walkthrough.ipynb"]  # reads a store that is there
nb_execution_timeout = 3600  # seconds a cell, on a machine that does other things, too
nb_execution_in_temp = True  # its store and pictures are left nowhere
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # warnings with paths of the machine that built the site

default_role = "code"  # of single backticks in docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"HIT {release}"
html_static_path = ["site/static"]
html_extra_path = ["site/root"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}


def without_mathjax(app: Any, name: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Plotly's figures ask a server for MathJax, which they do without: a page fetches nothing."""
    if "body" in context:
        context["body"] = re.sub(r'<script src="https://[^"]*mathjax[^"]*"></script>', "", context["body"])


def setup(app: Any) -> None:
    """What Sphinx calls once."""
    app.connect("html-page-context", without_mathjax)
