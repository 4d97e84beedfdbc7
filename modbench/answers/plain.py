"""Text as a reader sees it: without marks of direction or reasoning set aside, and in plain ASCII mathematics.

Two levels, since a response may have a million characters. `visible` goes over the whole text with `str.replace`
alone. `plain` rewrites signs and LaTeX, and is called on short windows only.
"""

from __future__ import annotations

import re

INVISIBLE = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
"""Marks of direction, joiners and soft hyphens: they change how digits are drawn, not which digits there are."""

THINK = re.compile(r"<(/?)(?:think|thinking|reasoning)>")
MAX_THINK_TAGS = 10_000

HALVES = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅐": "1/7", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅑": "1/9", "⅒": "1/10",
}  # fmt: skip
MIXED = re.compile(rf"(\d)\s?([{''.join(HALVES)}])")
VULGAR = str.maketrans(HALVES)
SIGNS = str.maketrans(
    {
        **dict(zip("．，％＄－＋／：＝（）٪٫٬∶“”‘’", ".,%$-+/:=()%.,:\"\"''", strict=True)),
        **dict.fromkeys("−﹣‐‑–", "-"),
        **dict.fromkeys("×✕⋅·∙∗", "*"),
        **dict.fromkeys("÷⁄∕", "/"),
        **dict.fromkeys("≈≃≅", "="),
        **dict.fromkeys("\u2007\u2008\u2009\u202f", "\u00a0"),
    }
)
SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
RAISED = re.compile(r"[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
FOREIGN_DIGIT = re.compile(r"[^\D0-9]")

LATEX_FRACTION = re.compile(
    r"(?:(\d)\s{0,2})?\\[dtc]?frac\s{0,2}(?:\{\s{0,2}([-+\d.,]{1,400})\s{0,2}\}|(\d))\s{0,2}(?:\{\s{0,2}([\d.,]{1,400})\s{0,2}\}|(\d))"
)
LATEX_POWER = re.compile(r"\^\s{0,2}\{\s{0,2}([-+]?\d{1,400})\s{0,2}\}")
LATEX_DEGREES = re.compile(r"\^\s{0,2}\{?\s{0,2}\\circ\s{0,2}\}?")
LATEX_THIN_SPACE = re.compile(r"(?<=\d)\\[,:; ](?=\d{3})")
LATEX_SILENT = re.compile(
    r"\\(?:text(?:bf|it|rm|tt|sf)?|math(?:rm|bf|it|sf)|mbox|bf|boxed|fbox|displaystyle|left|right|d?quad|qquad)(?![A-Za-z])"
    r"|\\[!,:; ()\[\]]"
)
LATEX_SIGNS = (
    ("{,}", ","), ("\\!", ""), ("\\$", "$"), ("\\%", "%"), ("\\times", "*"), ("\\cdot", "*"), ("\\div", "/"),
    ("\\approx", "="), ("\\pounds", "£"), ("\\#", "#"), ("\\_", "_"), ("\\&", "&"),
)  # fmt: skip


def visible(text: str) -> str:
    """`text` without its invisible marks and without what stands in `<think>` tags (or `<thinking>`, `<reasoning>`).

    Tags nest. A closing tag that comes first ends reasoning that the prompt had opened, and all before it is set
    aside; later ones without an opening tag are ignored. An opening tag that is never closed leaves only the text
    before it: a model that was cut off while it thought has settled on nothing.
    """
    if not text.isascii():
        for mark in INVISIBLE:
            if mark in text:
                text = text.replace(mark, "")
    return _without_reasoning(text) if "think" in text or "reasoning>" in text else text


def _without_reasoning(text: str) -> str:
    kept: list[str] = []
    depth = start = 0
    for number, tag in enumerate(THINK.finditer(text)):
        if number == MAX_THINK_TAGS:
            return "".join(kept)
        if not tag[1]:
            if depth == 0:
                kept.append(text[start : tag.start()])
            depth += 1
        elif depth or number == 0:
            depth = max(depth - 1, 0)
            start = tag.end()
    if depth == 0:
        kept.append(text[start:])
    return "".join(kept)


def plain(window: str) -> str:
    """`window` with its digits, signs, fractions and LaTeX in ASCII; thin spaces become no-break spaces.

    `1½` becomes `1 1/2`, `−５` becomes `-5`, `\\dfrac34` becomes `3/4`, `10³` and `10^{3}` become `10^3`. What has no
    plain form (roots, nested fractions) keeps its backslash, for the reader to refuse.
    """
    if not window.isascii():
        window = MIXED.sub(lambda mixed: f"{int(mixed[1])} {HALVES[mixed[2]]}", window).translate(VULGAR)
        window = RAISED.sub(lambda raised: "^" + raised[0].translate(SUPERSCRIPT), window)
        window = FOREIGN_DIGIT.sub(lambda digit: str(int(digit[0])), window).translate(SIGNS)
    return _without_latex(window) if "\\" in window or "{" in window else window


def _without_latex(window: str) -> str:
    for written, sign in LATEX_SIGNS:
        window = window.replace(written, sign)
    window = LATEX_DEGREES.sub("", window)
    window = LATEX_THIN_SPACE.sub("\u00a0", window)
    window = LATEX_FRACTION.sub(_latex_fraction, window)
    window = LATEX_POWER.sub(r"^\1", window)
    return LATEX_SILENT.sub(" ", window).replace("{", " ").replace("}", " ")


def _latex_fraction(match: re.Match[str]) -> str:
    whole = f"{match[1]} " if match[1] else ""
    return f"{whole}{match[2] or match[3]}/{match[4] or match[5]}"
