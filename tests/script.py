"""Runs a few lines of Python in a process of their own: for what may hang, be killed, or needs another environment."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def run_script(
    source: str, *, timeout: float = 60, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | environment,
        check=False,
    )


def output_of(source: str, *, timeout: float = 60, **environment: str) -> str:
    """What the script prints; it has to end well."""
    done = run_script(source, timeout=timeout, **environment)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
