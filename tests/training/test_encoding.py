"""Training ids against what the harness sends, with tokenizers of every habit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from modbench import MoDConfig, get_mod_model
from modbench.data.examples import Example
from modbench.data.prompts import PROMPTS
from modbench.demo.tokenizer import build_tokenizer
from modbench.errors import ModbenchError
from modbench.training.encoding import IGNORED, Collator, encode_examples, encode_pair

from ..ensemble.conftest import build_base


def byte_tokenizer(bos: bool, pad: str | None) -> Any:
    """A byte-level tokenizer that adds BOS or not, and whose pad is its own token, EOS, or none."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<bos>", "<eos>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token=pad)


TOKENIZERS = {
    "bos": byte_tokenizer(bos=True, pad="<pad>"),
    "no bos": byte_tokenizer(bos=False, pad="<pad>"),
    "pad is eos": byte_tokenizer(bos=False, pad="<eos>"),
    "no pad": byte_tokenizer(bos=True, pad=None),
    "demo": build_tokenizer(),
}
EXAMPLES = [
    Example("Tom has 3 apples. How many?", "3 + 0 = 3. The answer is 3.", "test"),
    Example("Why?", "Because.", "test"),
    Example("A longer question with numbers 12 and 345?", "12.", "test"),
]


def harness_ids(tokenizer: Any, prompt: str) -> list[int]:
    """What lm-evaluation-harness's own code makes of a prompt."""
    from lm_eval.models.huggingface import HFLM

    prefix = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    lm = SimpleNamespace(tokenizer=tokenizer, add_bos_token=None, prefix_token_id=prefix)
    return HFLM.tok_encode(lm, prompt)


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_prompt_ids_are_what_the_harness_sends(name: str, prompt: str) -> None:
    tokenizer, style = TOKENIZERS[name], PROMPTS[prompt]
    for example in EXAMPLES:
        text = style.render(example.instruction)
        prompt_ids, response_ids = encode_pair(tokenizer, text, style.separator + example.response)
        assert prompt_ids == harness_ids(tokenizer, text)
        assert (prompt_ids + response_ids).count(tokenizer.bos_token_id) == (name in ("bos", "no pad", "demo"))
        assert response_ids[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(response_ids[:-1]) == style.separator + example.response


def test_a_prompt_that_begins_with_bos_gets_no_second_one() -> None:
    tokenizer = TOKENIZERS["bos"]
    prompt_ids, _ = encode_pair(tokenizer, "<bos>Hello", " you")
    assert prompt_ids == harness_ids(tokenizer, "<bos>Hello")
    assert prompt_ids.count(1) == 1


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_eos_is_a_label_and_padding_is_none(name: str, side: str) -> None:
    tokenizer = TOKENIZERS[name]
    encoded = encode_examples(tokenizer, PROMPTS["qa"], EXAMPLES, max_length=200)
    batch = Collator(tokenizer, side)(encoded.features)
    assert encoded.cut_off == 0
    for feature, labels, mask in zip(encoded.features, batch["labels"], batch["attention_mask"], strict=True):
        real = labels[mask.bool()].tolist()
        assert real == feature["labels"]
        assert real[-1] == tokenizer.eos_token_id
        assert set(labels[~mask.bool()].tolist()) <= {IGNORED}


def test_cut_off_examples_are_counted_and_cut() -> None:
    tokenizer = TOKENIZERS["bos"]
    whole = encode_examples(tokenizer, PROMPTS["qa"], EXAMPLES, 500)
    lengths = [len(feature["input_ids"]) for feature in whole.features]
    cut = encode_examples(tokenizer, PROMPTS["qa"], EXAMPLES, sorted(lengths)[1])
    assert cut.cut_off == 1
    assert max(len(feature["input_ids"]) for feature in cut.features) == sorted(lengths)[1]


def test_prompts_longer_than_the_limit_leave_nothing_to_learn() -> None:
    with pytest.raises(ModbenchError, match="max_length = 4"):
        encode_examples(TOKENIZERS["bos"], PROMPTS["qa"], EXAMPLES, 4)


@pytest.mark.parametrize("name", ["pad is eos", "no pad", "demo"])
def test_left_and_right_padding_give_the_same_loss(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    base = build_base()
    base.resize_token_embeddings(len(tokenizer))
    mod = get_mod_model(base, MoDConfig(k=3)).train()
    features = [
        {key: [token % len(tokenizer) if token >= 0 else token for token in ids][:60] for key, ids in feature.items()}
        for feature in encode_examples(tokenizer, PROMPTS["qa"], EXAMPLES, 60).features
    ]
    right, left = (float(mod(**Collator(tokenizer, side)(features)).loss.detach()) for side in ("right", "left"))
    assert left == pytest.approx(right, rel=1e-10)


@given(st.text(max_size=80))
def test_the_demo_tokenizer_keeps_every_text(text: str) -> None:
    tokenizer = TOKENIZERS["demo"]
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_numbers_and_words_of_the_demo_are_single_tokens() -> None:
    tokenizer = TOKENIZERS["demo"]
    for word in [f" {n}" for n in range(100)] + [" apples", "Tom"[:0] or "Ann", " Victor", "Question", " The"]:
        assert len(tokenizer.encode(word, add_special_tokens=False)) == 1, word


def test_tokens_are_int64_tensors() -> None:
    batch = Collator(TOKENIZERS["no pad"])(encode_examples(TOKENIZERS["no pad"], PROMPTS["qa"], EXAMPLES, 90).features)
    assert {value.dtype for value in batch.values()} == {torch.int64}
