"""LaTeX that a stock pdfLaTeX takes, and whose tables fit the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.comparison.compare import compare
from modbench.comparison.outcomes import RunOutcomes, TaskOutcomes
from modbench.comparison.shown import Answer, Cell, Document, Shown
from modbench.leaderboard import Leaderboard
from modbench.report.formats import render_rows
from modbench.report.latex import BOLD, as_latex, escaped
from modbench.report.leaderboards import render_leaderboard
from modbench.report.shown import render_shown
from modbench.report.tables import render

PDFLATEX = shutil.which("pdflatex")
BOARDS = Path(__file__).parents[2] / "leaderboards"
DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""
HOSTILE = (
    '50 % of a_b & c #1 \\ ^ ~ < > | " $x$ { } \\input{x} \\end{tabular} -- --- \x1b[2J \u202e '
    "\ue000 \ue001 \ue000 é ß Ł ą đ ½ ² √ \u4e2d\u6587 \U0001f600 \ud800 \n\n & \\\\ " + "a" * 300 + " word" * 900
)


def compiled(latex: str, folder: Path) -> list[str]:
    """What a stock pdfLaTeX says of boxes that are too wide by more than a hair; it has to compile."""
    assert PDFLATEX is not None
    (folder / "paper.tex").write_text(DOCUMENT % latex)
    arguments = ["-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "paper.tex"]
    done = subprocess.run([PDFLATEX, *arguments], cwd=folder, capture_output=True, timeout=120, check=False)
    said = (folder / "paper.log").read_text(errors="replace")
    assert done.returncode == 0, said[-3000:]
    assert "Missing character" not in said
    wide = re.findall(r"Overfull \\hbox \(([\d.]+)pt", said) + re.findall(r"Float too large for page by ([\d.]+)", said)
    return [points for points in wide if float(points) > 3]


def comparison(methods: int, tasks: int) -> str:
    names = ["lora_all", *(f"a_rather_long_method_name_{j}" for j in range(1, methods))]
    runs = [
        RunOutcomes(
            name,
            seed,
            {
                f"modbench_task_{t}": TaskOutcomes.of("abcdefgh", [(i + j + t + seed) % 3 > 0 for i in range(8)])
                for t in range(tasks)
            },
            model="tiny",
        )
        for j, name in enumerate(names)
        for seed in (0, 1)
    ]
    return render(compare(runs), "latex", clean=True, every_seed=True)


def responses() -> str:
    answers = tuple(Answer(f"m_{number} <&>", "no answer", HOSTILE, HOSTILE) for number in range(3))
    document = Document("modbench_one", "0123456789abcdef", 2, HOSTILE, HOSTILE, answers)
    return render_shown(Shown(Cell("only:m_1", ("m_1",), ("m_0",)), (2,), 9, (document, document)), "latex")


def board() -> str:
    return render_leaderboard(Leaderboard.model_validate_json((BOARDS / "llama-7b-math.json").read_text()), "latex")


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex here (Debian: texlive-latex-recommended)")
@pytest.mark.parametrize(
    "latex",
    [
        pytest.param(lambda: comparison(3, 4), id="few methods"),
        pytest.param(lambda: comparison(12, 6), id="many methods"),
        pytest.param(responses, id="hostile responses"),
        pytest.param(board, id="leaderboard"),
        pytest.param(lambda: render_rows(["a", "b_c"], [[HOSTILE[:60], "<0.001"]], "latex"), id="rows"),
        pytest.param(lambda: render_rows(["a"], [], "latex"), id="no rows"),
    ],
)
def test_it_compiles_and_fits(latex: Callable[[], str], tmp_path: Path) -> None:
    assert compiled(latex(), tmp_path) == []


@given(st.text(st.characters(), max_size=60))
def test_text_stays_text(text: str) -> None:
    """Nothing but what LaTeX sets as it comes, and no command, comment, group or maths that `text` opens."""
    latex = escaped(text)
    assert all(ord(letter) < 0x17F for letter in latex)
    bare = re.sub(r"\\[%&_#$]|\\[{}]", "", latex)
    bare = re.sub(r"\\(textbackslash|textasciitilde|ensuremath|hspace|textbf|dots|\^)|\$[^$]*\$", "", bare)
    assert not re.search(r"[\\%&_#^~$]", bare) and bare.count("{") == bare.count("}")


def test_only_whole_pairs_in_one_cell_are_bold() -> None:
    start, end = BOLD
    assert as_latex(f"{start}1{end} {start}2 & 3{end} {start}") == r"\textbf{1} ?2 & 3? ?"
