#!/usr/bin/env python3
"""Runs black-box text tests: commands, and what they must answer. README.md has the format.

Usage: run_cli_tests.py --fathom BINARY FILE.clitest...     exit 0 if every step of every file holds
"""
import argparse
import difflib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Whatever a step expects, these on stderr mean that we failed and not the user.
NEVER = re.compile(r"Sanitizer|runtime error:|terminate called|check failed:|core dumped")


class FormatError(Exception):
    """The test file itself is wrong."""


class Step:
    def __init__(self, line, command):
        self.line, self.command = line, command
        self.exit, self.timeout_s, self.stdin = 0, 120, ""
        self.checks = []  # (line number, kind, argument)


class FileStep:
    def __init__(self, line, name, text):
        self.line, self.name, self.text = line, name, text


def take_block(lines, index):
    """-> (the lines indented by four spaces from `index` on, the next index). Trailing blank lines
    belong to the layout of the file, not to the block."""
    block = []
    while index < len(lines) and (lines[index].startswith("    ") or not lines[index].strip()):
        block.append(lines[index][4:])
        index += 1
    while block and not block[-1].strip():
        block.pop()
    return "".join(line + "\n" for line in block), index


def parse(text):
    """-> the steps of a test file, in order."""
    steps, lines, index = [], text.splitlines(), 0
    while index < len(lines):
        line, number = lines[index], index + 1
        index += 1
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("$ "):
            while line.endswith("\\") and index < len(lines):
                line = line[:-1] + lines[index].strip()
                index += 1
            steps.append(Step(number, line[2:]))
            continue
        match = re.match(r"file (\S+):$", line)
        if match:
            block, index = take_block(lines, index)
            steps.append(FileStep(number, match[1], block))
            continue
        index = parse_expectation(steps, line, number, lines, index)
    if not any(isinstance(s, Step) for s in steps):
        raise FormatError("no command in this file")
    return steps


def parse_expectation(steps, line, number, lines, index):
    match = re.match(r"(exit|timeout_s|stdin|stdout|stderr|stdout~|stderr~|stdout!~|stderr!~|json): ?(.*)$",
                     line)
    if not match or not steps or not isinstance(steps[-1], Step):
        raise FormatError(f"line {number}: cannot read '{line}'")
    kind, argument, step = match[1], match[2], steps[-1]
    if kind in ("exit", "timeout_s"):
        setattr(step, kind, int(argument))
        return index
    if kind in ("stdin", "stdout", "stderr"):
        if argument:
            raise FormatError(f"line {number}: the text of {kind}: stands below it, indented by 4")
        block, index = take_block(lines, index)
        if kind == "stdin":
            step.stdin = block
            return index
        argument = block
    elif kind == "json":
        if not re.match(r"\S+ (==|~|>=|<=) ", argument):
            raise FormatError(f"line {number}: json: PATH == VALUE (or ~, >=, <=)")
    else:
        re.compile(argument)
    step.checks.append((number, kind, argument))
    return index


def json_at(document, path):
    """Follows a dotted path: parameters.total, layers.0.name; "." is the whole document."""
    for key in path.split(".") if path != "." else []:
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def check_json(stdout, argument):
    path, operator, wanted = re.match(r"(\S+) (==|~|>=|<=) (.*)$", argument).groups()
    try:
        value = json_at(json.loads(stdout), path)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return f"no {path} in stdout's JSON ({type(error).__name__}: {error})"
    if operator == "~":
        holds = re.search(wanted, value if isinstance(value, str) else json.dumps(value))
    elif operator == "==":
        holds = value == json.loads(wanted)
    else:
        bound = json.loads(wanted)
        holds = value >= bound if operator == ">=" else value <= bound
    return None if holds else f"{path} is {json.dumps(value)}, expected {operator} {wanted}"


def check_one(kind, argument, out):
    """-> None, or what is wrong. `out` is {"stdout": text, "stderr": text}."""
    if kind == "json":
        return check_json(out["stdout"], argument)
    stream, got = kind.rstrip("!~"), out[kind.rstrip("!~")]
    if kind == stream:
        if got == argument:
            return None
        diff = difflib.unified_diff(argument.splitlines(), got.splitlines(), "expected", "got",
                                    lineterm="")
        return f"{stream} differs:\n" + "\n".join("      " + line for line in diff)
    found = re.search(argument, got, re.M)
    if kind.endswith("!~"):
        return f"{stream} has /{argument}/ and must not: '{found[0]}'" if found else None
    return None if found else f"{stream} does not match /{argument}/"


def run_step(step, folder, env):
    """Yields (line, what is wrong)."""
    try:
        run = subprocess.run(["bash", "-euo", "pipefail", "-c", step.command], cwd=folder, env=env,
                             input=step.stdin.encode(), capture_output=True, timeout=step.timeout_s)
    except subprocess.TimeoutExpired:
        yield step.line, f"still running after {step.timeout_s} s"
        return
    out = {"stdout": run.stdout.decode(errors="replace"),
           "stderr": run.stderr.decode(errors="replace")}
    wrong = [(line, error) for line, kind, argument in step.checks
             if (error := check_one(kind, argument, out))]
    if run.returncode != step.exit:
        wrong.insert(0, (step.line, f"exit {run.returncode}, expected {step.exit}"))
    if NEVER.search(out["stderr"]):
        wrong.append((step.line, "stderr shows a crash or a failed check of ours"))
    yield from wrong
    if wrong:
        for stream, text in out.items():
            shown = text if len(text) < 4000 else text[:4000] + "...\n"
            yield step.line, f"{stream} was:\n" + "".join(
                "      " + line + "\n" for line in shown.splitlines())


def environment(fathom, watch, folder):
    # Waiting threads sleep: tests run beside each other, and spinning would take the other's cores.
    env = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    env.update((key, value) for key, value in os.environ.items()
               if key in ("OMP_NUM_THREADS", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"))
    tools = pathlib.Path(__file__).resolve().parent  # json_members.py and others
    env["PATH"] = os.pathsep.join([str(folder / ".bin"), str(tools), str(tools / "watched"),
                                   os.environ["PATH"]])
    env.update(HOME=str(folder), LC_ALL="C.UTF-8", ROOT=str(ROOT), WATCH=str(watch))
    (folder / ".bin").mkdir()
    if fathom:
        (folder / ".bin" / "fathom").symlink_to(fathom.resolve())
    return env


def run_file(path, fathom, watch=None):
    """Runs one file in a fresh folder. -> (steps run, [(line, error)])."""
    try:
        steps = parse(path.read_text(encoding="utf-8"))
    except (FormatError, re.error) as error:
        return 0, [(0, str(error))]
    errors, count = [], 0
    with tempfile.TemporaryDirectory(prefix="clitest-") as name:
        folder = pathlib.Path(name)
        env = environment(fathom, watch, folder)
        for step in steps:
            if isinstance(step, FileStep):
                target = folder / step.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(step.text, encoding="utf-8")
                continue
            count += 1
            errors += run_step(step, folder, env)
    return count, errors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fathom", type=pathlib.Path)
    parser.add_argument("--watch", help="the library that watches calls; empty: skip the tests")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    if args.watch == "":
        print("skipped: calls cannot be watched in this build")
        return 77
    failed = False
    for path in args.files:
        count, errors = run_file(path, args.fathom, args.watch)
        print(f"{path.name}: {count} commands, {'FAILED' if errors else 'ok'}")
        for line, error in errors:
            print(f"  {path.name}:{line}: {error}")
        failed |= bool(errors)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
