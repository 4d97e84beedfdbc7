"""Text that is made to take long, and the time that an answer may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

SIZE = 1_000_000
SECONDS = 0.15
"""Three times what is promised: tests run beside others. The promise is measured by `ci/bench/answer_limits.py`."""

PIECES = [
    *"95(,-−%½#$*=\\{}?xé’\x00\ud800\u202e\u0663",
    *[
        "\n",
        " ",
        "\t",
        "\n ",
        "1,",
        "9**",
        "1½ ",
        "5\x00",
        "\ud800 5",
        "\u202a5",
        "5 + ",
        "1 = ",
        "3:",
        "3/",
        "3.",
        "3 000 ",
    ],
    *["one ", "one and ", "a ", "a dozen ", "twenty-", "million ", "1 million ", "1e999999999 ", "10^", "10^{", "1e5"],
    *[
        "<think>",
        "</think>",
        "<think></think>",
        "\nQ",
        "\nQ: ",
        "Question:",
        "\nQuestion: 5",
        "\nHuman:",
        "</s>",
        "<|im_end|>",
    ],
    *[
        "#### ",
        "#### 5\n",
        "A:",
        "\nA:",
        "\nA: 5",
        "answer",
        "answer\n",
        "answer (",
        "answer to a ",
        "answer is ",
        "What is ",
    ],
    *[
        "answer to the a a a a a a ",
        "the answer is 5 ",
        "the answer is not ",
        "the answer is not 5. ",
        "The answer is 5 and ",
    ],
    *[
        "The answer is 4. Tom? How many? ",
        "The answer is (A). ",
        "The answer is A or B. ",
        "(A) ",
        "A. ",
        "not A ",
        "option ",
    ],
    *[
        "answer1 ",
        "true false ",
        "true/false ",
        "Paris ",
        "\\frac{",
        "\\frac{1}{",
        "\\boxed{",
        "\\boxed{5}",
        "\\text{",
        "\\!",
    ],
    *[
        f"answer is {filler}"
        for filler in ("½" * 600, "1½ " * 200, "5 " * 250, "one " * 120, "=" * 400, "1+" * 200, "1 a" * 100)
    ],
    *[
        f"answer is that {filler}"
        for filler in (
            "½" * 600,
            "1½ " * 200,
            "5 " * 250,
            "one " * 120,
            "3:30, " * 90,
            "\\text{x}" * 80,
            "<<1+1=2>>" * 65,
            "\\frac{1}{" * 65,
        )
    ],
    *[
        "\\boxed{" + "½" * 500 + "}",
        "\\boxed{one " + "one " * 120 + "}",
        "\\boxed{" + "x é" * 150 + "}",
        "answer is about about ",
    ],
]


def texts() -> Iterator[str]:
    """Strings of `SIZE` characters: each piece over and over, behind and before an answer, and cut into questions."""
    for piece in PIECES:
        body = (piece * (SIZE // len(piece) + 1))[:SIZE]
        yield body
        yield "The answer is " + body[14:]
        yield body[15:] + "The answer is 5"
        part = "\nQuestion: " + body[: SIZE // 4]
        yield (part * 4)[:SIZE]


def seconds(judge: Callable[[], object]) -> float:
    """The processor time of one call, or of the fastest of three if the first one is slow."""
    fastest = float("inf")
    for _ in range(3):
        start = time.process_time()
        judge()
        fastest = min(fastest, time.process_time() - start)
        if fastest < SECONDS / 2:
            break
    return fastest
