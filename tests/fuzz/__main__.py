"""A coverage-guided search of every surface: `python -m tests.fuzz [SURFACE] [--seconds N]`.

Each surface is searched in a process of its own by libFuzzer (atheris), which mutates what reached
new branches of rotator's code. Ends with a line a surface: runs, branches reached. What breaks one
is written to a file, with the command that plays it again.
"""

import argparse
import io
import re
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

# It tells of every module that it instruments: a hundred lines before the first one that counts.
with (
    redirect_stderr(io.StringIO()),
    atheris.instrument_imports(include=["rotator"], enable_loader_override=False),
):
    from tests.fuzz.surfaces import SURFACES, Surface

_WORDS = (
    "provider", "base_url", "credentials", "schedule", "seeds", "access_token", "refresh_token",
    "expires_in", "token_expires_at", "data", "attributes", "success", "error", "invalid_grant",
    "2026-03-01T12:00:00Z", "1795312800", "1e999", "NaN", "null", "ROTATOR_", "generation",
)  # fmt: skip
_DONE = re.compile(r"Done (\d+) runs in (\d+) second")
_COVERED = re.compile(r"cov: (\d+)")
_WRITTEN = re.compile(r"written to (\S+)")
_BROKEN = ".fuzz"
_MEMORY = 1024
"""MiB that a search may take before it counts as broken."""


def main() -> int:
    """0 where nothing broke."""
    names = [surface.name for surface in SURFACES]
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("surface", nargs="?", choices=names)
    parser.add_argument("--seconds", type=int, default=20, help="for each surface")
    parser.add_argument("--replay", type=Path, help="a file that broke the surface")
    parser.add_argument("--here", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    chosen = [each for each in SURFACES if asked.surface in (None, each.name)]
    if asked.replay:
        chosen[0].meet(asked.replay.read_bytes())
        return 0
    if asked.here:
        return _search(chosen[0], asked.here)
    return max(_searched(surface, asked.seconds) for surface in chosen)


def _search(surface: Surface, arguments: list[str]) -> int:
    """In this process, which libFuzzer ends."""
    atheris.Setup(["fuzz", *arguments], surface.meet)
    atheris.Fuzz()
    return 0


def _searched(surface: Surface, seconds: int) -> int:
    """In a process of its own; its line goes to stdout, and what broke it to stderr."""
    with TemporaryDirectory() as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        for number, example in enumerate(surface.examples):
            (corpus / str(number)).write_bytes(example)
        words.write_text("".join(f'"{word}"\n' for word in _WORDS))
        limits = [f"-max_total_time={seconds}", f"-rss_limit_mb={_MEMORY}", "-timeout=10"]
        ended = subprocess.run(
            [sys.executable, "-m", "tests.fuzz", surface.name, "--here", *limits,
             "-max_len=16384", f"-artifact_prefix={_BROKEN}-", f"-dict={words}", str(corpus)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    return _told(surface, ended.returncode, ended.stdout + ended.stderr)


def _told(surface: Surface, code: int, said: str) -> int:
    runs, reached = _DONE.findall(said), _COVERED.findall(said)
    if code or not runs:
        wrote = _WRITTEN.search(said)
        again = f"python -m tests.fuzz {surface.name!r} --replay {wrote[1] if wrote else '…'}"
        sys.stderr.write(f"{said[-3000:]}\n{surface.name} broke; again: {again}\n")
        return 1
    (count, seconds), branches = runs[-1], reached[-1] if reached else "0"
    sys.stdout.write(
        f"{surface.name:<18} {int(count):>9,} runs in {seconds:>3} s, {branches} reached\n"
    )
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
