"""How an adapter was trained to be asked, and a warning where it is asked otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from modbench.data.prompts import PLACE, PROMPTS
from modbench.prompt_file import PromptFile
from modbench.training.chat import before_answer

CHAT = "--apply_chat_template --fewshot_as_multiturn (modbench: --apply-chat-template)"
"""The options of lm_eval, and ours."""


class TrainedFormat:
    """What an adapter's `prompt.json` says, and what follows from it for the requests that its model gets.

    The adapter's chat template replaces that of `tokenizer`. Every warning is one line on stderr, given once: only
    what is certainly another format is warned of.
    """

    def __init__(self, stored: PromptFile, tokenizer: Any) -> None:
        self.stored = stored
        self._warned: set[str] = set()
        self._before_answer = ""
        if stored.chat_template is not None:
            if tokenizer.chat_template not in (None, stored.chat_template):
                self._warn("the adapter's chat template is not the tokenizer's: using the one that it was trained with")
            tokenizer.chat_template = stored.chat_template
            self._before_answer = before_answer(tokenizer).strip()
        prompt = PROMPTS.get(stored.prompt)  # a later modbench may have more
        self._words = prompt.template.partition(PLACE)[0].strip() if prompt else ""

    def chat_is_asked(self) -> None:
        """Warns if the adapter was trained without a chat template."""
        if not self.stored.apply_chat_template:
            self._warn(f"the adapter was trained without a chat template: leave {CHAT} out")

    def check(self, contexts: Iterable[str]) -> None:
        """Warns if none of the `contexts`, texts that the model is to continue, has the format's fixed words."""
        contexts = [context for context in contexts if context]
        if not contexts:
            return
        if not any(self._before_answer in context for context in contexts):
            self._warn(f"the adapter was trained with a chat template: add {CHAT}")
        if not any(self._words in context for context in contexts):
            name = self.stored.prompt
            self._warn(
                f"the adapter was trained with the prompt {name}, and is asked in other words: for tasks of modbench "
                f"""add --metadata '{{"prompt": "{name}"}}' (modbench: --prompt {name})"""
            )

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            # On a line of its own, whatever bars of the harness are on the way.
            tqdm.write(f"modbench: warning: {message}", file=sys.stderr)
