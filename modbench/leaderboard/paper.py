"""The paper's own results (arXiv:2410.13077) as leaderboards: the accuracies as printed, means and parameters ours."""

from __future__ import annotations

from modbench.leaderboard.schema import (
    Leaderboard,
    Mean,
    Printed,
    PublishedResult,
    PublishedRow,
    Source,
)
from modbench.records import Parameters

TASKS = (
    "modbench_addsub",
    "modbench_aqua",
    "modbench_gsm8k",
    "modbench_mawps",
    "modbench_multiarith",
    "modbench_singleeq",
    "modbench_svamp",
)
METHODS = ("lora_not_k", "lora_all", "lora_all_mod_k", "mod_k")
PRINTED = {
    "LLaMA-7B": (
        ("38.7 13.4 37.3 56.3 78.2 59.8 42.3", "46.6"),
        ("41.3 15.4 38.5 58.0 81.0 62.9 44.2", "48.8"),
        ("42.0 15.8 39.1 58.5 81.3 62.9 44.9", "49.2"),
        ("41.5 16.1 38.2 58.4 80.7 62.3 43.8", "48.7"),
    ),
    "LLaMA2-7B": (
        ("46.3 20.5 39.7 60.6 81.4 62.0 43.2", "50.5"),
        ("51.1 24.4 43.6 62.6 84.2 66.9 47.7", "54.5"),
        ("51.2 25.5 43.9 63.1 84.3 67.3 48.0", "54.8"),
        ("50.1 24.3 43.4 63.7 82.2 66.8 47.5", "54.0"),
    ),
}
"""By model, for each of METHODS: the accuracies on TASKS and their mean, in percent with the digits printed."""
OVERHEADS = (None, "10.3", "10.4", "0.04")
"""Of each method, in percent beyond `lora_not_k`, as printed."""
LAYERS, LATE, WIDTH, INNER, RANK = 32, 3, 4096, 11008, 32
"""The shapes of both models, and the paper's k and LoRA rank (on the q, k, v, up and down projections)."""


def boards() -> list[Leaderboard]:
    """One leaderboard for each model: of suites `llama-7b-math` and `llama2-7b-math`."""
    return [
        Leaderboard(
            suite=f"{model.lower()}-math",
            model=None,
            data={},
            rows=sorted(
                (
                    _row(model, method, *line, overhead)
                    for method, line, overhead in zip(METHODS, lines, OVERHEADS, strict=True)
                ),
                key=lambda row: row.key,
            ),
        )
        for model, lines in PRINTED.items()
    ]


def _row(model: str, method: str, accuracies: str, mean: str, overhead: str | None) -> PublishedRow:
    # Rounded: 38.7 / 100 is not the nearest number to 0.387.
    values = [round(float(text) / 100, 6) for text in accuracies.split()]
    tasks = {task: PublishedResult(accuracy=value) for task, value in zip(TASKS, values, strict=True)}
    parameters, ours = _parameters(method), Mean.over(tasks)
    return PublishedRow(
        method=method,
        model=model,
        source=Source(
            citation='Luo and Specia, "Tuning Language Models by Mixture-of-Depths Ensemble", arXiv:2410.13077',
            url="https://arxiv.org/abs/2410.13077",
            table=f"accuracies on seven arithmetic test sets, {model}",
        ),
        tasks=tasks,
        mean=ours,
        printed=Printed.beside(ours.accuracy, parameters.overhead_percent, mean, overhead),
        parameters=parameters,
        late_layers=list(range(LAYERS - LATE, LAYERS)) if method.endswith("mod_k") else [],
    )


def _parameters(method: str) -> Parameters:
    layer = RANK * (3 * (WIDTH + WIDTH) + 2 * (WIDTH + INNER))
    base = layer * (LAYERS - LATE)
    lora = layer * LAYERS if method.startswith("lora_all") else base
    ensemble = method.endswith("mod_k")
    # The last layer keeps the model's own final norm, frozen.
    norms, router = (WIDTH * (LATE - 1), WIDTH * LATE) if ensemble else (0, 0)
    total = lora + norms + router
    return Parameters(lora=lora, norms=norms, router=router, total=total, overhead_percent=100 * (total - base) / base)
