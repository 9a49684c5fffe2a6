"""Access to the Markdown files of the repository."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"

_FENCED = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.M | re.S)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_LINK = re.compile(r"!?\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *#*$", re.M)


@dataclass(frozen=True)
class Link:
    file: Path
    text: str
    target: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}: {self.target}"


@dataclass(frozen=True)
class CodeBlock:
    file: Path
    line: int
    language: str
    flags: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def markdown_files() -> list[Path]:
    """Return all Markdown files that we wrote ourselves."""
    found = (path for pattern in ("*.md", "*/*.md", "*/*/*.md") for path in ROOT.glob(pattern))
    return sorted(path for path in found if not path.relative_to(ROOT).parts[0].startswith(".venv"))


def prose(file: Path) -> str:
    """Remove code blocks from a text."""
    return _COMMENT.sub("", _FENCED.sub("", file.read_text(encoding="utf-8")))


def links(file: Path) -> list[Link]:
    """Find links into the repository."""
    # Text in backquotes is not a link, but the text of a link may be in backquotes.
    text = re.sub(r"(?<!\[)`[^`\n]*`(?!\])", "", prose(file))
    every = (Link(file, found["text"], found["target"]) for found in _LINK.finditer(text))
    return [link for link in every if not re.match(r"[a-z]+:", link.target)]


def images(file: Path) -> list[Link]:
    return [Link(file, text, target) for text, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", prose(file))]


@cache
def anchors(file: Path) -> frozenset[str]:
    """Make the anchor of a heading as code hosts do."""
    seen: Counter[str] = Counter()
    names = set()
    for heading in _HEADING.finditer(prose(file)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"])
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        names.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(names)


def problem(link: Link) -> str | None:
    """Return the reason why a link is broken. None if it is not."""
    path, _, anchor = unquote(link.target).partition("#")
    target = (link.file.parent / path).resolve() if path else link.file
    if not target.exists():
        return f"{link}: there is no {target.relative_to(ROOT)}"
    if anchor and anchor not in anchors(target):
        return f"{link}: there is no such heading; there are {', '.join(sorted(anchors(target)))}"
    return None


def code_blocks(file: Path) -> Iterator[CodeBlock]:
    text = file.read_text(encoding="utf-8")
    for found in _FENCED.finditer(text):
        language, *flags = found["info"].split() or [""]
        yield CodeBlock(file, text.count("\n", 0, found.start()) + 1, language, tuple(flags), found["text"])


def tables(file: Path) -> Iterator[list[list[str]]]:
    """Return the cells of each table, row by row, beginning with the heading."""
    for block in re.findall(r"(?:^\|.*\|\n)+", prose(file), re.M):
        lines = [re.split(r"(?<!\\)\|", line.strip("|")) for line in block.splitlines()]
        yield [[cell.strip() for cell in line] for line in lines if set("".join(line)) - set("- :")]
