#!/usr/bin/env python3
"""Do the tests see bugs? Compiles all mutants of mutants/*.txt into one copy of the tree, each behind a switch,
and runs for each the tests that should notice. README.md has the format and how to read the result.

Usage: mutate.py [--jobs N] [--build-only | --no-build] [--again] [ID or MODULE...]     from the root of the repository
  --no-build  the copy as it was built last
  --again     only those that the last run did not kill
Exit 0 if every mutant compiled, its text was found, and at least 90 % of them were killed.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

import mutants as lists

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutants"
BAR = 0.90
SWITCH = '''// Which mutant lives in this process: its number in $FATHOM_MUTANT, 0 for none.
#include <cstdlib>
extern "C" {
int fathom_mutant = [] {
  const char* text = std::getenv("FATHOM_MUTANT");
  return text == nullptr ? 0 : std::atoi(text);
}();
}
'''


class Tree:
    """A copy of the tree with mutants in it. Those of headers of base and tensor have a tree of their own: nearly
    every file includes one of them, and a compiler cache knows all files of the other tree but the mutated ones."""

    def __init__(self, name, chosen, numbers):
        self.path, self.build_path = WORK / name, WORK / name / "build" / "ci"
        self.chosen, self.numbers, self.mutated = chosen, numbers, {}

    def copy(self):
        """Files that are equal keep their times, so that a second run builds only what changed."""
        self.mutated = lists.apply_all(ROOT, [(self.numbers[mutant.id], mutant) for mutant in self.chosen])
        self.mutated["src/base/mutant_switch.cc"] = SWITCH
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                                capture_output=True, text=True).stdout.split("\n")
        files = {name for name in listed if name and (ROOT / name).is_file()} | set(self.mutated)
        for name in sorted(files):
            target, text = self.path / name, self.text_of(name)
            if target.exists() and target.read_bytes() == text:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text)
            if name not in self.mutated:
                shutil.copymode(ROOT / name, target)
        for folder in ("src", "tests", "cmake", "tools"):
            for path in (self.path / folder).rglob("*"):
                if path.is_file() and str(path.relative_to(self.path)) not in files:
                    path.unlink()

    def text_of(self, name):
        text = self.mutated[name].encode() if name in self.mutated else (ROOT / name).read_bytes()
        if name.startswith("cmake/") or name.endswith("CMakeLists.txt"):
            # Tests read golden files where they are; and see above on the cache.
            text = text.replace(b'FATHOM_SOURCE_DIR="${PROJECT_SOURCE_DIR}"',
                                f'FATHOM_SOURCE_DIR="{ROOT}"'.encode())
        return text

    def build(self, wanted, jobs):
        """Builds what the wanted mutants need. Exits if one does not compile."""
        targets = targets_of([mutant for mutant in self.chosen if mutant in wanted])
        if not targets:
            return
        self.copy()
        if not (self.build_path / "build.ninja").exists():
            subprocess.run(["cmake", "--preset", "ci"], cwd=self.path, check=True, stdout=subprocess.DEVNULL)
        with open(WORK / "build.log", "w", encoding="utf-8") as log:
            code = subprocess.run(["nice", "-n", "10", "ninja", "-C", str(self.build_path), "-k", "0", f"-j{jobs}",
                                   *targets], stdout=log, stderr=log).returncode
        if code != 0:
            sys.exit(f"a mutant does not compile; the compiler's words are in {WORK / 'build.log'}")

    def program(self, number):
        """A script that runs the program with a mutant: black-box texts get none of our environment."""
        script = self.build_path / f"fathom-{number}"
        script.write_text(f'#!/bin/sh\nFATHOM_MUTANT={number} exec {self.build_path / "fathom"} "$@"\n')
        script.chmod(0o755)
        return str(script)

    def command(self, by, number):
        """A test as a list of arguments: "io_test", "io_test Json*:Safe*", "cli.train"."""
        name, _, tests = by.partition(" ")
        if name.startswith("cli."):
            found = sorted((self.path / "tests" / "cli").rglob(name[len("cli."):] + ".clitest"))
            return [sys.executable, "-B", str(self.path / "tests/cli/run_cli_tests.py"), "--fathom",
                    self.program(number), "--watch", str(self.build_path / "tests/libfathom_watch.so"),
                    str(found[0])]
        return [str(self.build_path / "src" / name), "--gtest_brief=1", "--gtest_fail_fast"] + \
            ([f"--gtest_filter={tests}"] if tests else [])

    def passes(self, by, number, limit_s):
        env = dict(os.environ, FATHOM_MUTANT=str(number), OMP_NUM_THREADS="2", OMP_WAIT_POLICY="passive")
        try:
            return subprocess.run(["nice", "-n", "10", *self.command(by, number)], env=env, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, timeout=limit_s).returncode == 0
        except subprocess.TimeoutExpired:
            return False


def targets_of(chosen):
    targets = set()
    for mutant in chosen:
        for by in mutant.by:
            name = by.partition(" ")[0]
            targets |= {"fathom", "fathom_watch"} if name.startswith("cli.") else {name}
    return sorted(targets)


def baselines(tree):
    """-> how long each test takes without a mutant. A test that fails then says nothing about mutants."""
    seconds, failed = {}, []
    for by in sorted({by for mutant in tree.chosen for by in mutant.by}):
        begin = time.monotonic()
        if not tree.passes(by, 0, 600):
            failed.append(by)
        seconds[by] = time.monotonic() - begin
    if failed:
        sys.exit("these fail without any mutant:\n  " + "\n  ".join(failed))
    return seconds


def run_all(tree, wanted, numbers):
    """-> {id: the test that killed it, or None}."""
    tree.chosen = [mutant for mutant in tree.chosen if mutant in wanted]
    seconds, outcome = baselines(tree), {}
    for mutant in tree.chosen:
        killer = next((by for by in mutant.by
                       if not tree.passes(by, numbers[mutant.id], 10 * seconds[by] + 20)), None)
        outcome[mutant.id] = killer
        print(f"{'killed  ' if killer else 'SURVIVED'} {mutant.id}" + (f"  by {killer}" if killer else ""), flush=True)
    return outcome


def main():
    parser = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("wanted", nargs="*")
    options = parser.parse_args()
    everything = lists.read_all(pathlib.Path(__file__).resolve().parent / "mutants")
    numbers = {mutant.id: i + 1 for i, mutant in enumerate(everything)}
    lost = lists.lost(ROOT, everything)
    if lost and not options.no_build:
        sys.exit("the text of these mutants is not found exactly once; mend the lists:\n  " + "\n  ".join(lost))
    survivors = WORK / "survivors.txt"
    chosen = lists.choose(everything, options.wanted)
    if options.again and survivors.exists():
        chosen = lists.choose(everything, survivors.read_text().split())
    WORK.mkdir(parents=True, exist_ok=True)
    in_header = [mutant for mutant in everything
                 if mutant.file.startswith(("src/base/", "src/tensor/")) and mutant.file.endswith(".h")]
    trees = [Tree("tree", [mutant for mutant in everything if mutant not in in_header], numbers),
             Tree("headers", in_header, numbers)]
    for tree in trees:
        if not options.no_build:
            tree.build(chosen, options.jobs)
    if options.build_only:
        return 0
    outcome = {}
    for tree in trees:
        outcome.update(run_all(tree, chosen, numbers))
    survivors.write_text("\n".join(name for name, killer in outcome.items() if killer is None))
    share = lists.print_table(chosen, outcome)
    return 0 if share >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
