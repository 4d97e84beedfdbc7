"""Tokenizers that chat, for tests: the demo's with one of several chat templates, and the demo model with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modbench import resources
from modbench.demo.tokenizer import build_tokenizer

TEMPLATES = {
    "eos ends a turn": (
        "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}{{ eos_token }}\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    ),
    "another token ends a turn": (
        "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}<pad>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    ),
    "a default system message": (
        "{% if messages[0]['role'] != 'system' %}[system]Be brief.{{ eos_token }}{% endif %}"
        "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{{ eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    ),
    "nothing before an answer but a mark": (
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
        "{% else %} {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
    ),
}


def chat_tokenizer(name: str) -> Any:
    """The demo's tokenizer with the template of that name."""
    tokenizer = build_tokenizer()
    tokenizer.chat_template = TEMPLATES[name]
    return tokenizer


def chat_model(folder: Path, name: str = "eos ends a turn") -> Path:
    """A model folder: the demo's files, with that chat template."""
    folder.mkdir(parents=True)
    for file in resources.folder("demo").iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "chat_template.jinja").write_text(TEMPLATES[name])
    return folder
