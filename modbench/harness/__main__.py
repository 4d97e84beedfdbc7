"""`python -m modbench.harness …`: the `lm_eval` command with `mod-hf`, where Python reads no start-up hooks."""

from __future__ import annotations

from lm_eval.__main__ import cli_evaluate

from modbench.harness.registration import register

if __name__ == "__main__":
    register()
    cli_evaluate()
