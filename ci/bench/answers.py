"""Answers: what modbench, Math-Verify, lm-evaluation-harness and LLM-Adapters make of the same texts, and how fast.

    python ci/bench/answers.py
    python ci/bench/answers.py --runs RUNS --disagreements FILE

`worked`: the 8,792 worked solutions of GSM8K, in several forms, each against its right gold and against wrong ones.
Per side, the right answers lost and the wrong ones let in. `stored`: the responses stored under RUNS (samples/*.jsonl),
where nobody knows the truth: how many each side calls right, and how many it judges unlike modbench. `speed`: answers
per second of processor time on one core, texts of both kinds, the sides taking turns; `ratio` is to Math-Verify.
`limits`: the slowest of many hostile megabytes, in ms. FILE gets a line for every text and gold on which not all sides
agree, or on which ours is wrong.
Math-Verify takes part where it is installed: `pip install math-verify`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from answer_limits import slowest
from answer_sides import Judge, all_sides
from ratios import print_report, ratios

from modbench.answers import judge_number
from modbench.data.sources import locate


@dataclass(frozen=True)
class Case:
    """A text with the golds that it is judged against, by kind, and whether each is right (None: unknown)."""

    source: str
    text: str
    question: str
    golds: dict[str, str]
    truth: dict[str, bool | None]


def worked_solutions() -> dict[str, list[Case]]:
    """The solutions of GSM8K as cases, by the form of the text."""
    rows = [
        json.loads(line) | {"source": f"{split}:{number}"}
        for split in ("train", "test")
        for number, line in enumerate(locate(f"grade_school_math/data/{split}.jsonl").open(encoding="utf-8"))
    ]
    parts = [row["answer"].rpartition("####") for row in rows]
    answers = [part[2].strip().replace(",", "") for part in parts]
    cases: dict[str, list[Case]] = {"as written": [], "in a sentence": [], "boxed": [], "no marker": [], "runs on": []}
    for index, row in enumerate(rows):
        solution, answer, next_row = parts[index][0].rstrip(), answers[index], rows[(index + 1) % len(rows)]
        value = int(answer)
        other = next(found for step in range(1, 99) if (found := answers[(index + step) % len(rows)]) != answer)
        golds = {"right": answer, "plus 1": str(value + 1), "times 10": str(value * 10), "negated": str(-value)}
        golds["another problem's"] = other
        if not value:
            golds = {kind: gold for kind, gold in golds.items() if kind not in ("times 10", "negated")}
        truth: dict[str, bool | None] = {kind: kind == "right" for kind in golds}
        texts = {
            "as written": row["answer"],
            "in a sentence": f"{solution}\nThe answer is ${answer}.00.",
            "boxed": f"{solution}\n\\boxed{{{answer}}}",
            "no marker": solution,
            "runs on": f"{row['answer']}\n\nQuestion: {next_row['question']}\nAnswer: {next_row['answer']}",
        }
        for form, text in texts.items():
            cases[form].append(Case(f"{row['source']} {form}", text, row["question"], golds, truth))
    return cases


def stored_responses(folder: Path) -> list[Case]:
    """The responses in all samples/*.jsonl under `folder` whose gold is a number, each against its gold."""
    cases = []
    for path in sorted(folder.rglob("samples/*.jsonl")):
        for line in path.open(encoding="utf-8"):
            sample = json.loads(line)
            gold = sample["gold"].removesuffix(".0")  # The harness compares texts: 576.0 would never be 576.
            if gold.replace(".", "", 1).replace("-", "", 1).isdigit():
                source = f"{path.relative_to(folder)}:{sample['doc_id']}"
                question = sample.get("question") or ""
                cases.append(Case(source, sample["response"], question, {"gold": gold}, {"gold": None}))
    return cases


def verdicts(case: Case, sides: dict[str, Judge]) -> Iterator[tuple[str, dict[str, bool]]]:
    """By kind of gold, the verdict of every side."""
    golds = list(case.golds.values())
    judged = {name: judge(case.text, golds, case.question) for name, judge in sides.items()}
    for index, kind in enumerate(case.golds):
        yield kind, {name: found[index] for name, found in judged.items()}


def compare(cases: list[Case], sides: dict[str, Judge], disagreements: TextIO | None) -> dict[str, Any]:
    """Counts per side over all cases; what is not unanimous is written to `disagreements`."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in sides}
    pairs: Counter[str] = Counter()
    for case in cases:
        for kind, found in verdicts(case, sides):
            truth = case.truth[kind]
            pairs[{True: "right", False: "wrong", None: "unknown"}[truth]] += 1
            for name, verdict in found.items():
                if truth is None:
                    counts[name] += Counter({"called right": verdict, "unlike modbench": verdict != found["modbench"]})
                else:
                    counts[name] += Counter({"lost": truth and not verdict, "let in": verdict and not truth})
            if disagreements and len({*found.values(), truth} - {None}) > 1:
                line = {"source": case.source, "kind": kind, "gold": case.golds[kind], "right": truth, **found}
                line["answer"] = judge_number(case.text, case.golds[kind], case.question).answer
                disagreements.write(json.dumps(line | {"text": case.text}) + "\n")
    keys = ("called right", "unlike modbench") if pairs["unknown"] else ("lost", "let in")
    return {"golds": dict(pairs), **{name: {key: count[key] for key in keys} for name, count in counts.items()}}


def speed(cases: list[Case], sides: dict[str, Judge], rounds: int) -> dict[str, Any]:
    """Answers per second of processor time (median, least and most over rounds), and the speed relative to Math-Verify.

    The sides take turns, each round in the other order; processor time, since other jobs may run beside it.
    """
    asked = [(case.text, [next(iter(case.golds.values()))], case.question) for case in cases]

    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(-1, rounds):
        for name in list(sides) if number % 2 else reversed(sides):
            start = time.process_time()
            for text, gold, question in asked:
                sides[name](text, gold, question)
            if number >= 0:
                seconds[name].append(time.process_time() - start)
    report: dict[str, Any] = {"texts": len(asked), "rounds": rounds}
    rates = {name: sorted(len(asked) / value for value in values) for name, values in seconds.items()}
    for name, rate in rates.items():
        middle = rate[len(rate) // 2]
        report[name] = {"answers_per_second": round(middle), "spread": [round(rate[0]), round(rate[-1])], "ratio": None}
    if "math_verify" in sides:
        for name, found in ratios(seconds, "math_verify").items():
            report[name]["ratio"] = round(found["speed"], 1)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, action="append", default=[], help="folder of runs; may be repeated")
    parser.add_argument("--disagreements", type=Path, help="JSON lines, one per disagreement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--timed", type=int, default=1000, help="texts per round")
    parser.add_argument("--part", choices=["worked", "stored", "speed", "limits"], action="append")
    options = parser.parse_args()
    parts = options.part or ["worked", "stored", "speed", "limits"]
    every = all_sides()
    sides = {name: judge for name, judge in every.items() if judge}
    report: dict[str, Any] = dict.fromkeys(every.keys() - sides.keys())
    if report:
        print("Math-Verify is left out: pip install math-verify", file=sys.stderr)
    worked = worked_solutions() if {"worked", "speed"} & set(parts) else {}
    stored = {str(folder): stored_responses(folder) for folder in options.runs}
    file = options.disagreements.open("w", encoding="utf-8") if options.disagreements else None
    if "worked" in parts:
        report["worked"] = {form: compare(cases, sides, file) for form, cases in worked.items()}
    if "stored" in parts:
        report["stored"] = {folder: compare(cases, sides, file) for folder, cases in stored.items()}
    if file:
        file.close()
    if "speed" in parts:
        cases = [case for group in (*worked.values(), *stored.values()) for case in group]
        report["speed"] = speed(cases[:: max(1, len(cases) // options.timed)], sides, options.rounds)
    if "limits" in parts:
        report["limits_ms"] = slowest()
    print_report(**report)


if __name__ == "__main__":
    main()
