"""`python -m modbench`: the `modbench` command."""

from modbench.cli import main

main()
