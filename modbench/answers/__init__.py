"""From the text of a response to an answer, and from an answer to a verdict.

`find` says where an answer is stated, `read` what number stands there (`words` in words, `plain` in other scripts and
LaTeX), `settle` and `choices` which one counts, `compare` when it equals the gold, `verdict` what came of it.
`upstream` is LLM-Adapters' own scoring, beside ours.
"""

from modbench.answers.choices import extract_choice
from modbench.answers.verdict import Outcome, Verdict, extract_number, is_equivalent, judge_choice, judge_number

__all__ = ["Outcome", "Verdict", "extract_choice", "extract_number", "is_equivalent", "judge_choice", "judge_number"]
