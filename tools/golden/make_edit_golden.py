"""Writes tests/golden/eval/edits.jsonl: random files, edits as models write them, and what aider makes of them.

  pip download --no-deps aider-chat==0.86.2 && unzip aider_chat-0.86.2-py3-none-any.whl -d aider
  python3 tools/golden/make_edit_golden.py aider tests/golden/eval/edits.jsonl

Only aider's editblock_coder.py is run, without the rest of the program. Lines: {content, path, search, replace, result} of one
edit (result null: not found), and {answer, edits} of whole answers (edits null: malformed).
"""
import json
import pathlib
import random
import re
import sys
import tempfile
import types

WORDS = ["x = 1", "y = 2", "return x", "if x:", "def f(x):", "print(y)", "", "# note", "...", "x = 1"]
CASES = 250


def load(folder):
    """The module's functions alone; its class would pull in the whole program."""
    source = (pathlib.Path(folder) / "aider/coders/editblock_coder.py").read_text()
    source = re.sub(r"^from aider.*$|^from \.\..*$|^from \.[a-z].*$", "", source, flags=re.M)
    start, end = source.index("class EditBlockCoder"), source.index("def prep(")
    module = types.ModuleType("editblock")
    exec(source[:start] + source[end:], module.__dict__)
    # Where a SEARCH line is longer than the file's, aider cuts the file's line at a negative place and pastes
    # what it got before each new line. fathom takes that for not found.
    matched = module.match_but_for_leading_whitespace
    module.match_but_for_leading_whitespace = lambda whole, part: (
        None if any(w.strip() and len(p) > len(w) for w, p in zip(whole, part)) else matched(whole, part))
    return module


def lines(dice, count, dots=False):
    words = WORDS if dots else [w for w in WORDS if w != "..."]
    return [("    " * dice.choice([0, 0, 1, 1, 2])) + dice.choice(words) for _ in range(count)]


def spoiled(dice, part):
    """A piece of a file as a careless model repeats it."""
    kind = dice.randrange(7) if part else 0
    if kind == 1:
        return [line.strip() for line in part]
    if kind == 2:
        return [line[4:] if line.startswith("    ") else line for line in part]
    if kind == 3:
        return ["    " + line for line in part]
    if kind == 4:
        return [""] + part
    if kind == 5 and len(part) > 2:
        return [part[0], "..."] + part[-1:]
    if kind == 6:
        return part[:-1] + [part[-1] + "!"]
    return part


def text(parts, end=True):
    return "\n".join(parts) + ("\n" if parts and end else "")


def one_edit(dice, aider, folder):
    content = lines(dice, dice.randint(1, 9))
    at = dice.randrange(len(content))
    part = content[at:at + dice.randint(0, 4)]
    search, replace = spoiled(dice, part), spoiled(dice, lines(dice, dice.randint(0, 3)) or part)
    if "..." in search:
        replace = [search[0] + " #", "..."] + lines(dice, 1)
    case = {"content": text(content, dice.random() < 0.8), "path": "a.py", "search": text(search), "replace": text(replace)}
    path = folder / "a.py"
    path.write_text(case["content"])
    result = aider.do_replace(str(path), case["content"], case["search"], case["replace"], ("```", "```"))
    return {**case, "result": result or None}


def answer(dice, aider):
    out = []
    for _ in range(dice.randint(1, 3)):
        out += dice.choice([["Some words."], [], ["More.", ""]])
        out += dice.choice([["a.py"], ["**src/b.py:**"], ["`c.py`"], ["# d.py"], [], ["a\\_b.py", "```"], ["..."], ["```e.py"],
                            ["run it:", "```bash", "make", "```"]])
        out += dice.choice([["```python"], ["```"], []])
        marks = ["<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"]
        if dice.random() < 0.15:
            marks[dice.randrange(3)] = dice.choice(["<<<<< SEARCH", "=====", "nothing", ">>>>>>>>> REPLACE", "<<<<<<< SEARCH>"])
        out += [marks[0], *lines(dice, dice.randint(0, 2)), marks[1], *lines(dice, dice.randint(0, 2)), marks[2]]
        out += dice.choice([["```"], []])
    case = text(out)
    try:
        found = aider.find_original_update_blocks(case, ("```", "```"))
        edits = [list(edit) for edit in found if edit[0] is not None]  # without commands for a shell
    except ValueError:
        edits = None
    return {"answer": case, "edits": edits}


def main():
    aider, dice = load(sys.argv[1]), random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        cases = [one_edit(dice, aider, pathlib.Path(folder)) for _ in range(CASES)]
    cases += [answer(dice, aider) for _ in range(CASES)]
    pathlib.Path(sys.argv[2]).write_text("".join(json.dumps(case) + "\n" for case in cases))


if __name__ == "__main__":
    main()
