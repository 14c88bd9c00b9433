#!/usr/bin/env python3
"""Compiles every production source of a build with Clang, syntax and warnings only.

Usage: clang_syntax.py BUILD_DIR [--jobs N] [--all] [PATH...]

BUILD_DIR has the compile_commands.json of a GCC build; its flags are kept, all but those that only
GCC knows. --all adds tests, benches and fuzz targets; PATHs choose files by a part of their name.
Exit 1 if a file does not compile, after all were tried.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

# Warnings that Clang 14 has no name for, and what belongs to GCC's precompiled headers: without those a
# file has to include what it uses.
GCC_ONLY = {"-Wno-restrict", "-Wno-stringop-overflow", "-Wno-stringop-overread", "-Wno-maybe-uninitialized",
            "-Wno-bidi-chars", "-Wno-subobject-linkage", "-fpch-preprocess", "-Winvalid-pch"}
PRECOMPILED = "cmake_pch.hxx"
ROOT = pathlib.Path(__file__).resolve().parents[1]
TEST_MARKS = ("_test.cc", "_bench.cc", "_fuzz.cc", "replay_main.cc")


def is_production(path):
    inside = os.path.relpath(path, ROOT)
    return not path.endswith(TEST_MARKS) and not inside.startswith("tests/")


def is_source(path):
    return path.endswith(".cc") and "/precompiled/" not in path


def single_files(entries):
    """Entries of one source each: those whose file only includes the sources of a folder are taken apart."""
    for entry in entries:
        if "/Unity/" not in entry["file"]:
            yield entry
            continue
        text = pathlib.Path(entry["file"]).read_text(encoding="utf-8")
        for source in re.findall(r'^#include "(.*)"$', text, re.MULTILINE):
            yield {**entry, "file": source, "command": entry["command"].replace(entry["file"], source)}


def clang_command(words):
    """The compiler call of compile_commands.json as one of Clang that writes no object."""
    compiler = next(i for i, word in enumerate(words)
                    if word != "env" and "=" not in word and not word.endswith("ccache"))
    words = words[compiler + 1 :]
    kept = []
    skip = False
    for word, following in zip(words, [*words[1:], ""]):
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MT", "-MQ"):
            skip = True
        elif word == "-include" and following.endswith(PRECOMPILED):
            skip = True
        elif word not in GCC_ONLY and word not in ("-c", "-MD", "-MMD"):
            kept.append(word)
    return ["clang++", *kept, "-Wthread-safety", "-Werror", "-fsyntax-only"]


def check(entry):
    result = subprocess.run(clang_command(shlex.split(entry["command"])), cwd=entry["directory"],
                            capture_output=True, text=True, check=False)
    return entry["file"], result.returncode, result.stdout + result.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--all", action="store_true")
    options = parser.parse_intermixed_args()
    entries = json.loads((options.build / "compile_commands.json").read_text(encoding="utf-8"))
    chosen = [e for e in single_files(entries)
              if is_source(e["file"]) and (options.all or is_production(e["file"]))
              and (not options.paths or any(part in e["file"] for part in options.paths))]
    if not chosen:
        sys.exit(f"error: {options.build}/compile_commands.json names no such source")
    failed = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for file, code, output in pool.map(check, chosen):
            if code != 0:
                failed.append(file)
                print(f"{file}:\n{output}", file=sys.stderr)
    print(f"clang syntax: {len(chosen) - len(failed)} of {len(chosen)} files ok")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
