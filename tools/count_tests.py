#!/usr/bin/env python3
"""Prints the closing line "N passed, N failed" of a ctest run from its JUnit file.

Usage: count_tests.py RESULTS.xml        exit 0 if something passed and nothing failed

A skipped or disabled test is neither passed nor failed and is counted on a line before. A test that
ctest could not run at all (its binary is missing, its fixture broke) has failed.
"""
import pathlib
import sys
import xml.etree.ElementTree


def outcome(case):
    """-> "passed", "failed" or "skipped" for one <testcase>."""
    status = case.get("status")
    if status == "run":
        return "passed"
    if status == "disabled":
        return "skipped"
    skipped = case.find("skipped")
    message = skipped.get("message", "") if skipped is not None else ""
    return "skipped" if status == "notrun" and message.startswith("SKIP_") else "failed"


def count(path):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    if path.exists():
        for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
            counts[outcome(case)] += 1
    return counts


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    counts = count(pathlib.Path(sys.argv[1]))
    if counts["skipped"]:
        print(f"{counts['skipped']} skipped")
    if not sum(counts.values()):
        print("error: no test ran", file=sys.stderr)
    print(f"{counts['passed']} passed, {counts['failed']} failed", flush=True)
    return 0 if counts["passed"] and not counts["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
