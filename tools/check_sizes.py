#!/usr/bin/env python3
"""Print the files and functions outside the usual sizes. It informs and never fails.

Usage: check_sizes.py ROOT [--all]     (--all also prints what is between "usual" and "look twice")

Lengths come from a brace scanner, not a compiler: read them as plus or minus a percent.
"""
import argparse
import pathlib
import re
import statistics
import sys

#            usual, look twice, rarely beyond (lines)
LIMITS = {
    "source": (250, 400, 700),
    "header": (120, 200, 350),
    "function": (40, 60, 100),
    "kernel function": (40, 60, 150),
}
FOLDERS = ("src", "fuzz", "bench", "examples", "tests")
SOURCES, HEADERS = {".cc", ".cu", ".inl"}, {".h", ".cuh"}
NOT_A_FUNCTION = re.compile(
    r"^\s*(namespace|class|struct|union|enum|extern\s+\"C\"|if|for|while|switch|do|else|try|catch|return)\b")


def strip(text):
    """Blanks out comments, strings and preprocessor lines, keeping line breaks."""
    def blank(match):
        return "\n" * match[0].count("\n")
    pattern = (r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
               r"'(?:\\.|[^'\\\n])'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*")
    return re.sub(pattern, blank, text, flags=re.S | re.M)


def functions(text):
    """Yields (first line, number of lines, signature) of each outermost function body.

    A body is a brace block whose head ends in ")" (and qualifiers) outside any other body.
    """
    text = strip(text)
    line, head, head_line = 1, "", 1
    stack, body_depth = [], None  # stack of True for "this block is a function body"
    for char in text:
        if char == "\n":
            line += 1
        if char == "{":
            is_body = body_depth is None and ")" in head and not NOT_A_FUNCTION.match(head) and \
                not re.search(r"=\s*$", head)
            stack.append((is_body, head_line, head.strip()))
            if is_body:
                body_depth = len(stack)
            head = ""
        elif char == "}" and stack:
            is_body, start, signature = stack.pop()
            if is_body and body_depth == len(stack) + 1:
                body_depth = None
                yield start, line - start + 1, " ".join(signature.split())
            head = ""
        elif char == ";" and body_depth is None:
            head = ""
        else:
            if not head.strip():
                head_line = line
            head += char


def grade(kind, lines):
    """0 usual, 1 above usual, 2 look twice, 3 beyond."""
    return sum(lines > limit for limit in LIMITS[kind])


def measure(root):
    files, bodies = [], []
    paths = [p for f in FOLDERS for p in (root / f).rglob("*") if p.suffix in SOURCES | HEADERS]
    for path in sorted(paths):
        text = path.read_text(encoding="utf-8")
        where = path.relative_to(root)
        is_test = bool(re.search(r"(^|_)test[_.]", path.name))
        lines = text.count("\n")
        files.append((where, "header" if path.suffix in HEADERS else "source", lines, is_test))
        kind = "kernel function" if "kernels" in where.parts else "function"
        for start, length, signature in functions(text):
            bodies.append((where, start, kind, length, signature, is_test))
    return files, bodies


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def report(files, bodies, least):
    words = ["", "above usual", "look twice", "beyond"]
    for where, kind, lines, _ in files:
        if grade(kind, lines) >= least:
            yield f"{where}: {lines} lines, {words[grade(kind, lines)]} for a {kind}"
    for where, start, kind, length, signature, _ in bodies:
        if grade(kind, length) >= least:
            name = re.sub(r"\(.*", "", signature).split(" ")[-1]
            yield f"{where}:{start}: {name} is {length} lines, {words[grade(kind, length)]}"
    lengths = [lines for _, _, lines, is_test in files if not is_test]
    bodies = [length for *_, length, _, is_test in bodies if not is_test]
    if lengths and bodies:
        long_share = sum(length > 60 for length in bodies) / len(bodies)
        yield (f"{len(lengths)} files (tests apart): median {statistics.median(lengths):.0f} lines, "
               f"p90 {percentile(lengths, 0.9)}, longest {max(lengths)}; {len(bodies)} functions, "
               f"{100 * long_share:.1f} % over 60 lines")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    print("\n".join(report(*measure(args.root), 1 if args.all else 2)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
