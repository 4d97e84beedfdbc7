"""From finished runs to rows, from rows back to outcomes that can be compared, and two leaderboards made one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from modbench.comparison.outcomes import Facts, RunOutcomes, TaskOutcomes
from modbench.errors import ModbenchError
from modbench.leaderboard.schema import Leaderboard, Mean, MeasuredRow, Outcomes, Row
from modbench.records import ModelInfo
from modbench.records.schema import canonical_json
from modbench.stats.solved import pack, unpack


def from_runs(runs: Sequence[RunOutcomes]) -> Leaderboard:
    """The leaderboard of finished runs of modbench, of one suite, model and data; raises ModbenchError otherwise."""
    if not runs:
        raise ModbenchError("a leaderboard needs at least one finished run")
    return merge(*map(_of_run, runs))


def merge(*boards: Leaderboard) -> Leaderboard:
    """The rows of all `boards`, of which there is at least one, sorted: their order does not matter.

    Of two rows of one method, seed and identity the newer stays, of equally old ones that which knows more. Raises
    ModbenchError if the boards are of different suites, weights or data, or have one run under two identities.
    """
    models = [board.model for board in boards if board.model]
    data: dict[str, str] = {}
    for board in boards:
        if board.suite != boards[0].suite:
            other = boards[0].suite
            raise ModbenchError(f"rows of suite {board.suite!r} in the leaderboard of {other!r}: use a file per suite")
        if board.model and board.model.sha256 != models[0].sha256:
            raise ModbenchError(
                f"{board.model.name} (sha256 {board.model.sha256[:8]}) has other weights than the leaderboard's "
                f"{models[0].name} ({models[0].sha256[:8]}): use another file"
            )
        for name, digest in board.data.items():
            if data.setdefault(name, digest) != digest:
                raise ModbenchError(f"data {name!r} differs from the leaderboard's: use another file")
    rows: dict[object, Row] = {}
    for row in sorted((row for board in boards for row in board.rows), key=_age):
        rows[row.key] = row
    try:
        return Leaderboard(
            suite=boards[0].suite,
            model=min(models, key=_preference, default=None),
            data=dict(sorted(data.items())),
            rows=sorted(rows.values(), key=lambda row: row.key),
        )
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ModbenchError(f"{said}: leave one of them out") from None


def outcomes(board: Leaderboard) -> list[RunOutcomes]:
    """The measured rows as outcomes, with digests in place of document keys: the newest row of each method and seed,
    where it has its verdicts. `left_out` says which are missing."""
    return [_outcomes(board, row) for row in _newest(board) if row.outcomes is not None]


def left_out(board: Leaderboard) -> list[str]:
    """Why rows are missing from `outcomes`, one line each; published ones, which never have verdicts, are not named."""
    newest = _newest(board)
    said = [f"{row.name} ({row.identity_digest[:8]}): an older row" for row in board.measured if row not in newest]
    return said + [f"{row.name}: its row has no verdicts by document" for row in newest if row.outcomes is None]


def _of_run(run: RunOutcomes) -> Leaderboard:
    record, facts = run.record, run.facts
    if record is None or facts is None:
        raise ModbenchError(f"{run.folder} is no run of modbench: a leaderboard takes rows with a record only")
    row = MeasuredRow(
        method=record.method,
        seed=record.seed,
        tasks=record.tasks,
        mean=Mean.over(record.tasks),
        parameters=record.parameters,
        late_layers=record.late_layers,
        gates=record.gates,
        training=record.training,
        evaluation=record.evaluation,
        environment=record.environment,
        identity_digest=record.identity_digest,
        created=record.created,
        rescored=record.rescored,
        outcomes={task: _packed(of) for task, of in run.tasks.items()},
        adapter=facts.adapter,
        adapter_bytes=facts.adapter_bytes,
    )
    return Leaderboard(suite=record.suite, model=record.model, data=record.data, rows=[row])


def _packed(outcomes: TaskOutcomes) -> Outcomes:
    return Outcomes(
        documents=outcomes.documents,
        conditions=dict(sorted(outcomes.conditions.items())),
        correct=pack(outcomes.correct),
        seen=None if outcomes.seen is None else pack(outcomes.seen),
    )


def _unpacked(of: Outcomes, n: int) -> TaskOutcomes:
    seen = None if of.seen is None else unpack(of.seen, n)
    return TaskOutcomes(of.documents, unpack(of.correct, n), seen=seen, conditions=of.conditions)


def _outcomes(board: Leaderboard, row: MeasuredRow) -> RunOutcomes:
    assert board.model is not None and row.outcomes is not None
    tasks = {task: _unpacked(of, row.tasks[task].n) for task, of in row.outcomes.items()}
    facts = Facts.of(row, board.suite, board.model, row.adapter, row.adapter_bytes)
    return RunOutcomes(row.method, row.seed, tasks, board.model.name, facts)


def _newest(board: Leaderboard) -> list[MeasuredRow]:
    newest: dict[tuple[str, int], MeasuredRow] = {}
    for row in sorted(board.measured, key=_age):
        newest[row.method, row.seed] = row
    return sorted(newest.values(), key=lambda row: row.key)


def _age(row: Row) -> tuple[str, str, int, str]:
    """Orders rows from old to new, and those of one time from the one that knows less to the one that knows more."""
    text = canonical_json(row.model_dump(mode="json"))
    if not isinstance(row, MeasuredRow):
        return "", "", 0, text
    seen = [of.seen for of in (row.outcomes or {}).values()]
    known = sum(value is not None for value in (row.outcomes, row.adapter, *seen))
    return _instant(row.created), _instant(row.rescored.at) if row.rescored else "", known, text


def _instant(at: str) -> str:
    """A time in UTC in the one form that sorts as text."""
    return datetime.fromisoformat(at).replace(tzinfo=None).isoformat(timespec="microseconds")


def _preference(model: ModelInfo) -> tuple[bool, bool, str]:
    """Orders descriptions of the same weights: first those with a note on their origin, then those with a revision."""
    return model.note is None, model.revision is None, canonical_json(model.model_dump())
