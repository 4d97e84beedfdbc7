"""A benchmark run in one YAML file: model, training data, recipe, tasks, seeds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator

from modbench import resources
from modbench.data.prompts import PROMPTS
from modbench.errors import ModbenchError, unknown
from modbench.peft_file import FILE_NAME, PeftFields

Seed = Annotated[int, Field(ge=0, lt=2**32)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lora(_Strict):
    """PEFT's LoRA settings; `targets` are module names inside a layer."""

    r: int = Field(gt=0)
    alpha: int = Field(gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: list[str] = Field(min_length=1)


class Recipe(_Strict):
    """How an adapter is trained: AdamW without weight decay, linear decay after `warmup_steps`."""

    lora: Lora
    peft: PeftFields | None = None
    """What the `peft_*` methods put on the model: the fields of PEFT's own configuration file."""
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    gradient_accumulation: int = Field(default=1, gt=0)
    learning_rate: float = Field(gt=0)
    ensemble_learning_rate: float | None = Field(default=None, gt=0)
    """The rate for norms and router; None is `learning_rate`."""
    warmup_steps: int = Field(default=0, ge=0)
    max_length: int = Field(gt=1)

    def peft_for(self, method: str) -> dict[str, Any]:
        """The PEFT configuration that `method` needs; ModbenchError if there is none."""
        if self.peft is None:
            raise ModbenchError(f"{method} needs a PEFT method: --peft-config {FILE_NAME}, or recipe.peft in the suite")
        return self.peft


PAPER_RECIPE = Recipe(
    lora=Lora(r=32, alpha=64, dropout=0.05, targets=["q_proj", "k_proj", "v_proj", "up_proj", "down_proj"]),
    epochs=3,
    batch_size=16,
    learning_rate=3e-4,
    warmup_steps=100,
    max_length=256,
)
"""The paper's, which is LLM-Adapters'."""


PAPER_QUESTIONS: dict[str, Any] = {
    "prompt": "llm_adapters",
    "generation": {"num_beams": 4, "until": ["### Response:"]},
    "eval_batch_size": 1,
}
"""How LLM-Adapters asks on the tasks of the paper: four beams and no sampling (its temperature, top-p and top-k have no
effect then), the response read up to the next "### Response:". 256 new tokens, on the commonsense sets 32, are the
tasks' own; arithmetic goes one by one."""


class TrainingData(_Strict):
    """Where training examples come from: the demo's generator, the math mix, or a user's `file`."""

    source: Literal["demo", "math_mix", "file"]
    count: int | None = Field(default=None, gt=0)
    seed: int = 0
    file: Path | None = None


class Suite(_Strict):
    """One benchmark. `model` is a hub id, a folder, or `demo` for the embedded model; `tasks` maps names to limits.

    `apply_chat_template`: the prompt is a user's message and the response the assistant's, in training, few-shot
    examples and evaluation, as the tokenizer's chat template writes them. `generation` replaces generation settings of
    the tasks that come with modbench.
    """

    name: str
    description: str
    model: str
    revision: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"]
    prompt: str
    apply_chat_template: bool = False
    training: TrainingData
    recipe: Recipe
    tasks: dict[str, PositiveInt | None] = Field(min_length=1)
    eval_batch_size: int = Field(gt=0)
    generation: dict[str, Any] | None = None
    seeds: list[Seed] = Field(min_length=1)

    @field_validator("seeds")
    @classmethod
    def _differ(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed is named twice")
        return seeds

    @field_validator("prompt")
    @classmethod
    def _known(cls, prompt: str) -> str:
        if prompt not in PROMPTS:
            raise ValueError(str(unknown("prompt", prompt, PROMPTS)))
        return prompt


def suite_names() -> list[str]:
    """The suites that come with modbench."""
    return sorted(path.stem for path in resources.folder("suites").glob("*.yaml"))


def load_suite(name: str) -> Suite:
    """The shipped suite of that name, or the one in a YAML file. ModbenchError if it is unknown or broken."""
    import yaml

    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise ModbenchError(f"no suite file {name}: give a YAML file or one of {', '.join(suite_names())}")
    elif name in suite_names():
        path = resources.folder("suites") / f"{name}.yaml"
    else:
        raise unknown("suite", name, suite_names())
    try:
        return Suite.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModbenchError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ModbenchError(f"suite {path}: {where}: {first['msg']}") from None


def customized(
    suite: Suite,
    model: str | None = None,
    tasks: list[str] | None = None,
    train: Path | None = None,
    limit: int | None = None,
    recipe: Mapping[str, Any] | None = None,
) -> Suite:
    """`suite` with another base model, other tasks, a user's training file, fewer problems per task, or other fields
    of its recipe (already checked)."""
    changes: dict[str, object] = {}
    if model is not None:
        changes |= {"model": model, "revision": None}
    if tasks is not None:
        changes["tasks"] = {task: suite.tasks.get(task) for task in tasks}
    if limit is not None:
        chosen = changes.get("tasks", suite.tasks)
        assert isinstance(chosen, dict)
        changes["tasks"] = {task: min(limit, own or limit) for task, own in chosen.items()}
    if train is not None:
        changes["training"] = TrainingData(source="file", file=train)
    if recipe:
        changes["recipe"] = suite.recipe.model_copy(update=dict(recipe))
    return suite.model_copy(update=changes)
