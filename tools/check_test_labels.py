#!/usr/bin/env python3
"""Fail if `./test -L MODULE` would not run the module's tests.

Usage: check_test_labels.py ROOT BUILD_DIR

Every test that ctest knows is "fast" or of "clients" and has a label beside that, and every folder of src/ with a *_test.cc is one.
A binary that is not built yet has no tests and is passed over.
"""
import json
import pathlib
import subprocess
import sys

NOT_BUILT = "_NOT_BUILT"
KINDS = ("fast", "clients")


def read_labels(build):
    """-> {test: its labels}"""
    run = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"],
                         capture_output=True, text=True, check=True)
    return labels_of(json.loads(run.stdout))


def labels_of(listing):
    return {test["name"]: next((p["value"] for p in test.get("properties", [])
                                if p["name"] == "LABELS"), [])
            for test in listing["tests"]}


def check(root, labels):
    used = {label for of_one in labels.values() for label in of_one}
    not_built = {name.removesuffix("_test" + NOT_BUILT) for name in labels if name.endswith(NOT_BUILT)}
    for name, of_one in sorted(labels.items()):
        if name.endswith(NOT_BUILT):
            continue
        kinds = [kind for kind in KINDS if kind in of_one]
        if len(kinds) != 1:
            yield f"{name} is labelled neither fast nor clients" if not kinds else f"{name} is labelled {' and '.join(kinds)}"
        elif len(of_one) < 2:
            yield f"{name} has no label beside {kinds[0]}"
    modules = {path.relative_to(root / "src").parts[0] for path in (root / "src").rglob("*_test.cc")}
    for module in sorted(modules - used - not_built):
        yield f"no test is labelled {module}, but src/{module}/ has tests"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    labels = read_labels(pathlib.Path(sys.argv[2]))
    errors = list(check(pathlib.Path(sys.argv[1]), labels))
    print("\n".join(errors) or f"labels ok: {len(labels)} tests")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
