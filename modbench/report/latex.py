"""What LaTeX needs besides tabulate's escaping: signs, bold, and a table that fits the page."""

from __future__ import annotations

import re

from tabulate import LATEX_ESCAPE_RULES

BOLD = ("\ue000", "\ue001")
"""What stands around bold text until tabulate has escaped it: it would escape LaTeX's own."""
_MATHS = {
    # The default encoding has another sign in its place.
    "|": "|",
    "±": r"\pm",
    "×": r"\times",
    "÷": r"\div",
    "·": r"\cdot",
    "−": "-",
    "≤": r"\leq",
    "≥": r"\geq",
    "≠": r"\neq",
    "≈": r"\approx",
    "√": r"\surd",
    "π": r"\pi",
    "→": r"\to",
    "†": r"^{\dagger}",
    "°": r"^{\circ}",
    "²": "^2",
    "³": "^3",
    "½": r"\frac12",
    "¼": r"\frac14",
    "¾": r"\frac34",
}
_TEXT = {
    # To some languages the straight quote is a command.
    '"': "''",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "\xa0": " ",
    "\u200b": r"\hspace{0pt}",
}
_SIGNS = str.maketrans({sign: f"${command}$" for sign, command in _MATHS.items()} | _TEXT)
_UNSET = re.compile(
    "[^\x00-\x7f\xa1-\xaa\xac-\xba\xbc-\xcf\xd1-\xdd\xdf-\xef\xf1-\xfd\xff-\u017e]"
    "|[\u0104\u0105\u0110\u0111\u0118\u0119\u0126\u0127\u012e\u012f\u0138\u013f\u0140\u0149-\u014b\u0166\u0167\u0172\u0173]"
)
"""What pdfLaTeX cannot set in its default encoding, OT1."""


def as_latex(text: str) -> str:
    """What is left to do after tabulate's escaping: bold, signs, and a minus before a number that is no hyphen.

    A character that pdfLaTeX could not set becomes a question mark.
    """
    text = re.sub(r"(?<=[\s\[{])-(?=\d)", "$-$", text)
    text = re.sub("-(?=-)", "-{}", text).translate(_SIGNS)
    # Only whole pairs within one cell: a model may have written such a character too.
    text = re.sub(f"{BOLD[0]}([^{''.join(BOLD)}&\n]*){BOLD[1]}", r"\\textbf{\1}", text)
    return _UNSET.sub("?", text)


def escaped(text: str) -> str:
    """`text` as LaTeX shows it: what tabulate does to cells, for what stands outside of tables."""
    return as_latex("".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in text))


def scaled(tabular: str, columns: str) -> str:
    """`tabular` with these columns, no wider than the text around it."""
    return "\n".join(
        [
            r"% \usepackage{booktabs,graphicx}",
            r"\noindent\setlength{\tabcolsep}{4pt}%",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            re.sub(r"(?<=\\begin\{tabular\}\{)\w*(?=\})", lambda _: columns, tabular, count=1) + "}",
        ]
    )
