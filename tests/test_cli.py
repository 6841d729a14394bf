"""`python -m faltung` and show_config."""

import os
import subprocess
import sys

import pytest

import faltung


def run(**environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "faltung"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_ends_in_a_verdict():
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("self-test: passed")
    for shown in ("version", "level", "workers", faltung.__version__):
        assert shown in done.stdout


def test_a_failure_is_seen_from_outside(monkeypatch, capsys):
    from faltung import __main__ as program

    monkeypatch.setattr(
        program, "convolve", lambda *args, **options: 1 + faltung.convolve(*args, **options)
    )
    assert program.main() != 0
    text = capsys.readouterr().out
    assert "FAILED" in text.strip().splitlines()[-1]


def test_the_level_is_the_same_afterwards():
    from faltung import __main__ as program

    before = faltung._core.force_level(faltung._core.levels()[0])
    try:
        assert program.main() == 0
        assert faltung._core.level() == faltung._core.levels()[0]
    finally:
        faltung._core.force_level(before)


class TestShowConfig:
    def test_as_a_dictionary(self):
        config = faltung.show_config("dict")
        assert {"version", "python", "machine", "level", "levels", "workers", "fft"} <= set(config)
        assert config["level"] in config["levels"]
        assert {"l1", "l2", "l3"} <= set(config["machine"])
        assert all(config["machine"][cache] > 0 for cache in ("l1", "l2", "l3"))
        assert {"found", "name", "version", "path_float64", "path_float32"} <= set(config["fft"])

    def test_as_text(self, capsys):
        assert faltung.show_config() is None
        text = capsys.readouterr().out
        for name in ("version", "level", "workers", "l2", "fft"):
            assert f"{name}:" in text

    def test_workers_are_those_that_this_process_may_use(self):
        affinity = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
        assert 1 <= faltung._core.available_workers() <= len(affinity(0))

    def test_other_ways_are_refused(self):
        with pytest.raises(ValueError, match="mode"):
            faltung.show_config("yaml")
