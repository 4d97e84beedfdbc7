"""The page in a real browser: what a reader does, with the mouse and with the keyboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modbench.comparison.compare import compare
from modbench.records import Parameters, Record
from modbench.report.page import write_report

from .chromium import Chromium, find_browser
from .comparisons import bits, run_maker

BROWSER = find_browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here (Debian: apt-get install chromium)")

HOSTILE = "<script>alert(1)</script></script><!--<img src=x onerror=alert(2)>\n  two\n\nlines & $x$"
LABEL = "<img src=x onerror=alert(3)>"
VERDICTS = {
    ("base", 0): {"one": "100010000000", "two": "0001"},
    ("base", 1): {"one": "100010000000", "two": "0001"},
    ("lora_all", 0): {"one": "110011110000", "two": "0110"},
    ("lora_all", 1): {"one": "111011110000", "two": "1110"},
    ("mod_k", 0): {"one": "101011001111", "two": "0101"},
    ("mod_k", 1): {"one": "101111001111", "two": "0111"},
    (LABEL, 0): {"one": "111111110000", "two": "0001"},
    (LABEL, 1): {"one": "011111110000", "two": "0001"},
}
METHODS = list(dict.fromkeys(method for method, _ in VERDICTS))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, make_record: Callable[..., Record]) -> Path:
    folder = tmp_path_factory.mktemp("report")
    make = run_maker(make_record, folder / "runs")
    totals = {"base": 0, "lora_all": 3000, "mod_k": 2000, LABEL: 10_000}
    runs = [
        make(
            "own" if method == LABEL else method,
            {task: bits(text) for task, text in tasks.items()},
            seed,
            responses={8: HOSTILE} if method == "mod_k" else None,
            questions={8: f"What is {HOSTILE}?"},
            parameters=Parameters(lora=totals[method], norms=0, router=0, total=totals[method], overhead_percent=None),
        )
        for (method, seed), tasks in VERDICTS.items()
    ]
    runs = [replace(run, method=LABEL) if run.method == "own" else run for run in runs]
    return write_report(compare(runs, margin=0.01), runs, folder / "out")[0]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    assert BROWSER is not None
    started = Chromium(BROWSER, tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture
def page(browser: Chromium, report: Path) -> Iterator[Chromium]:
    browser.open(report)
    yield browser
    assert browser.errors == []
    assert {address.partition(":")[0] for address in browser.requests} <= {"file", "data"}


def solved(method: str) -> set[tuple[int, str, int]]:
    return {
        (seed, task, number)
        for (name, seed), tasks in VERDICTS.items()
        if name == method
        for task, text in tasks.items()
        for number, letter in enumerate(text)
        if letter == "1"
    }


def all_problems() -> set[tuple[int, str, int]]:
    return {(seed, task, i) for seed in (0, 1) for task, n in (("one", 12), ("two", 4)) for i in range(n)}


def macro(method: str) -> float:
    values = [
        text.count("1") / len(text)
        for (name, _), tasks in VERDICTS.items()
        if name == method
        for text in tasks.values()
    ]
    return sum(values) / len(values)


def rows(page: Chromium, table: str) -> list[list[str]]:
    """The cells of a table's body: their first text, without what stands beneath it."""
    return page.evaluate(
        f"[...document.querySelectorAll('#{table} tbody tr')].map((row) => [...row.children].map((cell) => "
        "[...cell.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join('').trim()))"
    )


def head(name: str) -> str:
    return f"[...document.querySelectorAll('#leaderboard thead button')].find((b) => b.textContent === {name!r})"


def named(start: str) -> str:
    """The button whose spoken name begins so."""
    return f"[...document.querySelectorAll('button')].find((b) => b.ariaLabel?.startsWith({start!r}))"


def choose(page: Chromium, select: str, value: str) -> None:
    page.evaluate(f"{select}.value = {value!r}, {select}.dispatchEvent(new Event('change'))")


def test_the_leaderboard_is_sorted_by_a_click(page: Chromium) -> None:
    by_mean = sorted(METHODS, key=lambda method: -macro(method))
    assert [row[0] for row in rows(page, "leaderboard")] == by_mean
    page.click(head("Trained"))
    assert [row[0] for row in rows(page, "leaderboard")] == [LABEL, "lora_all", "mod_k", "base"]
    assert page.evaluate(f"{head('Trained')}.parentNode.ariaSort") == "descending"
    page.click(head("Trained"))
    assert [row[0] for row in rows(page, "leaderboard")] == ["base", "mod_k", "lora_all", LABEL]
    assert page.evaluate(f"{head('Trained')}.parentNode.ariaSort") == "ascending"
    assert page.evaluate("document.querySelectorAll('#leaderboard [aria-sort=none]').length") > 3
    page.click(head("Method"))
    assert [row[0] for row in rows(page, "leaderboard")] == [LABEL, "base", "lora_all", "mod_k"]


