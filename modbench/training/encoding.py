"""Examples as token ids: prompts exactly as the harness sends them, responses ended by EOS, losses on responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modbench.data.examples import Example
from modbench.data.prompts import Prompt
from modbench.errors import ModbenchError
from modbench.training.chat import around_answer, render_question

IGNORED = -100


@dataclass(frozen=True)
class Encoded:
    """Training features (`input_ids` and `labels`, equally long) and how many examples were cut off."""

    features: list[dict[str, list[int]]]
    cut_off: int

    @property
    def tokens(self) -> int:
        return sum(len(feature["input_ids"]) for feature in self.features)


def encode_pair(tokenizer: Any, prompt: str, response: str) -> tuple[list[int], list[int]]:
    """Token ids of a prompt and of its response.

    The prompt's are what the harness sends: the tokenizer's own special tokens, a BOS that the text already begins
    with not added again. The response's have no BOS and end with EOS.
    """
    bos = tokenizer.bos_token
    special = not (bos and prompt.startswith(bos))
    prompt_ids = tokenizer.encode(prompt, add_special_tokens=special)
    if special and prompt_ids and prompt_ids[-1] == tokenizer.eos_token_id and prompt_ids[-1] != tokenizer.bos_token_id:
        raise ModbenchError(
            "this tokenizer ends every text with EOS: a prompt cannot be continued; set add_eos_token off"
        )
    whole = tokenizer.encode(prompt + response, add_special_tokens=special)
    if whole[: len(prompt_ids)] == prompt_ids:
        response_ids = whole[len(prompt_ids) :]
    else:  # the tokenizer merges across the boundary, where generation cannot
        response_ids = tokenizer.encode(response, add_special_tokens=False)
    return prompt_ids, [*response_ids, tokenizer.eos_token_id]


def encode_examples(
    tokenizer: Any, prompt: Prompt, examples: Sequence[Example], max_length: int, chat: bool = False
) -> Encoded:
    """Features of `examples` under `prompt`, at most `max_length` tokens each; labels on the response only.

    With `chat` the prompt is a user's message and the response the assistant's, written and ended as the tokenizer's
    chat template does it, and by EOS. Raises ModbenchError if there is no EOS, no chat template, or no room for any
    response.
    """
    if tokenizer.eos_token_id is None:
        raise ModbenchError("this tokenizer has no EOS token: set one, responses have to end")
    before, after = around_answer(tokenizer) if chat else (prompt.separator, "")
    features, cut_off = [], 0
    for example in examples:
        text = prompt.render_training(example.instruction)
        text = render_question(tokenizer, text) if chat else text
        prompt_ids, response_ids = encode_pair(tokenizer, text, before + example.response + after)
        ids = prompt_ids + response_ids
        labels = [IGNORED] * len(prompt_ids) + response_ids
        cut_off += len(ids) > max_length
        if len(prompt_ids) < max_length:  # otherwise no token of the response is left to learn
            features.append({"input_ids": ids[:max_length], "labels": labels[:max_length]})
    if not features:
        raise ModbenchError(f"every example's prompt is longer than max_length = {max_length} tokens: raise it")
    return Encoded(features, cut_off)


class Collator:
    """Pads features to a batch of tensors: `input_ids`, `attention_mask`, `labels`, and positions.

    Padding never depends on what the pad token is: a pad that equals EOS leaves the trained EOS alone, and a
    tokenizer without pad token gets EOS as filler.
    """

    def __init__(self, tokenizer: Any, side: str = "right") -> None:
        pad = tokenizer.pad_token_id
        self.filler = tokenizer.eos_token_id if pad is None else pad
        self.side = side

    def __call__(self, features: list[dict[str, list[int]]]) -> dict[str, Any]:
        import torch

        width = max(len(feature["input_ids"]) for feature in features)
        rows: dict[str, list[list[int]]] = {
            name: [] for name in ("input_ids", "attention_mask", "labels", "position_ids")
        }
        for feature in features:
            length = len(feature["input_ids"])
            missing = width - length
            for name, values, filler in (
                ("input_ids", feature["input_ids"], self.filler),
                ("labels", feature["labels"], IGNORED),
                ("attention_mask", [1] * length, 0),
                ("position_ids", list(range(length)), 0),
            ):
                fill = [filler] * missing
                rows[name].append(list(values) + fill if self.side == "right" else fill + list(values))
        return {name: torch.tensor(row) for name, row in rows.items()}
