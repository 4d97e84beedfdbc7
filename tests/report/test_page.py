from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from modbench.comparison.compare import compare
from modbench.comparison.join import join
from modbench.comparison.load import from_path
from modbench.comparison.outcomes import RunOutcomes
from modbench.errors import ModbenchError
from modbench.report.page import SCRIPTS, WEB, write_report
from modbench.report.payload import payload
from modbench.stats.solved import unpack

from .comparisons import FinishedRun, bits, carried, unpacked

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> ]]> \u2028 $data {{ }} é \x00"


@pytest.fixture
def runs(finished_run: FinishedRun) -> list[RunOutcomes]:
    return [
        finished_run("lora_all", {"one": bits("1100"), "two": bits("10")}, questions={0: HOSTILE}),
        finished_run("mod_k", {"one": bits("1010"), "two": bits("10")}, responses={1: HOSTILE}),
    ]


class Reader(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]


def test_the_page_carries_verdicts_and_texts(runs: list[RunOutcomes], tmp_path: Path) -> None:
    page, *pictures = write_report(compare(runs), runs, tmp_path / "out")
    assert page == tmp_path / "out" / "index.html"
    assert {path.name for path in pictures} == {path.name for path in (tmp_path / "out").iterdir()} - {"index.html"}
    found = carried(page)
    assert found["comparison"] == json.loads(json.dumps(compare(runs).to_dict()))
    for run, stored in zip(runs, found["runs"], strict=True):
        assert (stored["method"], stored["seed"]) == (run.method, run.seed)
        for task, outcomes in run.tasks.items():
            assert unpack(stored["solved"][task], outcomes.n).tolist() == outcomes.correct.tolist()
    texts = found["texts"]
    assert texts["notes"] == []
    assert texts["documents"]["one"][0] == [
        0,
        HOSTILE,
        "1",
        [["lora_all thinks about 0, seed 0.", "1", None], ["mod_k thinks about 0, seed 0.", "1", None]],
    ]
    assert texts["documents"]["one"][1][3] == [["lora_all thinks about 1, seed 0.", "1", None], [HOSTILE, "2", None]]
    assert {picture["svg"][:5] for picture in found["pictures"]} == {"<?xml"}


def test_nothing_that_a_model_wrote_is_markup(runs: list[RunOutcomes], tmp_path: Path) -> None:
    tame = write_report(compare(runs[:1]), runs[:1], tmp_path / "tame")[0].read_text()
    wild = write_report(compare(runs), runs, tmp_path / "wild")[0].read_text()
    assert Reader(wild).tags == Reader(tame).tags
    assert wild.count("</script") == 2 and "alert(" not in wild and "<!--" not in wild


def test_no_script_makes_markup_from_text() -> None:
    script = "".join((WEB / name).read_text() for name in SCRIPTS)
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\bfetch\b", script
    )
    assert sorted(SCRIPTS) == sorted(path.name for path in WEB.glob("*.js"))


def test_a_page_needs_nothing_else(runs: list[RunOutcomes], tmp_path: Path) -> None:
    text = write_report(compare(runs), runs, tmp_path / "out")[0].read_text()
    assert Reader(text).addresses == []
    assert not re.findall(r"https?:|url\(|@import|\bimport\b", text)
    assert "default-src 'none'" in text


def test_the_same_runs_give_the_same_page(runs: list[RunOutcomes], tmp_path: Path) -> None:
    first = write_report(compare(runs), runs, tmp_path / "out")[0].read_bytes()
    assert write_report(compare(runs), runs, tmp_path / "out")[0].read_bytes() == first


def test_a_large_suite_keeps_the_documents_on_which_methods_differ(runs: list[RunOutcomes]) -> None:
    comparison = compare(runs)
    everything = unpacked(payload(comparison, runs, []))
    reduced = unpacked(payload(comparison, runs, [], page_bytes=10))
    assert reduced["runs"] == everything["runs"]
    assert [document[0] for document in reduced["texts"]["documents"]["one"]] == [1, 2]
    assert reduced["texts"]["documents"]["one"] == everything["texts"]["documents"]["one"][1:3]
    assert reduced["texts"]["documents"]["two"] == []
    (note,) = reduced["texts"]["notes"]
    assert "2 of the 6 documents only, those on which methods differ" in note


