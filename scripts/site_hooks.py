"""Hooks of MkDocs: pages that stand outside docs/, and links from one folder to another.

In the repository, links are paths from file to file. The site has only what is in docs/. So the hooks make README.md
and its neighbours pages of the site, and turn links between pages into links of the site. A link to a source file leads
to the repository, and is plain text if `repo_url` is empty.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).resolve().parent.parent
OUTSIDE: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "dashboards/README.md": "dashboard-files.md",
    "examples/README.md": "examples.md",
}
"""Pages by their path in the repository, with the path that they have in the site."""
INDEX: Final = "docs/README.md"

LINK: Final = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
FENCED: Final = re.compile(r"^(?P<indent> *)```(?P<language>\w*)(?: [^\n`]*)?\n(?P<text>.*?)^ *```$", re.M | re.S)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that stand outside docs/."""
    for path, page in OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: MkDocsConfig, **_: object) -> str:
    """Mend links, and leave out what tests read behind the language of a block of code."""
    here = posixpath.dirname(path_in_repository(page.file.src_uri))
    pieces, end = [], 0
    for block in FENCED.finditer(markdown):
        pieces.append(with_links_mended(markdown[end : block.start()], here, config.repo_url))
        pieces.append(f"{block['indent']}```{block['language']}\n{block['text']}{block['indent']}```")
        end = block.end()
    return "".join([*pieces, with_links_mended(markdown[end:], here, config.repo_url)])


def path_in_repository(page: str) -> str:
    pages = {page: path for path, page in OUTSIDE.items()}
    return pages.get(page, f"docs/{page}")


def with_links_mended(text: str, here: str, repository: str | None) -> str:
    return LINK.sub(lambda link: mended(link, here, repository), text)


def mended(link: re.Match[str], here: str, repository: str | None) -> str:
    """The link as the site needs it; its text alone where it leads to no page."""
    target, hash_, anchor = link["target"].partition("#")
    if not target or re.match(r"[a-z]+:", target):
        return link[0]
    path = posixpath.normpath(posixpath.join(here, target))
    if (page := page_of(path)) is not None:
        return f"{link['image']}[{link['text']}]({page}{hash_}{anchor})"
    return f"[{link['text']}]({repository.rstrip('/')}/{path})" if repository else link["text"]


def page_of(path: str) -> str | None:
    """The path in the site of a page or picture, None if the site has none.

    All pages stand at the top of the site, so that a path from there is right on each.
    """
    if path in (INDEX, "docs"):
        return "index.md"
    if path in OUTSIDE:
        return OUTSIDE[path]
    return path.removeprefix("docs/") if path.startswith("docs/") and not path.endswith(".py") else None
