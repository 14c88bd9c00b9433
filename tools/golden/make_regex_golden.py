#!/usr/bin/env python3
"""Writes tests/golden/regex/ecma.json: in which texts V8 (node) finds which patterns.

Patterns are those below and random ones; texts are random ones and what the patterns are made of. A pattern is compiled
with the flag u, and without it only if it is none then (Annex B of ECMA-262).
"""
import json
import pathlib
import random
import subprocess

PATTERNS = r"""
^[\w.\d\_]+$
^\S+\@\S+\.\w+$
^(\d{4}-\d{2}-\d{2}|\%TODAY\%)$
^ISO(\/IEC)?(\/((TS)|(DIS)|(FDIS)))? \d{3,}(\-\d+)?(\:\d{4})?$
^[$@](((\.|\.\.)([$_a-zA-Z]+[$a-zA-Z0-9\-_]*|\*))|\[\*]|\[[0-9]+((, [0-9]+)*|:[0-9]+)])+$
{model}.explore.{name}
^PUBMED:\{d}
^[[a-z]*[-]?[a-z]*]*$
^(\d+)?\-?(\d+)?\w+$|^$
^[^\/~\^\: \[\]\\]+(\/[^\/~\^\: \[\]\\]+)*$
^[ !"#$%&\'()*+,\-./0-9:;<=>?@A-Z\[\\\]\^_`a-z{\|}]+$
.*\{\{.+}}.*
[\p{Zs}A-Za-z0-9+\.,\-_:;()]*x$
^\p{Lu}\p{Ll}*(?:[ -]\p{Lu}\p{Ll}*)*$
^[\p{L}\p{M}\p{Nd}]+$
^\P{ASCII}+$
^\p{Script=Han}+$
^\p{Punctuation}|\p{Sc}$
^\s+$
\S\s\S
^.$
^[^]$
[]
^[]|a
^\u{1F600}|\ud83d\ude01$
[\u{1F600}-\u{1F64F}]
[^\u0000-\u007f]
^\x41\u0042\cJ
[\w-.]+@[\d-x]
[\b]
\0
^(?:a|ab)(?:c|bcd)(?:d*)$
^(a*)*b$
(a|b)*?c+?$
^(?:(?:a?){3}b){2}$
^(^a|b$)$
(^|[^\\])"
a{2}{
a{,3}
x{2,1a}
}]
^(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}$
^([A-Fa-f0-9]{2}:){5}[A-Fa-f0-9]{2}$
^(([^<>()[\]\\.,;:\s@\"]+(\.[^<>()[\]\\.,;:\s@\"]+)*)|(\".+\"))@(([^<>()[\]\.,;:\s@\"]+\.)+[^<>()[\]\.,;:\s@\"]{2,})$
$^
^^a$$
^b*^a
(?:^){2}a|b(?:$)+
(?<year>\d{4})-(?<month>\d\d)
^(?!interactive|name|style).+$
^((?!mode)(?!Mode).)*$
^(?:(?!a|b$)[^z])+$|x
^((?!ab).){2,4}$
^(?!@@)[\w@]+$
^(?![ab])[abc]|^(?=.*c)a
^(?=[^=]+$)(?!\s+$)(.|\n)+$
^(?!.*:/)(?=.{1,5}$)
^(?!^a|b\.).*
^(?!pattern$).*$
^(?=a*$)^(?!aaa$)
^(?=a)(?=.b)(?!..c)\w+$
^(?!$)x?
""".strip("\n").split("\n")
CHARACTERS = list("ab1-_. \n\t\"\\/:@Aé{}[],xZ") + ["漢", "😀", "\u00a0", "\u2028", "\ufeff", "\u0085", "\u0301"]
ATOMS = ["a", "b", "1", ".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", "[ab]", "[^a]", r"[\w-]", "é", "-", r"\.",
         r"\u00e9", r"\u{1F600}", r"[\s\S]", "[😀-😂]", r"\p{L}", r"\P{L}", "漢", r"\n", '"', r"\\", "[^]"]
QUANTIFIERS = ["*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "*?", "+?", "??", "{1,2}?"]


def random_pattern(rng, depth):
    choices = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        terms = ""
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            if rng.random() < 0.12:
                terms += rng.choice("^$")
                continue
            nested = depth > 0 and rng.random() < 0.35
            terms += rng.choice(["(", "(?:"]) + random_pattern(rng, depth - 1) + ")" if nested else rng.choice(ATOMS)
            if rng.random() < 0.35:
                terms += rng.choice(QUANTIFIERS)
        choices.append(terms)
    return "|".join(choices)


def random_texts(rng, pattern, count):
    own = [c for c in pattern if c not in "\\"] + CHARACTERS
    texts = {""}
    for _ in range(count):
        pool = own if rng.random() < 0.5 else CHARACTERS
        texts.add("".join(rng.choice(pool) for _ in range(rng.choice([1, 1, 2, 3, 4, 6]))))
    return sorted(texts)


EXAMPLES = ["ab", "aaaab", "abcd", "192.168.1.255", "192.168.1.256", "00:1B:44:11:3A:B7", "a@b.co", "2024-02-30", "%TODAY%",
            "ISO/IEC 8859-1:1998", "$.a[0:3]", "{model}.explore.{name}", "Ada Lovelace", "x y", "PUBMED:{d}",
            "{{x}}", '"a b"@c.de', "\\", "a.b-c@1", "漢漢", "😁", "ABC", "AB\n"]

NODE = """
const items = JSON.parse(require('fs').readFileSync(0));
const out = items.map(({pattern, texts}) => {
  let regex;
  try { regex = new RegExp(pattern, 'u'); } catch (e) { regex = new RegExp(pattern); }
  return {pattern, found: texts.filter(t => regex.test(t)), not_found: texts.filter(t => !regex.test(t))};
});
process.stdout.write(JSON.stringify(out));
"""


def verdicts(items):
    return json.loads(subprocess.run(["node", "-e", NODE], input=json.dumps(items), text=True, check=True,
                                     capture_output=True).stdout)


def main():
    rng = random.Random(14)
    items = [{"pattern": p, "texts": sorted(set(random_texts(rng, p, 40) + EXAMPLES))} for p in PATTERNS]
    items += [{"pattern": p, "texts": random_texts(rng, p, 12)} for p in (random_pattern(rng, 2) for _ in range(400))]
    folder = pathlib.Path(__file__).parents[2] / "tests/golden/regex"
    folder.mkdir(exist_ok=True)
    lines = [json.dumps(item, ensure_ascii=True) for item in verdicts(items)]
    (folder / "ecma.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