def test_the_leaderboard_is_sorted_by_the_keyboard(page: Chromium) -> None:
    page.evaluate("filter.focus()")
    for _ in range(len(METHODS) + 2):  # the methods' boxes, the scrolled region, the first head
        page.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Method"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("Tab")
    page.press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "one"
    assert page.evaluate("document.activeElement.parentNode.ariaSort") == "descending"
    shares = [float(row[1].removesuffix(" ≈")) for row in rows(page, "leaderboard")]
    assert shares == sorted(shares, reverse=True)


def test_the_best_is_bold_and_what_no_test_tells_from_it_is_marked(page: Chromium) -> None:
    (best,) = page.evaluate("[...document.querySelectorAll('#leaderboard .best:nth-child(4)')].map((n) => n.innerText)")
    highest = max(macro(method) for method in METHODS)
    assert best.startswith(f"{100 * highest:.1f}")
    means = {row[0]: row[3] for row in rows(page, "leaderboard")}
    assert means["mod_k"] == f"{100 * macro('mod_k'):.1f}" and means["lora_all"].endswith(" ≈")


def test_methods_are_filtered_and_chosen(page: Chromium) -> None:
    page.evaluate("filter.value = 'MOD', filter.dispatchEvent(new Event('input'))")
    assert [row[0] for row in rows(page, "leaderboard")] == ["mod_k"]
    page.evaluate("filter.value = '', filter.dispatchEvent(new Event('input'))")
    page.click("document.querySelector('#methods input[value=base]')")
    assert {row[0] for row in rows(page, "leaderboard")} == set(METHODS) - {"base"}
    assert "base" not in page.evaluate("document.querySelector('#upset thead').textContent")
    for method in ("lora_all", "mod_k", LABEL):
        page.click(f"[...document.querySelectorAll('#methods input')].find((box) => box.value === {method!r})")
    assert [row[0] for row in rows(page, "leaderboard")] == [LABEL]  # the last one stays


def test_differences_follow_the_baseline(page: Chromium) -> None:
    assert "computed against" not in page.evaluate("document.getElementById('differences-hint').textContent")
    assert "undecided" in page.evaluate("differences.textContent")
    for baseline in ("lora_all", "mod_k"):
        choose(page, "baseline", baseline)
        for method, *cells in rows(page, "differences"):
            difference = 100 * (macro(method) - macro(baseline))
            assert cells[2] == f"{difference:+.1f}".replace("-", "−"), (method, baseline)
    assert "were computed against lora_all" in page.evaluate("document.getElementById('differences-hint').textContent")
    assert "undecided" not in page.evaluate("differences.textContent")


def test_intersections_are_those_of_the_solved_sets(page: Chromium) -> None:
    expected = Counter(frozenset(m for m in METHODS if at in solved(m)) for at in all_problems())
    shown = {}
    for row in page.evaluate(
        "[...document.querySelectorAll('#upset tbody tr')]"
        ".map((row) => [...row.children].map((cell) => cell.textContent))"
    ):
        shown[frozenset(method for method, mark in zip(METHODS, row, strict=False) if mark != "·")] = int(
            row[len(METHODS)]
        )
    assert shown == expected
    choose(page, "task", "two")
    choose(page, "seed", "1")
    first = page.evaluate("[...document.querySelectorAll('#upset tbody button')].map((b) => Number(b.textContent))")
    assert sum(first) == 4


def test_a_cell_leads_to_the_problems_and_all_responses(page: Chromium) -> None:
    only = sorted(solved("mod_k") - solved("lora_all"))
    page.click(named(f"{len(only)} that mod_k solves and lora_all does not"))
    status = page.evaluate("document.getElementById('documents-status').textContent")
    assert status == f"{len(only)} problems that mod_k solves and lora_all does not."
    shown = []
    while True:
        shown += page.evaluate("[...document.querySelectorAll('article header')].map((node) => node.textContent)")
        if page.evaluate("pager.hidden || next.disabled"):
            break
        page.click("next")
    assert sorted(shown) == sorted(f"{task} · seed {seed} · problem {i + 1}" for seed, task, i in only)
    page.evaluate("search.value = 'ALERT(1)', search.dispatchEvent(new Event('input'))")
    cards = page.evaluate(
        "[...document.querySelectorAll('article:first-of-type .response')].map((node) => node.innerText)"
    )
    assert len(cards) == len(METHODS)
    assert "lora_all thinks about 8, seed 0." in cards[1] and "✗ wrong" in cards[1]
    assert "✓ correct" in cards[2] and "answer read: 1" in cards[2]


def test_what_a_model_wrote_stays_text(page: Chromium) -> None:
    only = solved("mod_k") - solved("lora_all")
    page.click(named(f"{len(only)} that mod_k solves and lora_all does not"))
    page.evaluate("search.value = '<script>', search.dispatchEvent(new Event('input'))")
    texts: list[Any] = page.evaluate("[...document.querySelectorAll('pre')].map((node) => node.textContent)")
    assert HOSTILE in texts
    questions = page.evaluate("[...document.querySelectorAll('.question')].map((node) => node.textContent)")
    assert f"What is {HOSTILE}?" in questions
    assert page.evaluate("document.querySelectorAll('main script, main img:not(#pictures img)').length") == 0
    assert LABEL in page.evaluate("leaderboard.textContent")


