"""The web book's settings, for Sphinx. `make book` builds it; make_book.py lays out what is built."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = html_title = "A Momento token in AWS Secrets Manager"
author = "the contributors"
version = release = PROJECT["version"]

extensions = ["myst_nb", "sphinx_copybutton", "sphinx_markdown_builder"]
exclude_patterns = ["README.md"]  # index.md includes parts of it
# A part of README begins at its second level; Pygments doesn't know all of Terraform's syntax, and colours it all the same.
suppress_warnings = ["myst.header", "misc.highlighting_failure"]
nb_execution_mode = "off"  # what is stored is what nbval compares with a run
myst_enable_extensions: list[str] = []  # a dollar sign is a dollar sign
myst_heading_anchors = 4
# `site:` leads to what stands beside the pages and isn't there yet while they are built.
myst_url_schemes = {"http": None, "https": None, "mailto": None, "site": "{{path}}?{{query}}"}
nb_render_text_lexer = "text"
nb_mime_priority_overrides = [
    (
        "*",
        "application/vnd.jupyter.widget-view+json",
        None,
    ),  # it would load scripts from elsewhere; HTML stands beside it
    ("markdown", "text/plain", 1),
]

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
templates_path = ["_templates"]
html_css_files = ["book.css"]
html_copy_source = False
html_context = {"default_mode": "auto"}
html_show_copyright = html_show_sphinx = False
html_theme_options = {
    "repository_url": PROJECT["urls"]["Repository"],
    "repository_branch": "HEAD",
    "use_repository_button": True,
    "use_download_button": False,  # a notebook needs its helpers, which a browser tab, Binder and the repository have
    "navbar_persistent": [],  # the search stands beside the contents
    "home_page_in_toc": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
