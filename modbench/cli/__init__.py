"""The `modbench` command: one file per subcommand, each thin."""

from __future__ import annotations

import os
import sys
import traceback

CRASHED = 70
"""The exit code of an error that nobody foresaw (EX_SOFTWARE of sysexits.h): Python's own, 1, means a failed check."""


def main() -> None:
    """Runs the command line; exits with 0 done, 1 a check failed, 2 bad usage or input, 3 cannot tell, 70 crashed."""
    for stream in (sys.stdout, sys.stderr):  # a model's text may have what a terminal's encoding lacks
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    # Before torch comes in: OpenMP threads that spin for long bring two trainings on one machine to a standstill,
    # threads that do not spin at all halve the speed of a small model.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")

    from modbench.errors import ModbenchError

    try:
        from modbench.cli.app import app

        app()
    except ModbenchError as error:
        sys.stderr.write(f"modbench: {error}\n")
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"modbench: {where}{error.strerror or error}\n")
        sys.exit(2)
    except Exception:
        traceback.print_exc()
        sys.exit(CRASHED)
    except SystemExit as end:
        if end.code == 130:  # what typer makes of Ctrl-C
            sys.stderr.write("\nmodbench: stopped; the same command goes on from here\n")
        raise


if __name__ == "__main__":
    main()
