#!/usr/bin/env python3
"""Renders conversations with the chat templates of Qwen, Llama and Kimi, for tests/golden/chat/wild.json.

The templates are not ours; give them as files in one directory, NAME.jinja for every name in TEMPLATES and
LOOSELY_TOO:

    tools/make_wild_chat_golden.py --templates DIR [--out tests/golden/chat/wild.json]

transformers' own machinery renders them; Kimi-K2's later two append to a list, which its sandbox forbids, so that jinja2
renders these under the same settings. Also prints the hash of each template's loose form, for
src/tokenizer/chat/recognise.cc; the loose form is implemented a second time here.
"""
import argparse
import copy
import datetime
import json
import pathlib
import re
import sys

import jinja2
import transformers
from make_chat_golden import (OSLO, PARIS, PLAIN_CASES, SPECIALS, TOKYO, WEATHER, ODD, ARGUMENTS, answer,
                              normal_form, result, system, user)
from transformers.utils.chat_template_utils import render_jinja_template

CHATML = ["chatml", "smollm2", "qwen2"]
QWEN25, QWEN3, LLAMA3, LLAMA31 = ["qwen2.5"], ["qwen3", "qwen3-later"], ["llama-3"], ["llama-3.1", "llama-3.2"]
KIMI = ["kimi-k2-0711", "kimi-k2", "kimi-k2-thinking"]
TEMPLATES = CHATML + QWEN25 + QWEN3 + LLAMA3 + ["llama-3-always"] + LLAMA31 + KIMI
LOOSELY_TOO = ["deepseek-r1", "deepseek-r1-distill", "deepseek-v3.1"]  # make_chat_golden.py renders these
SAME = {"qwen3-later": "qwen3", "llama-3-always": "llama-3"}  # files that render as another does
BOS = {name: "<|begin_of_text|>" for name in LLAMA3 + LLAMA31 + ["llama-3-always"]}
TAKES_OBJECTS = QWEN25 + LLAMA31 + ["kimi-k2-0711"]  # arguments go through tojson there
DATE = "1 Feb 2025"

PLAIN = {**PLAIN_CASES, "trimmed": [system(" \u00a0s\x1c\n"), user("\u3000q \u2028"), answer("\x85a\u200b\n"), user("r")],
         "open_answer": [system("S"), user("q"), answer("```python\n")],
         "open_spaces": [user("q"), answer("b"), user("r"), answer("  c d")],
         "past_thought": [user("a"), answer("<think>\nhm\n</think>\n\nb"), user("c")],
         "thought_last": [user("a"), answer("<think>\n\nhm\n\n</think>\n\nb\n")],
         "reasoning": [user("a"), answer("\n\nb", thoughts="\nhm\n"), user("c"), answer("d", thoughts="so")],
         "response_as_user": [user("a"), answer("b", thoughts="t"), user("<tool_response>x</tool_response>"), answer("c", thoughts="u")]}