def test_a_bar_leads_to_its_problems(page: Chromium) -> None:
    only = solved("mod_k") - solved("lora_all") - solved("base") - solved(LABEL)
    page.click(named(f"{len(only)} that only mod_k solves"))
    status = page.evaluate("document.getElementById('documents-status').textContent")
    assert status.startswith(f"{len(only)} problems that only mod_k solves")
    assert page.evaluate("document.querySelector('#upset [aria-pressed=true]').ariaLabel").endswith(
        "that only mod_k solves"
    )


def test_another_pair_and_another_measure(page: Chromium) -> None:
    page.click(named("base and lora_all:"))
    both, either = solved("base") & solved("lora_all"), solved("base") | solved("lora_all")
    assert page.evaluate(f"{named('base and lora_all:')}.textContent") == f"{len(both) / len(either):.2f}"
    assert page.evaluate("document.querySelector('#pair h3').textContent") == "A = base, B = lora_all"
    counts = page.evaluate("[...document.querySelectorAll('.square strong')].map((node) => Number(node.textContent))")
    a, b, n = solved("base"), solved("lora_all"), len(all_problems())
    assert counts == [len(a & b), len(b - a), len(a - b), n - len(a | b)]
    choose(page, "measure", "Cohen's kappa")
    agreed, chance = (n - len(a ^ b)) / n, (len(a) * len(b) + (n - len(a)) * (n - len(b))) / n**2
    kappa = f"{(agreed - chance) / (1 - chance):.2f}".replace("-", "−")
    assert page.evaluate(f"{named('base and lora_all:')}.textContent") == kappa


def test_dark_mode_and_a_phone(browser: Chromium, report: Path) -> None:
    brightness = (
        "getComputedStyle(document.documentElement).{}.match(/\\d+/g).slice(0, 3).reduce((a, b) => +a + +b, 0) / 3"
    )
    for dark in (False, True):
        browser.open(report, width=390, height=844, dark=dark)
        paper, ink = (browser.evaluate(brightness.format(name)) for name in ("backgroundColor", "color"))
        assert (paper < 50 and ink > 200) if dark else (paper > 240 and ink < 60)
        assert browser.evaluate("document.documentElement.scrollWidth") == 390
        browser.click("document.querySelector('.square button')")
        widths = browser.evaluate(
            "[...document.querySelectorAll('.response')].map((node) => node.getBoundingClientRect().right)"
        )
        assert widths and max(widths) <= 390
        assert browser.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
        assert browser.errors == []


def test_one_method_has_nothing_beside_it(
    browser: Chromium, make_record: Callable[..., Record], tmp_path: Path
) -> None:
    runs = [run_maker(make_record, tmp_path)("mod_k", {"one": bits("1010")})]
    browser.open(write_report(compare(runs), runs, tmp_path / "out")[0])
    shown = (
        "[...document.querySelectorAll('h2, h3')].filter((node) => node.checkVisibility())"
        ".map((node) => node.textContent)"
    )
    titles = ["Leaderboard", "Solved sets", "Who solves what, exactly", "Problems and responses", "Pictures"]
    assert browser.evaluate(shown) == titles
    assert "Mean −" not in browser.evaluate("document.querySelector('#leaderboard thead').textContent")
    assert browser.errors == []


def test_letters_stand_out_from_the_shade_of_a_pair(browser: Chromium, report: Path) -> None:
    """WCAG's 4.5 to 1, where the shade is darkest."""
    color = "getComputedStyle({}).{}.match(/[\\d.]+/g).map(Number)"
    for dark in (False, True):
        browser.open(report, dark=dark)
        button = "document.querySelector('#pairs button[aria-pressed=false]')"
        browser.evaluate(f"{button}.style.setProperty('--value', 1)")
        paper = browser.evaluate(color.format("document.documentElement", "backgroundColor"))
        *shade, opacity = browser.evaluate(color.format(button, "backgroundColor"))
        ink = browser.evaluate(color.format(button, "color"))
        ground = [opacity * over + (1 - opacity) * under for over, under in zip(shade, paper, strict=False)]
        light, less = sorted((luminance(ink) + 0.05, luminance(ground) + 0.05), reverse=True)
        assert light / less >= 4.5


def luminance(color: list[float]) -> float:
    """WCAG's relative luminance of red, green and blue from 0 to 255."""
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in color]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=False))


def test_a_damaged_page_says_so(browser: Chromium, report: Path, tmp_path: Path) -> None:
    text = report.read_text()
    start = text.index('id="data">') + 60
    damaged = tmp_path / "index.html"
    damaged.write_text(text[:start] + text[start + 400 :])
    browser.open(damaged)
    assert browser.evaluate("content.hidden && problem.textContent").startswith("This page could not be shown")
