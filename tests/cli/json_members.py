#!/usr/bin/env python3
"""Prints every member of the JSON document on stdin, a line each, in order: its path, and its value, or
`number` for one with a decimal point. Elements of an array that are objects share their lines, `path[]`.
A member that is not in all of them is marked `path[]?`.

Usage: json_members.py [--kind REGEX] [--holds EXPRESSION]...
  --kind   paths that match have their kind printed, not their value: what the machine decides
  --holds  a Python expression about the document `d` that must be true
"""
import argparse
import json
import math
import re
import sys


def kind_of(value):
    return {str: "string", bool: "boolean", int: "integer", float: "number"}.get(type(value), "null")


def lines_of(value, path, kinds):
    """Yields (path, text) of every leaf."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from lines_of(member, f"{path}.{key}" if path else key, kinds)
        if not value:
            yield path, "{}"
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        merged, count = {}, {}
        for item in value:
            for line_path, text in lines_of(item, f"{path}[]", kinds):
                merged.setdefault(line_path, []).append(text)
                count[line_path] = count.get(line_path, 0) + 1
        for line_path, texts in merged.items():
            mark = "" if count[line_path] == len(value) else "?"
            text = " ".join(texts) if len(set(texts)) > 1 else texts[0]
            yield f"{path}[]{mark}{line_path.removeprefix(path + '[]')}", text
    elif isinstance(value, list):
        texts = [leaf(item, path, kinds) for item in value]
        yield path, "[" + " ".join(texts if len(set(texts)) > 1 else texts[:1]) + "]"
    else:
        yield path, leaf(value, path, kinds)


def leaf(value, path, kinds):
    if isinstance(value, float) or (kinds and re.search(kinds, path)):
        return kind_of(value)
    return json.dumps(value, ensure_ascii=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", default="")
    parser.add_argument("--holds", action="append", default=[])
    options = parser.parse_args()
    document = json.load(sys.stdin)
    for path, text in lines_of(document, "", options.kind):
        print(f"{path} {text}")
    for expression in options.holds:
        if not eval(expression, {"d": document, "math": math}):  # written by the test, not by a user
            sys.exit(f"does not hold: {expression}")


if __name__ == "__main__":
    main()