TOOLS = {
    "tools": ([user("q")], [WEATHER, ODD]),
    "tools_system": ([system("S"), user(" q\n")], [WEATHER]),
    "call": ([user("q"), answer(None, PARIS)], []),
    "call_result": ([user("q"), answer("", PARIS), result('{"t": 1}')], [WEATHER]),
    "call_answer": ([system("S"), user("q"), answer(None, PARIS), result("\u00e9 \"1\"\n"), answer("It is 1."), user("Thanks")], []),
    "odd_call": ([user("q"), answer(None, ARGUMENTS), result(SPECIALS), answer("b"), user("c")], []),
    "rounds": ([user("q"), answer(None, PARIS), result("1"), answer(None, TOKYO), result("2"), answer("b"), user("c"),
                answer(None, OSLO), result("3")], [WEATHER]),
}
PARALLEL = {
    "parallel": ([user("q"), answer(None, PARIS, TOKYO, OSLO), result("1"), result("2", "c2"), result("3", "c3"), answer("x"),
                  user("r"), answer(None, TOKYO), result("4")], []),
    "text_and_calls": ([user("q"), answer("Let me see.", PARIS, TOKYO), result("1"), result("2", "c2"), answer("More.", OSLO),
                        result("3"), answer("b")], []),
    "missing_result": ([user("q"), answer(None, PARIS, TOKYO), result("1"), answer("x"), user("r"), answer(None, OSLO), result("2")], []),
    "thoughts_and_calls": ([user("q"), answer("", PARIS, thoughts="I look."), result("1"), answer("Two.", TOKYO, thoughts="More."),
                            result("2"), answer("b", thoughts="Done."), user("c"), answer("", OSLO, thoughts="Again.")], [WEATHER]),
}
NAMES = {"names": ([{**system("S"), "name": "boss"}, {**user("q"), "name": "Ann"}, {**answer("a"), "name": "Kim"}, user("r")], []),
         "named_result": ([user("q"), answer(None, PARIS), {**result("1"), "name": "get_weather"}], [])}


def cases_for(name):
    for case, messages in PLAIN.items():
        yield case, messages, [], {}, True
        if case in ("user", "ends_with_answer", "thought_last"):
            yield case, messages, [], {}, False
    if name in QWEN3:
        for case in ("user", "turns", "past_thought", "thought_last"):
            for thinking in (True, False):
                yield case, PLAIN[case], [], {"enable_thinking": thinking}, True
    if name not in KIMI[1:]:
        for case in ("open_answer", "open_spaces", "ends_with_answer"):
            yield case, PLAIN[case], [], {"continue_final_message": True}, False
    if name in LLAMA31:
        yield "user", PLAIN["user"], [], {"date_string": DATE}, True
    if name not in CHATML + LLAMA3 + ["llama-3-always"]:
        groups = [TOOLS] + ([] if name in LLAMA31 else [PARALLEL]) + ([NAMES] if name in KIMI[1:] else [])
        for group in groups:
            for case, (messages, tools) in group.items():
                yield case, messages, tools, {}, True
                if case == "call":
                    yield case, messages, tools, {}, False


def render(template, name, messages, tools, kwargs, add):
    messages = copy.deepcopy(messages)
    for message in messages:
        if message["role"] == "assistant" and message["content"] is None:
            message["content"] = ""  # Qwen3's first text cannot take null; elsewhere they are the same
        for call in message.get("tool_calls", []):
            if name in TAKES_OBJECTS:
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    if name in KIMI[1:]:
        environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda x: json.dumps(x, ensure_ascii=False)
        return environment.from_string(template).render(messages=messages, tools=tools or None, add_generation_prompt=add)
    rendered, _ = render_jinja_template(conversations=[messages], chat_template=template, tools=tools or None,
                                        add_generation_prompt=add, bos_token=BOS.get(name, ""), **kwargs)
    return rendered[0]


# ---------------------------------------------------------------- the loose form, second version

QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
TAG = re.compile(rf"""\{{\{{((?:{QUOTED}|(?!\}}\}})[^'"])*)\}}\}}|\{{%((?:{QUOTED}|(?!%\}})[^'"])*)%\}}""", re.S)


