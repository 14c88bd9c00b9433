"""The lists of mutants: reading them, and putting them into the text of a source file behind a switch."""
import collections
import re

Mutant = collections.namedtuple("Mutant", "id module file was now by")
# Every mutated file knows the switch, and a bug may earn warnings. Constant expressions stay as they are.
IGNORED = ("conversion", "sign-conversion", "float-conversion", "sign-compare", "shadow", "unused-variable", "unused-value",
           "unused-parameter", "unused-function", "unused-but-set-variable", "empty-body", "parentheses",
           "dangling-else", "return-type", "maybe-uninitialized", "tautological-compare", "extra")
DECLARATION = 'extern "C" int fathom_mutant;\n' + "".join(
    f'#pragma GCC diagnostic ignored "-W{name}"\n' for name in IGNORED) + "#line 1\n"
LIVES = "(!__builtin_is_constant_evaluated() && fathom_mutant == {})"


class ListError(Exception):
    """A list itself is wrong."""


def parse(text, module):
    """-> the mutants of one list, in order."""
    mutants, fields = [], {}

    def finish():
        if not fields:
            return
        if set(fields) != {"id", "file", "was", "now", "by"} or fields["was"].count("«") != 1 or \
                fields["was"].count("»") != 1:
            raise ListError(f"{module}: {fields.get('id')}: needs was (with one «part»), now and by")
        mutants.append(Mutant(module=module, **fields))
        fields.clear()

    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            finish()
            fields["id"], fields["file"] = line.split()
            continue
        key, _, value = line.strip().partition(" ")
        value = value.strip()
        fields[key] = [part.strip() for part in value.split(",")] if key == "by" else value
    finish()
    return mutants


def read_all(folder):
    mutants = []
    for path in sorted(folder.glob("*.txt")):
        mutants += parse(path.read_text(encoding="utf-8"), path.stem)
    names = [mutant.id for mutant in mutants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ListError(f"used twice: {', '.join(twice)}")
    return mutants


def choose(mutants, wanted):
    unknown = set(wanted) - {m.id for m in mutants} - {m.module for m in mutants}
    if unknown:
        raise ListError(f"no mutant and no module: {', '.join(sorted(unknown))}")
    return [m for m in mutants if not wanted or m.id in wanted or m.module in wanted]


def pattern_of(mutant):
    """Finds the text whatever its line breaks and indents are."""
    parts = re.match("(.*)«(.*)»(.*)", mutant.was, re.S).groups()
    loose = ["\\s+".join(re.escape(word) for word in part.split()) for part in parts]
    before = f"(?:{loose[0]})" + (r"\s*" if parts[0] != parts[0].rstrip() else "")
    after = (r"\s*" if parts[2] != parts[2].lstrip() else "") + f"(?:{loose[2]})"
    return re.compile(f"(?P<before>{before})(?P<part>{loose[1]})(?={after})", re.S)


def lost(root, mutants):
    """-> the ids whose text is not found exactly once."""
    wrong = []
    for mutant in mutants:
        path = root / mutant.file
        found = len(pattern_of(mutant).findall(path.read_text(encoding="utf-8"))) if path.is_file() else 0
        if found != 1:
            wrong.append(f"{mutant.id}: {found} times in {mutant.file}")
    return wrong


def switched(number, was, now):
    lives = LIVES.format(number)
    if was.endswith((";", "}")):
        return f"if {lives} {{ {now} }} else {{ {was} }}"
    return f"({lives} ? ({now}) : ({was}))"


def with_mutants(text, start, end, changes):
    """The text from start to end with the changes in it; a change may lie within another."""
    result, done = "", start
    while changes:
        number, mutant, begin, stop = changes.pop(0)
        inner = []
        while changes and changes[0][3] <= stop:
            inner.append(changes.pop(0))
        if changes and changes[0][2] < stop:
            raise ListError(f"{mutant.id} and {changes[0][1].id} overlap")
        result += text[done:begin] + switched(number, with_mutants(text, begin, stop, inner), mutant.now)
        done = stop
    return result + text[done:end]


def apply_all(root, numbered):
    """-> {file: its text with all its mutants}."""
    files = {}
    for number, mutant in numbered:
        text = (root / mutant.file).read_text(encoding="utf-8")
        begin, end = pattern_of(mutant).search(text).span("part")
        files.setdefault(mutant.file, (text, []))[1].append((number, mutant, begin, end))
    outer_first = lambda change: (change[2], -change[3])
    return {name: DECLARATION + with_mutants(text, 0, len(text), sorted(changes, key=outer_first))
            for name, (text, changes) in files.items()}


def print_table(mutants, outcome):
    """Prints killed and all by module. -> the share that was killed."""
    count = collections.OrderedDict()
    for mutant in mutants:
        killed, total = count.get(mutant.module, (0, 0))
        count[mutant.module] = (killed + (outcome[mutant.id] is not None), total + 1)
    print()
    for module, (killed, total) in count.items():
        print(f"{module:<12} {killed:>4} of {total:>4}  {100 * killed / total:>5.1f} %")
    killed, total = (sum(column) for column in zip(*count.values()))
    print(f"{'all':<12} {killed:>4} of {total:>4}  {100 * killed / total:>5.1f} %")
    return killed / total
