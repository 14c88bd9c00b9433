#!/usr/bin/env python3
"""Fail if the documents promise what is not there.

Usage: check_docs.py ROOT [--fathom BINARY] [--build BUILD_DIR]

Checked in every tracked *.md:
  - links to files and to headings of files resolve;
  - no merge has left its marks;
  - a path in `code` that begins with a folder of the repository exists;
  - with --fathom: every `fathom COMMAND` exists, and so does every --flag written after it;
  - with --build: every test named as `Suite.Name` or `cli.name` is one that ctest knows.
Every folder of src/ has a README.md of at most 40 lines.
A section whose heading says "not there yet" may name what does not exist.
"""
import argparse
import functools
import json
import pathlib
import re
import subprocess
import sys

ROOT_FOLDERS = ("src", "tests", "tools", "docs", "cmake", "configs", "fuzz", "bench", "examples", "packaging", "web")
PLANNED = "not there yet"
TEST_NAME = re.compile(
    r"[A-Z]\w*\.[A-Z]\w*|(?:house|cli|comm|fuzz|serve|clients)\.(?!h\b|cc\b)[a-z0-9_]+(?!\.|\w)")


def markdown_files(root):
    skip = {"build", ".git"}
    return sorted(p for p in root.rglob("*.md") if not skip & set(p.relative_to(root).parts[:-1]))


def sections(text):
    """Yields (line number, line, in a code fence?) of what is not in a planned section."""
    fenced, planned_level = False, None
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        heading = None if fenced else re.match(r"(#+) ", line)
        if heading:
            level = len(heading[1])
            if planned_level is None or level <= planned_level:
                planned_level = level if PLANNED in line.lower() else None
        if planned_level is None:
            yield number, line, fenced


def slug(heading):
    """The anchor that git hosts make of a heading."""
    text = re.sub(r"[`*]", "", heading.lower())
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text).strip())


def anchors(path):
    found = set()
    for _, line, fenced in sections(path.read_text(encoding="utf-8")):
        match = None if fenced else re.match(r"#+ (.*)", line)
        if match:
            found.add(slug(match[1]))
    return found


def check_links(path, number, line):
    for target in re.findall(r"\]\(([^)\s]+)\)", line):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        goal = (path.parent / file) if file else path
        if not goal.exists():
            yield f"{number}: link to {target}, which does not exist"
        elif anchor and goal.suffix == ".md" and anchor not in anchors(goal):
            yield f"{number}: link to {target}: {goal.name} has no such heading"


def check_paths(root, number, spans):
    for span in spans:
        if re.fullmatch(r"(%s)/[\w./-]*\w" % "|".join(ROOT_FOLDERS), span) and \
                not (root / span).exists():
            yield f"{number}: `{span}` does not exist"


class Binary:
    """What `fathom --help` and `fathom COMMAND --help` say."""

    def __init__(self, path):
        self.path = path

    @functools.lru_cache(maxsize=None)
    def help(self, *command):
        run = subprocess.run([self.path, *command, "--help"], capture_output=True, text=True,
                             timeout=60)
        return run.stdout if run.returncode == 0 else None

    def check(self, command):
        """Yields what is wrong with one `fathom ...` command line."""
        words = re.split(r"\s+", re.sub(r"[\\\[\]()|]", " ", command).strip())[1:]
        verbs = []
        while len(verbs) < len(words) and re.fullmatch(r"[a-z][a-z-]*", words[len(verbs)]) and \
                len(verbs) < 2 and self.help(*verbs, words[len(verbs)]) is not None:
            verbs.append(words[len(verbs)])
        if not verbs:
            if words and re.fullmatch(r"[a-z][a-z-]*", words[0]):
                yield f"`fathom {words[0]}` is not a command"
            return
        text = self.help(*verbs) + self.help()
        for flag in re.findall(r"(?<=\s)--[a-z][\w-]*", command):
            if not re.search(re.escape(flag) + r"(?![\w-])", text):
                yield f"`fathom {' '.join(verbs)}` has no flag {flag}"


def commands_in(line, fenced, spans):
    """The `fathom ...` command lines written on one line."""
    if fenced:
        line = re.sub(r"^\s*\$ ", "", line)
        match = re.search(r"(?:^|[|&;]\s*)(?:build/\w+/)?(fathom [^|;&#>]+)", line)
        return [match[1]] if match else []
    return [re.sub(r"^build/\w+/", "", s) for s in spans if re.match(r"(build/\w+/)?fathom \S", s)]


def ctest_names(build_dir):
    """Every test ctest knows, or None while some test binary is not built."""
    run = subprocess.run(["ctest", "--test-dir", str(build_dir), "--show-only=json-v1"],
                         capture_output=True, text=True, check=True)
    names = [test["name"] for test in json.loads(run.stdout)["tests"]]
    return None if any(name.endswith("_NOT_BUILT") for name in names) else names


def known_test(name, names):
    # Typed and parameterised tests read Prefix/Suite.Name/0 or Suite/0.Name.
    pattern = re.compile(r"(^|/)" + re.escape(name).replace(r"\.", r"(/\w+)?\.") + r"($|/)")
    return any(pattern.search(known) for known in names)


def check_file(path, root, binary, names):
    for number, line, fenced in sections(path.read_text(encoding="utf-8")):
        spans = [] if fenced else re.findall(r"`([^`]+)`", line)
        if re.match(r"(<<<<<<<|>>>>>>>) ", line):
            yield f"{number}: the mark of an unresolved merge"
        if not fenced:
            yield from check_links(path, number, line)
            yield from check_paths(root, number, spans)
        if binary:
            for command in commands_in(line, fenced, spans):
                yield from (f"{number}: {error}" for error in binary.check(command))
        if names is not None:
            for span in spans:
                if TEST_NAME.fullmatch(span) and not known_test(span, names):
                    yield f"{number}: no test is named {span}"


def check_module_readmes(root):
    for folder in sorted(p for p in (root / "src").iterdir() if p.is_dir()):
        readme = folder / "README.md"
        if not readme.exists():
            yield f"src/{folder.name}/ has no README.md"
        elif len(readme.read_text(encoding="utf-8").splitlines()) > 40:
            yield f"src/{folder.name}/README.md is longer than 40 lines"


def check(root, binary=None, names=None):
    files = markdown_files(root)
    errors = [f"{path.relative_to(root)}:{error}" for path in files
              for error in check_file(path, root, binary, names)]
    return files, errors + list(check_module_readmes(root))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--fathom", type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path)
    args = parser.parse_args()
    names = ctest_names(args.build) if args.build else None
    files, errors = check(args.root, Binary(str(args.fathom)) if args.fathom else None, names)
    unchecked = [what for what, given in (("commands", args.fathom), ("test names", names))
                 if not given]
    print("\n".join(errors) or f"docs ok: {len(files)} files" +
          (f" (not checked: {', '.join(unchecked)})" if unchecked else ""))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