def unquoted(quoted):
    return re.sub(r"\\([nt\\'\"])", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), quoted[1:-1])


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def loose_form(jinja):
    out, pending = [], ""

    def flush():
        nonlocal pending
        if pending:
            out.append("{{" + quoted(pending) + "}}")
        pending = ""

    form, pos = normal_form(jinja), 0
    for tag in [*TAG.finditer(form), None]:
        pending += form[pos:tag.start() if tag else len(form)]
        if not tag:
            break
        pos = tag.end()
        inside = tag[1] if tag[1] is not None else tag[2]
        inside = re.sub(r"""(?<=[\w\]])\[(?:'(\w+)'|"(\w+)")\]""", lambda m: "." + (m[1] or m[2]), inside)
        parts = [p for p in re.split(f"({QUOTED})", inside, flags=re.S) if p]
        spelled = "".join(quoted(unquoted(p)) if p[0] in "'\"" else p for p in parts)
        operands = re.split(rf"\+(?=(?:{QUOTED}|[^'\"])*$)", inside, flags=re.S)
        is_sum = all(re.fullmatch(QUOTED, o, re.S) or (re.fullmatch(r"[\w.|\[\]]*", o) and "else" not in o) for o in operands)
        if tag[1] is None:
            flush()
            out.append("{%" + spelled + "%}")
        elif not is_sum:
            flush()
            out.append("{{" + spelled + "}}")
        else:
            for operand in operands:
                if operand[0] in "'\"":
                    pending += unquoted(operand)
                else:
                    flush()
                    out.append("{{" + operand + "}}")
    flush()
    form = "".join(out)
    for begin, end, mark in (("<|im_start|>system\n", "<|im_end|>", "\x01system\x01"),
                             ("<|im_system|>system<|im_middle|>", "<|im_end|>", "\x01system\x01"),
                             ("date_string='", "'", "\x01date\x01")):
        for found in re.finditer(re.escape(begin) + "(.*?)" + re.escape(end), form, re.S):
            if not re.fullmatch(r"(?:\\.|[^'\\])*", found[1], re.S):
                continue
            form = form.replace(begin + found[1] + end, begin + mark + end)
            if found[1]:
                form = form.replace("'" + found[1] + "'", "'" + mark + "'")
            break
    return form


def loose_hash(jinja):
    value = 0xCBF29CE484222325
    for byte in loose_form(jinja).encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:#018x}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("tests/golden/chat/wild.json"))
    args = parser.parse_args()
    today = datetime.datetime.now().strftime("%d %b %Y")
    rendered, hashes, conversations = {}, {}, {}
    for name in TEMPLATES:
        template = (args.templates / f"{name}.jinja").read_text(encoding="utf-8")
        hashes[name] = loose_hash(template)
        print(f"{name:26} {hashes[name]}", file=sys.stderr)
        for case, messages, tools, kwargs, add in cases_for(name):
            if name == "llama-3-always" and not add and not kwargs:
                continue  # it opens the model's turn whatever it is told
            text = render(template, name, messages, tools, kwargs, add)
            if name == "llama-3.2":
                text = text.replace(today, "{today}", 1) if "date_string" not in kwargs else text
            run = SAME.get(name, name) + {None: "", False: " off", True: " on"}[kwargs.get("enable_thinking")]
            run += " continued" if "continue_final_message" in kwargs else ""
            run += (" dated" if "date_string" in kwargs else "") + ("" if add or "continue_final_message" in kwargs else " closed")
            runs = rendered.setdefault((case, text), [])
            if run not in runs:
                runs.append(run)
            conversations[case] = {"messages": messages, **({"tools": [json.dumps(t) for t in tools]} if tools else {})}
    for name in LOOSELY_TOO:
        hashes[name] = loose_hash((args.templates / f"{name}.jinja").read_text(encoding="utf-8"))
        print(f"{name:26} {hashes[name]}", file=sys.stderr)
    golden = {"made_by": "tools/make_wild_chat_golden.py", "transformers": transformers.__version__,
              "jinja2": jinja2.__version__, "loose_hashes": hashes, "date": DATE, "conversations": conversations, "rendered": []}
    head = json.dumps(golden, ensure_ascii=False)
    body = ",\n".join(json.dumps({"case": case, "runs": runs, "text": text}, ensure_ascii=False)
                      for (case, text), runs in rendered.items())
    args.out.write_text(f"{head[:-2]}\n{body}\n]}}\n", encoding="utf-8")
    print(f"{sum(map(len, rendered.values()))} renderings, {args.out.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
