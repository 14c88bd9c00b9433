#!/usr/bin/env python3
"""Runs a command, watches its calls and fails if a crash at some moment could lose a file (commit_rules.py).

Usage: watched.py [--in-place REGEX] COMMAND...     the command's own exit code if the rules hold, else 99
  --in-place  names of files that grow in place: logs
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

from commit_rules import Commits


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--in-place", default="(?!)")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    with tempfile.NamedTemporaryFile() as log:
        env = dict(os.environ, WATCH_LOG=log.name, LD_PRELOAD=os.environ["WATCH"])
        code = subprocess.run(options.command, env=env).returncode
        text = log.read().decode()
    if not re.search("^(rename|exchange)\t", text, re.M):
        sys.exit("watched.py: the command committed nothing")
    pattern = re.compile(options.in_place)
    broken = Commits(os.getcwd(), lambda name: pattern.fullmatch(name)).run(text)
    for line in broken:
        print(f"not safe against a crash: {line}", file=sys.stderr)
    return 99 if broken else code


if __name__ == "__main__":
    sys.exit(main())
