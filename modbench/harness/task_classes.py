"""The `class:` of our task files: the harness's own task, with examples from a pool and a prompt by name.

A task file names its pool in `dataset_kwargs` and its prompt in `metadata`, where `lm_eval --metadata
'{"prompt": "llm_adapters"}'` replaces it. Plain YAML can do neither: it would read the pool also where no example is
shown, and its delimiter between prompt and response is the same under each prompt.
"""

from __future__ import annotations

from typing import Any

from lm_eval.api.samplers import ContextSampler
from lm_eval.api.task import ConfigurableTask

from modbench.data.prompts import get_prompt
from modbench.errors import ModbenchError
from modbench.harness.tasks import examples


class PoolSampler(ContextSampler):
    """Draws examples from a pool, which is read when the first is wanted."""

    df: list[dict[str, Any]]

    def __init__(self, pool: str, choices: bool) -> None:
        super().__init__()
        self.pool, self.choices = pool, choices

    def documents(self) -> list[dict[str, Any]]:
        """All examples of the pool. Raises what `modbench.data.pools.read_pool` raises."""
        if not self.df:
            self.df = examples(self.pool, self.choices)
        return self.df

    def sample(self, n: int, eval_doc: Any = None, df: Any = None, **kwargs: Any) -> Any:
        """`n` different examples; ModbenchError if there are fewer. None is a test problem, so never `eval_doc`."""
        if n > len(self.documents()):
            raise ModbenchError(
                f"pool {self.pool} has {len(self.documents())} examples to show, not {n}: lower the number"
            )
        return self.rnd.sample(self.documents(), n)


class PooledTask(ConfigurableTask):
    """A task whose few-shot examples are drawn from the pool that its `dataset_kwargs` name."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config={name: value for name, value in config.items() if name != "class"})
        self.sampler = PoolSampler(config["dataset_kwargs"]["pool"], self.OUTPUT_TYPE == "multiple_choice")

    def fewshot_docs(self) -> Any:
        """The examples of the pool; None to the harness while it builds the task, when none is wanted yet."""
        return self.sampler.documents() if hasattr(self, "sampler") else None


class PromptedTask(PooledTask):
    """One that asks in the prompt that its metadata name. Raises ModbenchError if there is no such prompt."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.prompted = get_prompt(str(config["metadata"]["prompt"]))
        super().__init__(config | {"target_delimiter": self.prompted.separator})

    def doc_to_text(self, doc: dict[str, Any], doc_to_text: Any = None) -> str:
        """The prompt for a document or an example."""
        return self.prompted.render(doc["instruction"])
