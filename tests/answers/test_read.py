from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modbench.answers.plain import plain
from modbench.answers.read import APART, MAX_DIGITS, UNREADABLE, Number, number_at
from modbench.answers.settle import settle
from modbench.answers.verdict import judge_number

INTEGERS = st.integers(-(10**15), 10**15)
NATURALS = st.integers(0, 10**15)
PROPER = st.integers(2, 999).flatmap(lambda under: st.tuples(st.integers(1, under - 1), st.just(under)))


@pytest.mark.parametrize(
    ("text", "value", "places", "percent"),
    [
        ("1,234.50", "1234.5", 2, False),
        ("$29.00", "29", 2, False),
        ("29 dollars", "29", 0, False),
        ("75%", "75", 0, True),
        ("75 percent", "75", 0, True),
        ("3/4", "3/4", None, False),
        ("3 / 4", "3/4", None, False),
        ("12/4", "3", None, False),
        ("1 3/4", "7/4", None, False),
        ("-1 3/4", "-7/4", None, False),
        ("-5", "-5", 0, False),
        ("−5", "-5", 0, False),
        ("+5", "5", 0, False),
        ("-$5", "-5", 0, False),
        ("$-5", "-5", 0, False),
        ("Rs. 5", "5", 0, False),
        (".5", "1/2", 1, False),
        ("5.", "5", 0, False),
        ("1e3", "1000", 0, False),
        ("1.5E-3", "3/2000", 4, False),
        ("2 x 10^3", "2000", 0, False),
        ("2 × 10^{3}", "2000", 0, False),
        (r"2 \times 10^{-3}", "1/500", 3, False),
        ("2·10³", "2000", 0, False),
        ("10^6", "1000000", 0, False),
        ("½", "1/2", None, False),
        ("1½", "3/2", None, False),
        ("-½", "-1/2", None, False),
        (r"\frac{3}{4}", "3/4", None, False),
        (r"\dfrac34", "3/4", None, False),
        (r"-\tfrac{1}{2}", "-1/2", None, False),
        (r"1\frac{3}{4}", "7/4", None, False),
        (r"1{,}234\%", "1234", 0, True),
        (r"140^\circ", "140", 0, False),
        ("1 000", "1000", 0, False),
        ("12\u2009345\u2009678", "12345678", 0, False),
        ("1\u00a0000", "1000", 0, False),
        ("1,00,000", "100000", 0, False),
        ("1.5 million", "1500000", 1, False),
        ("2 dozen", "24", 0, False),
        ("3 and a half", "7/2", None, False),
        ("1/2 million", "500000", None, False),
        ("$120k", "120000", 0, False),
        ("$1.5M", "1500000", 1, False),
        ("$2B", "2000000000", 0, False),
        ("2x10^3", "2000", 0, False),
        ("25cm2", "25", 0, False),
        ("４２", "42", 0, False),
        ("٤٢", "42", 0, False),
        ("१२.५", "25/2", 1, False),
        ("－１，２３４", "-1234", 0, False),
        ("29kg", "29", 0, False),
        ("5cm", "5", 0, False),
        ("0.1", "1/10", 1, False),
        ("007", "7", 0, False),
    ],
)
def test_written_forms(text: str, value: str, places: int | None, percent: bool) -> None:
    token = number_at(plain(text), 0, spaced=True)
    assert token is not None and isinstance(token.number, Number)
    assert token.number.value == Fraction(value)
    assert token.number.places == places
    assert token.number.percent is percent


@pytest.mark.parametrize("text", ["3:30", "12:30:15", "2:1", "2 : 1", "1/2/2024", "2024-01-02", "1.2.3", "1.000.000"])
def test_left_alone(text: str) -> None:
    token = number_at(text, 0)
    assert token is not None and token.number is APART and token.end == len(text)
    assert settle(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1,5",
            "1,2,3",
            "1234,567",
            "0,500",
            "1/0",
            "1e401",
            "1e-401",
            "1e999999999",
            "9" * 401,
            "1" + "0" * 200 + "e300",
        ),
        *("10k", "2.5M", "5B", "1'000", "$1'000", "1'000'000.50", "0x1F", "2x3", "3x4x2", "1e3e4", "1e5.5"),
    ],
)
def test_not_read(text: str) -> None:
    token = number_at(text, 0)
    assert token is not None and token.number is UNREADABLE


@pytest.mark.parametrize("text", ["answer3", "x2", "_5", "", "ten", "."])
def test_no_number_begins_here(text: str) -> None:
    assert settle(text.replace("ten", "")) is None


@given(st.fractions(), st.sampled_from(["{}", "The answer is {}.", "#### {}", r"\boxed{{{}}}", "so {}", "**{}**"]))
def test_fractions_come_back(value: Fraction, frame: str) -> None:
    assert read(frame.format(value)) == value


@given(
    INTEGERS, st.integers(0, 6), st.sampled_from(["{}", "{} dollars", "${}", "{}%", "USD {}", "{}kg", "≈ {}", "x = {}"])
)
def test_decimals_and_units_come_back(digits: int, places: int, frame: str) -> None:
    value = Fraction(digits, 10**places)
    written = (
        f"{'-' * (digits < 0)}{abs(digits) // 10**places}.{abs(digits) % 10**places:0{places}}" if places else digits
    )
    assert read("The answer is " + frame.format(written)) == value


@given(INTEGERS, st.sampled_from([",", "\u00a0", "\u2009", "\u202f", " ", "{,}", r"\,"]))
def test_groups_come_back(value: int, separator: str) -> None:
    assert read("The answer is " + f"{value:,}".replace(",", separator)) == value


@given(NATURALS, PROPER, st.sampled_from(["{} {}/{}", r"{}\frac{{{}}}{{{}}}", r"{} \dfrac{{{}}}{{{}}}", "{} {} / {}"]))
def test_mixed_numbers_come_back(whole: int, part: tuple[int, int], frame: str) -> None:
    assert read(frame.format(whole, *part)) == whole + Fraction(*part)


@given(st.integers(-(10**6), 10**6), st.integers(-30, 30))
def test_powers_of_ten_come_back(factor: int, power: int) -> None:
    value = factor * Fraction(10) ** power
    for written in (
        f"{factor}e{power}",
        f"{factor} x 10^{power}",
        rf"{factor} \times 10^{{{power}}}",
        f"{factor}*10**{power}",
    ):
        assert read(written) == value


@given(NATURALS, st.sampled_from([0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10, 0x1D7CE]))
def test_digits_of_other_scripts_come_back(value: int, zero: int) -> None:
    assert read("".join(chr(zero + int(digit)) for digit in str(value))) == value


@given(st.fractions() | st.decimals(allow_nan=False, allow_infinity=False).map(Fraction), st.booleans())
def test_what_is_printed_reads_back(value: Fraction, percent: bool) -> None:
    verdict = judge_number(f"{value}{'%' * percent}", "0")
    if verdict.answer is not None:
        assert len(verdict.answer) <= MAX_DIGITS
        assert settle(verdict.answer) == settle(f"{value}{'%' * percent}")


def read(text: str) -> Fraction | None:
    number = settle(text)
    return number.value if isinstance(number, Number) else None
