#!/usr/bin/env python3
"""Fail if the modules of src/ do not follow src/layers.txt.

Usage: check_layers.py SRC_DIR        (reads SRC_DIR/layers.txt and SRC_DIR/CMakeLists.txt)

Checked: layers.txt itself points only downwards; every file includes only modules its line allows;
no include climbs with ".."; every module's DEPS in CMakeLists.txt are allowed by its line and name
every module that its sources include; every folder has a line in both files.
"""
import pathlib
import re
import sys

SOURCE_SUFFIXES = {".h", ".cc", ".cu", ".cuh", ".inl"}
# mla_test.cc, linear_test_weights.h, test_support.h, ops_bench.cc
TEST_FILE = re.compile(r"(^|_)test[_.]|_bench\.")
# testing stands beside everything: tests may include it, and it may look at what it helps to test.
BESIDE = "testing"


def read_rules(text):
    """-> {module: set of allowed modules}, in layer order; "*" allows all."""
    rules = {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, allowed = line.split(":")
            rules[name.strip()] = set(allowed.split())
    return rules


def check_order(rules):
    order = list(rules)
    for module, allowed in rules.items():
        for dep in sorted(allowed - {"*"}):
            if dep not in rules:
                yield f"layers.txt: {module} allows {dep}, which has no line of its own"
            elif module != BESIDE and order.index(dep) >= order.index(module):
                yield f"layers.txt: {module} may not allow {dep}: it is not below it"


def read_deps(text):
    """-> {module: [DEPS]} from the fathom_module(...) calls of CMakeLists.txt."""
    text = re.sub(r"#.*", "", text)
    deps = {}
    for body in re.findall(r"fathom_module\(([^)]*)\)", text):
        words = body.split()
        deps[words[0]] = []
        keyword = None
        for word in words[1:]:
            if word in ("DEPS", "LIBS", "TEST_LIBS"):
                keyword = word
            elif keyword == "DEPS":
                deps[words[0]].append(word)
    return deps


def includes_of(path):
    """Yields (line number, module or "..", the include's text) for quoted and angled includes."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
        if match:
            yield number, match[1].split("/")[0], match[1]


def check_includes(src, rules, deps):
    files = (p for p in src.rglob("*") if p.suffix in SOURCE_SUFFIXES)
    for path in sorted(files):
        where = path.relative_to(src)
        module = where.parts[0]
        if module not in rules:
            continue  # reported once, by check_folders
        is_test = bool(TEST_FILE.search(path.name))
        allowed = rules[module] | {module} | ({BESIDE} if is_test else set())
        linked = set(deps.get(module, [])) | {module}
        for number, first, include in includes_of(path):
            if ".." in include.split("/"):
                yield f"{where}:{number}: '{include}' climbs out of its folder; write it from src/"
            elif first not in rules:
                continue  # a library or a file of the same folder
            elif first not in allowed and "*" not in allowed:
                yield f"{where}:{number}: {module} may not include {first}"
            elif not is_test and module != BESIDE and first not in linked and "*" not in allowed:
                yield f"{where}:{number}: {module} includes {first}, missing from its DEPS in CMakeLists.txt"


def check_folders(src, rules, deps):
    for folder in sorted(p.name for p in src.iterdir() if p.is_dir()):
        if folder not in rules:
            yield f"{folder}/ has no line in layers.txt"
        if folder not in deps:
            yield f"{folder}/ has no fathom_module line in CMakeLists.txt"
    for module, names in deps.items():
        allowed = rules.get(module, set())
        for name in names:
            if "*" not in allowed and name not in allowed:
                yield f"CMakeLists.txt: {module} has DEPS {name}, which layers.txt does not allow"


def check(src):
    rules = read_rules((src / "layers.txt").read_text(encoding="utf-8"))
    deps = read_deps((src / "CMakeLists.txt").read_text(encoding="utf-8"))
    errors = list(check_order(rules))
    errors += check_folders(src, rules, deps)
    errors += check_includes(src, rules, deps)
    return rules, errors


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rules, errors = check(pathlib.Path(sys.argv[1]))
    print("\n".join(errors) or f"layers ok: {len(rules)} modules")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
