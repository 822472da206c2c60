"""The settings of Sphinx, which builds the site: https://www.sphinx-doc.org/en/master/usage/configuration.html."""

from pathlib import Path

project = "stepladder"
copyright = "stepladder's authors, Apache License 2.0"  # noqa: A001 - Sphinx's name
extensions = ["myst_parser"]
root_doc = "index"
exclude_patterns = ["_files"]
myst_heading_anchors = 6
suppress_warnings = [
    "misc.highlighting_failure",  # Pygments knows less of HCL than Terraform's users write
    "myst.header",  # some generated pages begin with a deeper heading
]
highlight_language = "text"
smartquotes = False  # it makes one dash of the two that begin a flag
pygments_style, pygments_dark_style = "friendly", "monokai"

html_theme = "furo"
html_title = "stepladder"
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["site.css"]
html_favicon = str(Path(__file__).parent / "static" / "favicon.svg")
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
html_theme_options = {"navigation_with_keys": True}

linkcheck_workers = 8
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_anchors = False  # of pages that scripts draw
