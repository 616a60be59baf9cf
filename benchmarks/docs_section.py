"""Sections of the documents that a program writes: one heading and all beneath it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from envs.artifact import atomic_write_text

DOCS = Path(__file__).resolve().parent.parent / "docs"


def write_section(path: Path, heading: str, body: str) -> None:
    """Put ``body`` under ``## heading``, in its old place or at the end; all else stays.

    A section ends at the next line that begins with ``## ``.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    mark = f"## {heading}"
    lines = text.splitlines()
    if mark in lines:
        first = lines.index(mark)
        after = [k for k in range(first + 1, len(lines)) if lines[k].startswith("## ")]
        last = after[0] if after else len(lines)
    else:
        first = last = len(lines)
    before = "\n".join(lines[:first]).rstrip("\n")
    rest = "\n".join(lines[last:]).rstrip("\n")
    parts = [part for part in (before, f"{mark}\n\n{body.strip()}", rest) if part]
    atomic_write_text(path, "\n\n".join(parts) + "\n")


def paragraph(text: str) -> str:
    """The words of a text in lines of even length."""
    return textwrap.fill(" ".join(text.split()), 100)
