"""In what words a model is asked: one registry that training and evaluation share."""

from __future__ import annotations

from dataclasses import dataclass

from modbench.errors import unknown

PLACE = "{instruction}"


@dataclass(frozen=True)
class Prompt:
    """A way to ask. Evaluation sends `render(...)`; training text is `render_training(...) + separator + response`."""

    name: str
    template: str
    """Text with one place `{instruction}`."""
    separator: str
    """What stands between prompt and response, and between prompt and choice."""
    training_template: str | None = None
    """Where training asks in other words than evaluation; None is `template`."""

    def render(self, instruction: str) -> str:
        """The prompt for `instruction`, which is put in as it is, braces and all."""
        return _filled(self.template, instruction)

    def render_training(self, instruction: str) -> str:
        """The prompt for `instruction` in training text."""
        return _filled(self.training_template or self.template, instruction)


def _filled(template: str, instruction: str) -> str:
    before, after = template.split(PLACE)
    return before + instruction + after


TASK = "Below is an instruction that describes a task. Write a response that appropriately completes the request."
INDENT = " " * 16

PROMPTS: dict[str, Prompt] = {
    prompt.name: prompt
    for prompt in (
        Prompt("alpaca", f"{TASK}\n\n### Instruction:\n{PLACE}\n\n### Response:\n", separator=""),
        # LLM-Adapters byte for byte. Its prompts are indented as the code that they stand in, and those of evaluate.py
        # and commonsense_evaluate.py, which are equal, differ from that of finetune.py by two groups of blanks.
        Prompt(
            "llm_adapters",
            f"{TASK} \n\n{INDENT}### Instruction:\n{INDENT}{PLACE}\n\n{INDENT}### Response:\n{INDENT}",
            separator="",
            training_template=(
                f"{TASK}  \n\n{INDENT}### Instruction:\n{INDENT}{PLACE}\n{INDENT}\n{INDENT}### Response:\n{INDENT}"
            ),
        ),
        Prompt("plain", PLACE, separator=" "),
        Prompt("qa", f"Question: {PLACE}\nAnswer:", separator=" "),
    )
}
"""`plain` is the instruction alone, as a chat template takes it for the user's message."""


def get_prompt(name: str) -> Prompt:
    """The prompt called `name`; `ModbenchError` with the nearest names if there is none."""
    if name not in PROMPTS:
        raise unknown("prompt", name, PROMPTS)
    return PROMPTS[name]
