"""The chat format: what a tokenizer's chat template puts around a user's message and after the assistant's."""

from __future__ import annotations

from typing import Any

from modbench.errors import ModbenchError, reason

_PROBE = "modbench"
"""A message that no template changes."""


def chat_template(tokenizer: Any) -> str:
    """The chat template that `tokenizer` uses, as text; ModbenchError if it has none."""
    try:
        return str(tokenizer.get_chat_template())
    except ValueError:
        raise ModbenchError(
            "this model's tokenizer has no chat template (a base model?): leave --apply-chat-template out"
        ) from None


def render_question(tokenizer: Any, content: str) -> str:
    """The chat in which a user says `content` and the assistant is about to answer, as the harness sends it."""
    return _render(tokenizer, [{"role": "user", "content": content}], add_generation_prompt=True)


def before_answer(tokenizer: Any) -> str:
    """What stands between a user's message and the assistant's answer."""
    return render_question(tokenizer, _PROBE).rpartition(_PROBE)[2]


def around_answer(tokenizer: Any) -> tuple[str, str]:
    """What the template writes before an answer and after it, where one is there: so it is in training.

    Before: what follows upon `render_question`, such as a blank. After: up to EOS, or all of it if that has no EOS.
    Raises ModbenchError if the template cannot write an assistant's message.
    """
    answer = f"{_PROBE} {_PROBE}"
    turn = [{"role": "user", "content": _PROBE}, {"role": "assistant", "content": answer}]
    question = render_question(tokenizer, _PROBE)
    # An earlier turn, as examples are: some templates write the last one otherwise.
    earlier = _render(tokenizer, [*turn, turn[0]], add_generation_prompt=False)
    last = _render(tokenizer, turn, add_generation_prompt=False)
    if answer not in earlier or answer not in last:
        raise ModbenchError("the chat template leaves out what an assistant says: mend it")
    before = earlier.removeprefix(question).partition(answer)[0] if earlier.startswith(question) else ""
    return before, last.rpartition(answer)[2].partition(tokenizer.eos_token)[0]


def _render(tokenizer: Any, chat: list[dict[str, str]], add_generation_prompt: bool) -> str:
    chat_template(tokenizer)
    try:
        return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=add_generation_prompt))
    except Exception as error:  # the template is a program, and fails as it likes
        raise ModbenchError(f"the chat template cannot write a conversation ({reason(error)}): mend it") from None
