"""Problems that are alike, found by the Jaccard similarity of their shingles: exactly, and without missing any."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modbench.data.masking import is_word_problem, masked, shingles, tokens

if TYPE_CHECKING:
    from scipy.sparse import csr_array

WORD_PROBLEM, OTHER_QUESTION = 0.5, 0.7
"""The similarity from which on two problems are near; chosen by the pairs in docs/audit.md."""
CELLS = 2**23
"""Pairs that are compared at once: bounds the memory, however alike the texts are."""

Done = Callable[[int], object]
"""Is told of texts as they are finished."""


@dataclass(frozen=True)
class Shingled:
    """Texts by their masked words: of those with equal ones a single row, since made-up data repeats itself endlessly.

    `matrix` has a column per shingle, of zeros and ones; `thresholds` are those of its rows, `first` the number of the
    first text of each row, and `row` the row of each text.
    """

    matrix: csr_array
    thresholds: np.ndarray[Any, np.dtype[np.float64]]
    first: np.ndarray[Any, np.dtype[np.int64]]
    row: np.ndarray[Any, np.dtype[np.int64]]


class Vocabulary:
    """Gives shingles their columns. Only texts of one vocabulary can be compared."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}

    def shingled(self, texts: Iterable[str]) -> Shingled:
        """`texts` with a column for every shingle known by now."""
        from scipy.sparse import csr_array

        columns, ends, thresholds = array("i"), array("i", [0]), array("d")
        rows: dict[str, int] = {}
        first, row = array("q"), array("q")
        for number, text in enumerate(texts):
            found = tokens(text)
            words = masked(found)
            row.append(rows.setdefault(" ".join(words), len(rows)))
            if row[-1] == len(first):
                first.append(number)
                columns.extend(self._columns.setdefault(shingle, len(self._columns)) for shingle in shingles(words))
                ends.append(len(columns))
                thresholds.append(WORD_PROBLEM if is_word_problem(found) else OTHER_QUESTION)
        ones, shape = np.ones(len(columns), np.int32), (len(first), len(self._columns))
        matrix = csr_array((ones, np.array(columns), np.array(ends)), shape)
        return Shingled(matrix, np.array(thresholds), np.array(first), np.array(row))


@dataclass(frozen=True)
class Nearest:
    """For each of n texts the number of the nearest other one, -1 where none is near, and how similar it is, 0 to 1."""

    index: np.ndarray[Any, np.dtype[np.int64]]
    similarity: np.ndarray[Any, np.dtype[np.float64]]

    @classmethod
    def none(cls, n: int) -> Nearest:
        """Nothing is near yet."""
        return cls(np.full(n, -1), np.zeros(n))

    def update(self, texts: np.ndarray, others: np.ndarray, similarity: np.ndarray) -> None:
        """Take in pairs: text `texts[i]` is as similar to `others[i]` as `similarity[i]`; of equals the first stays."""
        order = np.lexsort((others, -similarity, texts))
        numbers, firsts = np.unique(texts[order], return_index=True)
        best = order[firsts]
        better = similarity[best] > self.similarity[numbers]
        self.index[numbers[better]] = others[best[better]]
        self.similarity[numbers[better]] = similarity[best[better]]

    def spread(self, of: Shingled, others: Shingled) -> Nearest:
        """From the rows of `of` and `others` to their texts."""
        index = np.where(self.index < 0, -1, others.first[self.index]) if len(others.first) else self.index
        return Nearest(index[of.row], self.similarity[of.row])


def similarity(a: str, b: str) -> float:
    """The Jaccard similarity of two texts, 0 to 1: the shingles that both have over all; 0 where there are none."""
    of_a, of_b = shingles(masked(tokens(a))), shingles(masked(tokens(b)))
    return len(of_a & of_b) / (len(of_a | of_b) or 1)


def nearest(texts: Shingled, others: Shingled, done: Done) -> tuple[Nearest, Nearest]:
    """For each of `texts` the nearest of `others`, and for each of `others` the nearest of `texts`.

    Two are near if they are as similar as the higher of their thresholds. Every pair that shares a shingle is compared.
    """
    of_texts, of_others = Nearest.none(len(texts.first)), Nearest.none(len(others.first))
    for text, other, similarity in _pairs(texts, others, done):
        of_texts.update(text, other, similarity)
        of_others.update(other, text, similarity)
    return of_texts.spread(texts, others), of_others.spread(others, texts)


def nearest_earlier(texts: Shingled, done: Done) -> Nearest:
    """For each of `texts` the nearest of those before it."""
    found = Nearest.none(len(texts.first))
    for text, other, similarity in _pairs(texts, texts, done):
        earlier = other < text
        found.update(text[earlier], other[earlier], similarity[earlier])
    spread = found.spread(texts, texts)
    # A text after the first of its row is just like that one, if there is anything in it.
    repeated = (texts.first[texts.row] < np.arange(len(texts.row))) & (np.diff(texts.matrix.indptr)[texts.row] > 0)
    spread.index[repeated] = texts.first[texts.row][repeated]
    spread.similarity[repeated] = 1
    return spread


def _pairs(texts: Shingled, others: Shingled, done: Done) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All near pairs of rows in blocks: the numbers of both, and how similar they are."""
    width = max(texts.matrix.shape[1], others.matrix.shape[1])
    rows, by_shingle = _widened(texts.matrix, width), _widened(others.matrix, width).T.tocsr()
    sizes, other_sizes = np.diff(texts.matrix.indptr), np.diff(others.matrix.indptr)
    in_row = np.bincount(texts.row, minlength=len(sizes))
    block = max(1, CELLS // max(1, len(other_sizes)))
    for start in range(0, len(sizes), block):
        shared = (rows[start : start + block] @ by_shingle).tocoo()
        text, other = shared.row.astype(np.int64) + start, shared.col.astype(np.int64)
        similarity = shared.data / (sizes[text] + other_sizes[other] - shared.data)
        near = similarity >= np.maximum(texts.thresholds[text], others.thresholds[other])
        yield text[near], other[near], similarity[near]
        done(int(in_row[start : start + block].sum()))


def _widened(matrix: csr_array, width: int) -> csr_array:
    """`matrix` with empty columns for the shingles that came after it."""
    from scipy.sparse import csr_array

    return csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], width))
