"""The documentation: ``pip install '.[docs]' && sphinx-build -W -n docs build/docs``."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import upperbodyseg

ROOT = Path(__file__).parent.parent
REPOSITORY = "https://github.com/upperbodyseg/upperbodyseg/blob/main"
PAGES = {"training/README.md": "training"}
"""Files of the repository that are pages here."""

project = "upperbodyseg"
author = "The upperbodyseg authors"
release = upperbodyseg.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["figures"]  # included in other pages

myst_heading_anchors = 3
# Whole READMEs and model cards are included below a page's own heading.
suppress_warnings = ["myst.header"]

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
maximum_signature_line_length = 90
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Types of other packages: their documentation is elsewhere, and nothing is looked up while building.
nitpick_ignore = [("py:class", "upperbodyseg.types.People")]  # of private fields
nitpick_ignore_regex = [(r"py:.*", r"(?!upperbodyseg\b).*\..*|NDArray|U8|dict.*")]

html_theme = "furo"
html_title = f"upperbodyseg {release}"
html_static_path = ["_static"]
html_css_files = ["page.css"]
html_show_sourcelink = False
html_copy_source = False


def _resolve_renamed(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contents: nodes.TextElement
) -> nodes.Element | None:
    """What the package gives is documented under its name there, not that of the module that defines it."""
    target = re.sub(r"^upperbodyseg\.(engine|errors|image_buffer|options|types)\.", "", node["reftarget"])
    if node.get("refdomain") != "py" or target.split(".")[0] not in upperbodyseg.__all__:
        return None
    domain = env.get_domain("py")
    found = domain.resolve_any_xref(
        env, node["refdoc"], app.builder, f"upperbodyseg.{target}", node, contents
    )
    return found[0][1] if found else None


def _keep_colons(
    _app: Sphinx, what: str, _name: str, _thing: object, _options: object, lines: list[str]
) -> None:
    """Napoleon takes an attribute's words before a colon for its type, unless a comment comes first."""
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]


def _link_to_repository(_: Sphinx, doctree: nodes.document) -> None:
    """Links to files of the repository, in texts that are included from there, lead to it."""
    for node in list(doctree.findall(pending_xref)):
        if node["reftype"] != "myst" or node["refdomain"] is not None:
            continue
        path, folders = node["reftarget"].split("#")[0], ("", "training")
        for file in (posixpath.join(folder, path) for folder in folders):
            if file in PAGES:
                node["refdomain"], node["reftarget"], node["reftargetid"] = "doc", PAGES[file], None
            elif (ROOT / file).exists():
                address = posixpath.join(REPOSITORY, file)
                node.replace_self(nodes.reference("", "", *node.children, internal=False, refuri=address))
            else:
                continue
            break


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # before Napoleon's, at 500
    app.connect("missing-reference", _resolve_renamed)
    app.connect("doctree-read", _link_to_repository)
