"""Durations, dollars, tables and notes, as HTML and as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sandbox import PlainError as PlainError

# Classes: what stands between two dollar signs is no formula. JupyterLab and the book each know one of them.
NO_FORMULA = "mathjax_ignore tex2jax_ignore"
_JOINER = "\N{WORD JOINER}"  # shows nothing: only measured shares have it, and the sanitizer file knows it
_THIN = "\N{NARROW NO-BREAK SPACE}"  # only measured durations have it before the unit: the sanitizer file knows it


def duration(seconds: float) -> str:
    """Write a measured time with three significant digits, such as "4.21 ms"."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            break
    value = seconds / size
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}{_THIN}{unit}"


def share(part: float, whole: float) -> str:
    """Write how much of a measured whole a part is, such as "72%"."""
    return f"{part / whole:.0%}".replace("%", f"{_JOINER}%")


def dollars(amount: float) -> str:
    """Write US dollars with as many decimals as a price per call needs."""
    return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.6f}"


class Table:
    """A table with a caption. Columns of numbers are aligned right by their first row."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> None:
        self.columns, self.rows, self.caption = columns, rows, caption

    def _repr_html_(self) -> str:
        sides = ["right" if _is_number(cell) else "left" for cell in (self.rows or [self.columns])[0]]

        def line(tag: str, cells: Sequence[object]) -> str:
            return "".join(
                f'<{tag} style="text-align: {side}; padding: 0.2em 0.6em">{escape(_text(cell))}</{tag}>'
                for side, cell in zip(sides, cells, strict=True)
            )

        caption = f'<caption style="text-align: left">{escape(self.caption)}</caption>' if self.caption else ""
        head = f"<thead><tr>{line('th', self.columns)}</tr></thead>"
        body = "".join(f"<tr>{line('td', row)}</tr>" for row in self.rows)
        return f'<table class="{NO_FORMULA}">{caption}{head}<tbody>{body}</tbody></table>'

    def __repr__(self) -> str:
        lines = [" | ".join(map(_text, row)) for row in (self.columns, *self.rows)]
        return "\n".join(([self.caption] if self.caption else []) + lines)

    def as_columns(self) -> str:
        """Return text with aligned columns, for a terminal."""
        lines = [[_text(cell) for cell in row] for row in (self.columns, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def checklist(checks: Sequence[tuple[str, bool, str]], if_all: str, if_not: str) -> Table:
    """Return a row for each check (what is needed, whether it was found, the fix), with one of the two captions."""
    rows = [(need, "✓" if found else "✗ missing", "nothing" if found else fix) for need, found, fix in checks]
    ready = all(found for _, found, _ in checks)
    return Table(("Needed", "Found", "What to do"), rows, if_all if ready else if_not)


class Note:
    """A framed message; `mood`, "good", "neutral" or "bad", chooses the frame's colour and its sign."""

    _LOOKS = {"good": ("✓", "success"), "neutral": ("•", "info"), "bad": ("✗", "error")}

    def __init__(self, title: str, *lines: str, mood: str = "neutral") -> None:
        self.title, self.lines, self.mood = title, lines, mood

    def _repr_html_(self) -> str:
        sign, colour = self._LOOKS[self.mood]
        body = "".join(f"<div>{escape(line)}</div>" for line in self.lines)
        return (
            f'<div class="{NO_FORMULA}" style="border-left: 4px solid var(--jp-{colour}-color1, currentColor); padding: 0.4em 1em">'
            f"<strong>{sign} {escape(self.title)}</strong>{body}</div>"
        )

    def __repr__(self) -> str:
        return "\n".join([f"{self._LOOKS[self.mood][0]} {self.title}", *(f"  {line}" for line in self.lines)])


def _is_number(cell: object) -> bool:
    """Recognise a number, with or without a unit: "30", "$0.40", "2.3 ms", or a dash for no number."""
    text = _text(cell)
    return len(text.split()) <= 2 and (text[:1].isdigit() or text[:1] in ("$", "–"))


def _text(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
