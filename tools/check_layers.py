#!/usr/bin/env python3
"""Fail if the sources do not follow src/layers.txt.

Usage: check_layers.py SRC_DIR        (reads SRC_DIR/layers.txt and SRC_DIR/CMakeLists.txt)

Checked: layers.txt itself points only downwards; every file includes only folders that its line
allows; no file reaches a folder that its line hides ("!"), through any chain of headers; a test
reaches nothing above its module through testing/; no include climbs with ".."; every module's DEPS
in CMakeLists.txt are allowed by its lines and name every module that its sources include; every
module has a line in both files. The head of layers.txt says how its lines are read.
"""
import pathlib
import re
import sys
from typing import NamedTuple

SOURCE_SUFFIXES = {".h", ".cc", ".cu", ".cuh", ".inl"}
# Files that only test or bench executables contain, and the line that adds to their folder's.
KINDS = {
    "*_test": re.compile(r"(^|_)test[_.]"),  # mla_test.cc, test_support.h, linear_test_weights.h
    "*_bench": re.compile(r"_bench\."),
}
# testing stands beside everything: tests may include it, and it may look at what it helps to test.
BESIDE = "testing"
# Folders beside src/ whose C++ has a line too.
OUTER_FOLDERS = ("tests", "fuzz")


class Line(NamedTuple):
    allowed: frozenset
    hidden: frozenset = frozenset()


