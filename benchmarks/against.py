"""Ours beside the peers, in one run, as ratios: ``python benchmarks/against.py bradley-terry`` (or ``rules``, …).

What follows the subject is handed to its script; ``--help`` shows what that takes.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

SUBJECTS = {
    "bradley-terry": ["bradley_terry.py"],
    "rules": ["rules.py", "kemeny.py", "bargains.py"],
    "axioms": ["axioms.py"],
    "alignment": ["alignment.py"],
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in SUBJECTS:
        raise SystemExit(f"usage: python benchmarks/against.py {{{','.join(SUBJECTS)}}} [options]\n\n{__doc__}")
    subject = sys.argv.pop(1)
    for script in SUBJECTS[subject]:
        runpy.run_path(str(Path(__file__).with_name(script)), run_name="__main__")


if __name__ == "__main__":
    main()
