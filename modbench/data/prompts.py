"""In what words a model is asked: one registry that training and evaluation share."""

from __future__ import annotations

from dataclasses import dataclass

from modbench.errors import unknown


@dataclass(frozen=True)
class Prompt:
    """A way to ask. Training text is `render(instruction) + separator + response`; evaluation sends `render(...)`."""

    name: str
    template: str
    """Text with one place `{instruction}`."""
    separator: str
    """What stands between prompt and response, and between prompt and choice."""

    def render(self, instruction: str) -> str:
        """The prompt for `instruction`, which is put in as it is, braces and all."""
        before, after = self.template.split("{instruction}")
        return before + instruction + after


PROMPTS: dict[str, Prompt] = {
    prompt.name: prompt
    for prompt in (
        Prompt(
            "alpaca",
            "Below is an instruction that describes a task. Write a response that appropriately completes the request."
            "\n\n### Instruction:\n{instruction}\n\n### Response:\n",
            separator="",
        ),
        Prompt("qa", "Question: {instruction}\nAnswer:", separator=" "),
    )
}


def get_prompt(name: str) -> Prompt:
    """The prompt called `name`; `ModbenchError` with the nearest names if there is none."""
    if name not in PROMPTS:
        raise unknown("prompt", name, PROMPTS)
    return PROMPTS[name]