def read_rules(text):
    """-> {folder or kind: Line}, in layer order; "*" allows all."""
    rules = {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, words = line.split(":")
            hidden = {word[1:] for word in words.split() if word.startswith("!")}
            allowed = {word for word in words.split() if not word.startswith("!")}
            rules[name.strip()] = Line(frozenset(allowed), frozenset(hidden))
    return rules


def is_kind(name):
    return name.split("/")[-1] in KINDS


def module_of(folder):
    return folder.split("/")[0]


def folder_of(path, rules):
    """The deepest folder with a line that holds the file; None if there is none."""
    parts = path.split("/")[:-1]
    while parts and "/".join(parts) not in rules:
        parts.pop()
    return "/".join(parts) or None


def covers(allowed, folder, includer):
    """From outside, a module's name means all of it; inside, each folder with a line is named."""
    if "*" in allowed or folder in allowed or folder == includer:
        return True
    inside = module_of(folder) == module_of(includer)
    return not inside and any(folder.startswith(name + "/") for name in allowed)


def check_order(rules):
    order = list(rules)
    for folder, line in rules.items():
        beside = folder == BESIDE or is_kind(folder) or folder in OUTER_FOLDERS
        for name in sorted(line.allowed | line.hidden):
            if name == "*":
                continue
            if name not in rules:
                yield f"layers.txt: {folder} names {name}, which has no line of its own"
            elif not beside and order.index(name) >= order.index(folder):
                yield f"layers.txt: {folder} may not allow {name}: it is not below it"


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


def read_includes(src):
    """-> {file: [(line number, included text)]}; files of src/ are named from there."""
    found = {}
    roots = [(src, ".")] + [(src.parent, folder) for folder in OUTER_FOLDERS]
    for root, folder in roots:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SOURCE_SUFFIXES:
                continue
            includes = found[path.relative_to(root).as_posix()] = []
            for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                match = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', text)
                if match:
                    includes.append((number, match[1]))
    return found


def kind_of(path):
    name = path.split("/")[-1]
    return next((kind for kind, pattern in KINDS.items() if pattern.search(name)), None)


def allowed_for(path, folder, rules):
    """A file's folder has a line; a test or bench may include what its whole module may, and more."""
    kind, module = kind_of(path), module_of(folder)
    if kind is None:
        return rules[folder].allowed
    lines = [name for name in rules if module_of(name) == module and not is_kind(name)]
    extra = [name for name in (kind, f"{module}/{kind}") if name in rules]
    return frozenset(lines).union(*(rules[name].allowed for name in lines + extra))


def check_includes(includes, rules, deps):
    for path, lines in includes.items():
        folder = folder_of(path, rules)
        if folder is None:
            continue  # reported once, by check_folders
        allowed = allowed_for(path, folder, rules)
        module = module_of(folder)
        linked = set(deps.get(module, [])) | {module}
        needs_dep = kind_of(path) is None and module in deps and module != BESIDE
        for number, include in lines:
            target = folder_of(include, rules)
            if ".." in include.split("/"):
                yield f"{path}:{number}: '{include}' climbs out of its folder; write it from src/"
            elif target is None:
                continue  # a library or a file of the same folder
            elif not covers(allowed, target, folder):
                yield f"{path}:{number}: {folder} may not include {target}"
            elif needs_dep and module_of(target) not in linked and "*" not in allowed:
                yield (f"{path}:{number}: {module} includes {module_of(target)}, "
                       "missing from its DEPS in CMakeLists.txt")


def reached(start, includes):
    """-> {file: the file that includes it} of everything that `start` includes, by any chain."""
    parents = {start: None}
    queue = [start]
    for path in queue:
        for _, include in includes.get(path, []):
            if include not in parents:
                parents[include] = path
                queue.append(include)
    return parents


def chain(path, parents):
    names = [path]
    while parents[names[-1]] is not None:
        names.append(parents[names[-1]])
    return " <- ".join(names)


def check_hidden(includes, rules):
    """A file's line hides folders with "!": it may not reach them even through others' headers."""
    for path in includes:
        folder = folder_of(path, rules)
        if folder is None or kind_of(path) or not rules[folder].hidden:
            continue
        parents = reached(path, includes)
        for name in sorted(rules[folder].hidden):
            seen = next((p for p in parents if p.startswith(name + "/")), None)
            if seen:
                yield f"{folder} may not see {name}: {chain(seen, parents)}"


def check_helpers(includes, rules):
    """What a test reaches through testing/ is no higher than the test's own module."""
    order = [module_of(name) for name in rules]
    for path, lines in includes.items():
        module = path.split("/")[0]
        if module not in order or module == BESIDE:
            continue
        for number, helper in lines:
            if module_of(helper) != BESIDE:
                continue
            parents = reached(helper, includes)
            above = next((p for p in parents if module_of(p) in order and module_of(p) != BESIDE and
                          order.index(module_of(p)) > order.index(module)), None)
            if above:
                yield f"{path}:{number}: {module} may not see {module_of(above)}: {chain(above, parents)}"


def check_folders(src, includes, rules, deps):
    for module in sorted(p.name for p in src.iterdir() if p.is_dir()):
        if module not in rules:
            yield f"{module}/ has no line in layers.txt"
        if module not in deps:
            yield f"{module}/ has no fathom_module line in CMakeLists.txt"
    for folder in sorted({path.split("/")[0] for path in includes} & set(OUTER_FOLDERS)):
        if folder not in rules:
            yield f"{folder}/ has no line in layers.txt"
    for name in rules:
        if "/" in name and not is_kind(name) and not (src / name).is_dir():
            yield f"layers.txt: there is no folder {name}"
    for module, names in deps.items():
        lines = [line for name, line in rules.items() if module_of(name) == module]
        allowed = {module_of(name) for line in lines for name in line.allowed}
        for name in names:
            if "*" not in allowed and name not in allowed:
                yield f"CMakeLists.txt: {module} has DEPS {name}, which layers.txt does not allow"


def check(src):
    rules = read_rules((src / "layers.txt").read_text(encoding="utf-8"))
    deps = read_deps((src / "CMakeLists.txt").read_text(encoding="utf-8"))
    includes = read_includes(src)
    errors = list(check_order(rules))
    errors += check_folders(src, includes, rules, deps)
    errors += check_includes(includes, rules, deps)
    errors += check_hidden(includes, rules)
    errors += check_helpers(includes, rules)
    return rules, errors


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rules, errors = check(pathlib.Path(sys.argv[1]))
    print("\n".join(errors) or f"layers ok: {len(rules)} lines")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
