"""Documents that were put to models in other words: by plain runs of the harness."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.comparison.compare import compare
from modbench.comparison.load import from_path, from_record
from modbench.comparison.models import Comparison
from modbench.comparison.outcomes import Asked, RunOutcomes, TaskOutcomes
from modbench.errors import ModbenchError
from modbench.report.tables import render

from .outputs import generated, write


def rows(*prompts: str, key: str = "prompt_hash") -> list[dict[str, Any]]:
    """One row per prompt, which stands in `prompt_hash` or in the arguments."""
    found = [generated(number, "4", "4", True) for number in range(len(prompts))]
    for row, prompt in zip(found, prompts, strict=True):
        row["arguments"] = {"gen_args_0": {"arg_0": prompt, "arg_1": {}}}
        if key == "prompt_hash":
            row["prompt_hash"] = hashlib.sha256(prompt.encode()).hexdigest()
    return found


def compared(*folders: Path, **options: Any) -> Comparison:
    return compare([run for folder in folders for run in from_path(str(folder))], **options)


@pytest.mark.parametrize("key", ["prompt_hash", "arguments"])
def test_other_prompts_are_refused_or_left_out(tmp_path: Path, key: str) -> None:
    one = write(tmp_path / "one", gsm8k=rows("p", "q", "r"), arc=rows("p"))
    two = write(tmp_path / "two", gsm8k=rows("p", "Q", "R", key=key), arc=rows("p", key=key))
    message = r"one and .*two asked 2 of 3 documents of gsm8k in different prompts.*\(such as hash-1\).*--intersect$"
    with pytest.raises(ModbenchError, match=message):
        compared(one, two)
    found = compared(one, two, intersect=True)
    assert found.problems == {"gsm8k": 1, "arc": 1}
    assert found.notes[0] == "gsm8k: left out 2 of 3 documents with different prompts or golds"
    same = write(tmp_path / "same", gsm8k=rows("p", "q", "r", key=key), arc=rows("p", key=key))
    assert compared(one, same).problems == {"gsm8k": 3, "arc": 1}


def test_other_golds_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "one", gsm8k=rows("p", "q"))
    two = write(tmp_path / "two", gsm8k=[rows("p")[0], rows("p", "q")[1] | {"target": "5"}])
    with pytest.raises(ModbenchError, match=r"1 of 2 documents of gsm8k .* different golds \(such as hash-1\)"):
        compared(one, two)


def test_all_in_other_prompts_is_refused_with_intersect_too(tmp_path: Path) -> None:
    one, two = (write(tmp_path / name, gsm8k=rows(name, name)) for name in ("one", "two"))
    with pytest.raises(ModbenchError, match="asked 2 of 2 documents of gsm8k in different prompts"):
        compared(one, two, intersect=True)


def test_documents_are_left_out_before_their_prompts_are_compared(tmp_path: Path) -> None:
    one = write(tmp_path / "one", gsm8k=rows("p", "q", "r"))
    two = write(tmp_path / "two", gsm8k=rows("p", "Q"))
    found = compared(one, two, intersect=True)
    assert found.problems == {"gsm8k": 1}
    assert found.notes[:2] == [
        "gsm8k: reduced to the 2 documents that all runs answered, of at most 3",
        "gsm8k: left out 1 of 2 documents with different prompts or golds",
    ]


@given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=2, max_size=5), st.permutations(range(3)))
def test_what_remains_is_what_a_loop_finds(drawn: list[list[int]], order: list[int]) -> None:
    import numpy as np

    runs = []
    for number, prompts in enumerate(drawn):
        places = order if number % 2 else list(range(3))
        of = TaskOutcomes.of(
            [f"d{place}" for place in places],
            [place == 1 for place in places],
            asked=Asked(np.array([prompts[place] for place in places], dtype=np.uint64)),
        )
        runs.append(RunOutcomes(f"m{number}", 0, {"x": of}, f"model {number}"))
    alike = [place for place in range(3) if len({prompts[place] for prompts in drawn}) == 1]
    if not alike:
        with pytest.raises(ModbenchError, match="prompt"):
            compare(runs, intersect=True)
        return
    found = compare(runs, intersect=True)
    assert found.problems == {"x": len(alike)}
    assert found.methods[0].tasks["x"].accuracy == pytest.approx((1 in alike) / len(alike))


def chat(folder: Path, model: str, template: str | None, prompt: str = "p", **top: Any) -> Path:
    config = {"num_fewshot": 2}
    return write(
        folder / model,
        config=config,
        top={"model_name": model, "chat_template_sha": template} | top,
        gsm8k=rows(f"{template}{prompt}"),
    )


def test_models_with_their_own_templates_are_compared_and_that_is_said(tmp_path: Path) -> None:
    folders = [chat(tmp_path, name, of) for name, of in (("x", "1" * 64), ("y", "2" * 64), ("z", None), ("w", None))]
    found = compared(*folders)
    note = (
        "asked with different chat templates (x: 11111111; y: 22222222; z, w: none): "
        "prompts are compared within each only"
    )
    assert note in found.notes
    for format in ("table", "markdown", "latex", "json"):
        assert "asked with different chat templates" in render(found, format)
    with pytest.raises(ModbenchError, match=r"w and .*v asked 1 of 1 documents"):
        compared(*folders[3:], chat(tmp_path, "v", None, "other"))


def test_one_model_with_several_templates_is_refused(tmp_path: Path) -> None:
    one = chat(tmp_path / "one", "x", "1" * 64)
    two = chat(tmp_path / "two", "x", None)
    with pytest.raises(ModbenchError, match=r"one model, x, gsm8k with different chat templates \(11111111 and none\)"):
        compare([*from_path(f"a={one}"), *from_path(f"b={two}")])


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ({"config": {"fewshot_seed": 7}}, r"drew the examples of gsm8k with different seeds \(1 and 7\)"),
        ({"system_instruction_sha": "3" * 64}, "harness settings of gsm8k, system_instruction_sha null and 33333333"),
        ({"fewshot_as_multiturn": True}, "harness settings of gsm8k, fewshot_as_multiturn false and true"),
    ],
)
def test_other_templates_excuse_nothing_else(tmp_path: Path, top: dict[str, Any], message: str) -> None:
    one = chat(tmp_path, "x", "1" * 64, config={"fewshot_seed": 1})
    two = chat(tmp_path, "y", "2" * 64, **({"config": {"fewshot_seed": 1}} | top))
    with pytest.raises(ModbenchError, match=message):
        compared(one, two)


def test_turns_count_only_where_a_chat_has_any(tmp_path: Path) -> None:
    one = chat(tmp_path, "x", None, fewshot_as_multiturn=True)
    two = chat(tmp_path, "y", None, fewshot_as_multiturn=False)
    assert len(compared(one, two).methods) == 2


def test_prompts_that_are_not_stored_are_said(tmp_path: Path, make_run: Any) -> None:
    ours = from_record(*make_run("mod_k", {"gsm8k": [True]}))
    rows_of = [row | {"metrics": ["acc"], "acc": 1.0} for row in rows("p")]
    theirs = from_path(f"theirs={write(tmp_path / 'out', gsm8k=rows_of)}")
    assert "the prompts of mod_k are not stored: they are compared with no other's" in compare([ours, *theirs]).notes


def test_rows_without_any_prompt_are_compared_and_that_is_said(tmp_path: Path) -> None:
    bare = [row | {"arguments": {}} for row in rows("p", "q", key="arguments")]
    found = compared(write(tmp_path / "one", gsm8k=rows("p", "q")), write(tmp_path / "two", gsm8k=bare))
    assert "the prompts of two are not stored: they are compared with no other's" in found.notes
