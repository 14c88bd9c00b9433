#!/usr/bin/env python3
"""Writes tests/golden/grammar/gbnf.json: which texts llama.cpp's grammar engine accepts under which GBNF grammars.

  make_gbnf_golden.py LLAMA_CPP MATCHER

LLAMA_CPP is its source folder (its sample grammars are taken, MIT licence), MATCHER the program of gbnf_matcher.cc.
Grammars are the samples, those below and random ones; xgrammar must agree on every verdict that is kept, where it reads the
grammar.
"""
import json
import pathlib
import random
import subprocess
import sys

from xgrammar import Grammar
from xgrammar.testing import _is_grammar_accept_string

EXAMPLES = {
    "arithmetic": ["a=1\n", "(a+b)*12 = c\n", "x-1=2\ny=3\n", "a=\n", "1+=2\n", "a\n"],
    "c": ["int f(){}", "int main(){int x = 1+2;return x;}", "float g(int a){while(a<1){b = 2;}}", "int f(){if(a==b){}else{}}",
          "int f(){//x\n}", "int f(){/* a*b */}", "int f({}", "f(){}"],
    "chess": ["1. e4 e5\n2. Nf3 Nc6\n", "1. O-O O-O-O+\n12. exd8=Q# Kxe4\n", "1. e4 e5\n", "1. e9 e5\n2. a3 a6\n"],
    "english": ["Hello, world!", "a\nb c", "", "a  b", "\u00e9"],
    "japanese": ["\u3042\u30a2 \u6f22\u3002", "a", "\u3042 "],
    "json": ['{}', '{ "a":1}', '{"a": [1, {"b":null}], "c":"x\\n\\u00e9"}', '{"a":1,}', '[]', '{"a":01}', '{"a":"\n"}', '{"a":1e5} '],
    "json_arr": ['[\n1,\n2]', '[\n]', '[\n{"a":[true]},\n"x"]', '[1]', '[\n1,2]'],
    "list": ["- a\n", "- a\n- \u00e9 b\n", "- a", "- \n", "-a\n"],
}
OWN = {
    'root ::= "a" | "b" root "c"': ["a", "bac", "bbacc", "bbac"],
    'root ::= item ("," item)*\nitem ::= [0-9]{1,3}': ["1", "12,345", "1234", "1,"],
    'root ::= (\n  "a" # comment\n  | "b"\n)+\n\n# end': ["abba", "c"],
    'root ::= "\\x41\\u00e9\\U0001F600\\t\\"\\\\" [\\]\\-x]': ["A\u00e9\U0001F600\t\"\\]", "A\u00e9\U0001F600\t\"\\-", "A"],
    'root ::= [^a]{2}': ["bc", "\U0001F600\n", "ab", "b"],
    'root ::= .': ["\n", "\u00e9", "", "ab"],
    'root ::= "" | "x"': ["", "x", "xx"],
    'root ::= "ab"* "c"?': ["", "ababc", "abac"],
    'root ::= list\nlist ::= "x" | "x" "," list': ["x", "x,x,x", "x,", ",x"],
    'root ::= ("a" root)?': ["", "aaa", "b"],
    'root ::= "(" root ")" root | ""': ["", "()(())", "(()", ")("],
    'root ::= a "!"\na ::= b? "x"\nb ::= "y" a': ["x!", "yxx!", "yx!", "!"],
    'root ::= "a"{2,}': ["a", "aa", "aaaa"],
    'root ::= ("a" | "b"{2}){2,3}': ["abb", "aaa", "bbbb", "b", "aaaa"],
    'root ::= [+*/-]+': ["+-", "*/", "a"],
}
ALPHABET = "abc"


def random_grammar(rng):
    names = ["root", "x", "y", "z"][: rng.choice([1, 2, 3, 4])]

    def term(depth, usable):
        kind = rng.random()
        if kind < 0.35 or depth == 0 or (kind < 0.7 and not usable):
            text = rng.choice(['"a"', '"b"', '"ab"', '"c"', "[ab]", "[^a]", ".", '"bc"', '"a"'])
        elif kind < 0.7:
            text = rng.choice(usable)
        else:
            text = "(" + choices(depth - 1, usable) + ")"
        return text + rng.choice(["", "", "", "", "*", "+", "?", "{2}", "{1,2}", "{2,}"])

    # Behind a character any rule may stand, before it only later ones: llama.cpp refuses left recursion.
    def sequence(depth, usable):
        terms = []
        for _ in range(rng.choice([0, 1, 1, 2, 2, 3])):
            if rng.random() < 0.3:
                terms.append(rng.choice(['"a"', '"b"', "[bc]"]))
                usable = names
            else:
                terms.append(term(depth, usable))
        return " ".join(terms)

    def choices(depth, usable):
        return " | ".join(sequence(depth, usable) for _ in range(rng.choice([1, 2, 2, 3])))

    return "\n".join(f"{name} ::= {choices(2, names[i + 1:])}" for i, name in enumerate(names))


def mutated(rng, text):
    if not text:
        return "x"
    i = rng.randrange(len(text))
    return rng.choice([text[:i] + text[i + 1:], text[:i] + text[i] + text[i:], text[:i] + rng.choice("a1 )]\"\n") + text[i + 1:]])


def items(samples):
    rng = random.Random(14)
    for name, texts in EXAMPLES.items():
        more = [mutated(rng, t) for t in texts for _ in range(6)]
        yield {"grammar": (samples / f"{name}.gbnf").read_text(), "texts": sorted(set(texts + more))}
    for grammar, texts in OWN.items():
        yield {"grammar": grammar, "texts": texts}
    for _ in range(300):
        texts = {"".join(rng.choice(ALPHABET) for _ in range(rng.randrange(6))) for _ in range(14)}
        yield {"grammar": random_grammar(rng), "texts": sorted(texts)}


def main():
    llama, matcher = pathlib.Path(sys.argv[1]), sys.argv[2]
    out, refused, disputed = [], 0, 0
    for item in items(llama / "grammars"):
        # One process each: a grammar may exhaust it.
        try:
            run = subprocess.run([matcher], input=json.dumps(item), text=True, capture_output=True, timeout=5)
            verdicts = json.loads(run.stdout)
        except (subprocess.TimeoutExpired, json.JSONDecodeError):
            verdicts = None
        if verdicts is None:
            refused += 1
            continue
        try:
            grammar = Grammar.from_ebnf(item["grammar"])
        except RuntimeError:  # its notation has no empty alternatives
            grammar = None
        agreed = {True: [], False: []}
        for text, verdict in zip(item["texts"], verdicts):
            if grammar is None or _is_grammar_accept_string(grammar, text) == verdict:
                agreed[verdict].append(text)
            else:
                disputed += 1
                print("xgrammar disagrees:", json.dumps([item["grammar"], text, verdict]))
        out.append({"grammar": item["grammar"], "accepted": agreed[True], "refused": agreed[False]})
    folder = pathlib.Path(__file__).parents[2] / "tests/golden/grammar"
    folder.mkdir(exist_ok=True)
    (folder / "gbnf.json").write_text("[\n" + ",\n".join(json.dumps(item) for item in out) + "\n]\n")
    print(f"{len(out)} grammars, {refused} refused by llama.cpp, {disputed} verdicts disputed, "
          f"{sum(len(i['accepted']) for i in out)} accepted and {sum(len(i['refused']) for i in out)} refused texts")


if __name__ == "__main__":
    main()
