"""The embedded model's tokenizer: whole words and numbers as single tokens, bytes for everything else.

A byte-level BPE without merges whose vocabulary holds the words of the demo's worlds and the integers up to 99, each
with and without the space before it. A known word is one token (`ignore_merges`), any other text falls back to
its bytes, so every string survives the way there and back.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from modbench.demo.corpus import QUESTIONS, STORIES, documents
from modbench.demo.problems import KINDS, draw_set
from modbench.demo.worlds import LARGEST, NAMES, THINGS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<s>", "</s>")
SPLIT = r" ?[A-Za-z]+| ?[0-9]{1,2}| ?[^\sA-Za-z0-9]|\s"


def demo_words() -> list[str]:
    """Every piece of text that is one token, sorted: taken from samples of all demo text."""
    texts = [text for mixture in (STORIES, QUESTIONS) for text in itertools.islice(documents(0, mixture), 2000)]
    texts += [
        f"Question: {problem.text}\nAnswer: {problem.solution}"
        for kind in KINDS
        for problem in draw_set(kind, 300, seed=0, held_out=False)
    ]
    words = {piece for text in texts for piece in re.findall(SPLIT, text)}
    words |= {form for word in (*NAMES, *THINGS, *map(str, range(LARGEST + 1))) for form in (word, f" {word}")}
    return sorted(words)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, made from nothing: `<s>` begins every text, `</s>` ends one, `<pad>` fills."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pieces = [byte_level.pre_tokenize_str(word)[0][0] for word in demo_words()]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys([*SPECIAL, *alphabet, *pieces]))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    split = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