def test_texts_too_large_to_read_are_read_of_an_even_share(finished_run: FinishedRun) -> None:
    runs = [finished_run("a", {"one": bits("1" * 40 + "0" * 10)}), finished_run("b", {"one": bits("0" * 50)})]
    size = sum((run.folder / "samples" / "one.jsonl").stat().st_size for run in runs if run.folder)
    just = unpacked(payload(compare(runs), runs, [], read_bytes=int(size * 0.9)))
    assert [document[0] for document in just["texts"]["documents"]["one"]] == list(range(40))
    few = unpacked(payload(compare(runs), runs, [], read_bytes=size // 5))
    assert [document[0] for document in few["texts"]["documents"]["one"]] == list(range(0, 40, 4))
    assert "10 of the 50 documents only, an even share of those on which methods differ" in few["texts"]["notes"][0]


def test_methods_differ_within_a_seed_not_between_seeds(finished_run: FinishedRun) -> None:
    verdicts = {("a", 0): "110", ("b", 0): "110", ("a", 1): "001", ("b", 1): "011"}
    runs = [finished_run(method, {"one": bits(text)}, seed) for (method, seed), text in verdicts.items()]
    reduced = unpacked(payload(compare(runs), runs, [], page_bytes=10))
    assert [document[0] for document in reduced["texts"]["documents"]["one"]] == [1]


def test_runs_are_reduced_to_the_documents_that_they_share(finished_run: FinishedRun, tmp_path: Path) -> None:
    runs = [finished_run("a", {"one": bits("1101"), "two": bits("1")}), finished_run("b", {"one": bits("011")})]
    page = write_report(compare(runs, intersect=True), runs, tmp_path / "out")[0]
    found = carried(page)
    assert list(found["texts"]["documents"]) == ["one"]
    assert [document[1] for document in found["texts"]["documents"]["one"]] == [
        f"Question {i} of one?" for i in range(3)
    ]
    assert unpack(found["runs"][0]["solved"]["one"], 3).tolist() == [True, True, False]


def test_runs_without_samples_are_named(runs: list[RunOutcomes]) -> None:
    joined, _ = join([runs[0], replace(runs[1], folder=None, record=None)])
    found = unpacked(payload(compare(joined), joined, []))
    assert found["texts"]["notes"] == ["the responses of mod_k seed 0 are not at hand"]
    assert found["texts"]["documents"]["two"][0][3] == [["lora_all thinks about 0, seed 0.", "1", None], None]


def test_responses_that_the_harness_logged_can_be_read_too(tmp_path: Path) -> None:
    for name, right in (("a", "10"), ("b", "01")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results_2025.json").write_text(json.dumps({"configs": {"one": {}}, "model_name": name}))
        rows = [
            {
                "doc_id": number,
                "doc_hash": f"hash-{number}",
                "doc": {"instruction": f"Question {number}?"},
                "filter": "none",
                "arguments": [],
                "resps": [[f"{name}: {number}"]],
                "filtered_resps": [str(number)],
                "target": "7",
                "metrics": ["exact_match"],
                "exact_match": float(verdict),
            }
            for number, verdict in enumerate(right)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / name / "samples_one_2025.jsonl").write_text(lines)
    runs = [run for name in ("a", "b") for run in from_path(str(tmp_path / name))]
    texts = unpacked(payload(compare(runs), runs, []))["texts"]
    assert texts["notes"] == []
    assert texts["documents"]["one"][0] == [0, "Question 0?", "7", [["a: 0", "0", "correct"], ["b: 0", "0", "wrong"]]]


def test_a_suite_as_large_as_the_embedded_one_stays_small(finished_run: FinishedRun) -> None:
    rng = random.Random(0)
    runs = [
        finished_run(
            method,
            {task: [rng.random() < 0.5 for _ in range(400)] for task in ("one", "two", "three")},
            seed,
            {
                n: f"{rng.randrange(1000)} + {rng.randrange(1000)} = {rng.randrange(1000)}. The answer is."
                for n in range(400)
            },
        )
        for method in ("base", "lora_all", "mod_k")
        for seed in (0, 1, 2)
    ]
    assert len(payload(compare(runs), runs, [])) < 3_000_000


def test_another_page_is_not_overwritten(runs: list[RunOutcomes], tmp_path: Path) -> None:
    comparison = compare(runs)
    page = tmp_path / "index.html"
    page.write_text("<title>mine</title>")
    with pytest.raises(ModbenchError, match="not a page of modbench"):
        write_report(comparison, runs, tmp_path)
    assert page.read_text() == "<title>mine</title>" and not list(tmp_path.glob("*.svg"))
    with pytest.raises(ModbenchError, match="is a file"):
        write_report(comparison, runs, page)


def test_damaged_samples_are_an_error(runs: list[RunOutcomes], tmp_path: Path) -> None:
    folder = runs[1].folder
    assert folder is not None
    samples = folder / "samples" / "one.jsonl"
    samples.write_bytes(samples.read_bytes()[:-10])
    with pytest.raises(ModbenchError, match="cut off"):
        write_report(compare(runs), runs, tmp_path / "out")
    assert not (tmp_path / "out" / "index.html").exists()
