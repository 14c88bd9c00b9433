#!/usr/bin/env python3
"""Renders conversations with the published chat templates, for tests/golden/chat/.

The templates are not ours and are not stored here; give them as files in one directory:

    tools/make_chat_golden.py --templates DIR [--out tests/golden/chat/rendered.json]

DIR holds NAME.jinja (the `chat_template` of the checkpoint's tokenizer_config.json, as text) for
every name in JINJA below, and encoding_dsv32.py from the DeepSeek-V3.2 repository (its encode
functions suffice). Jinja templates are rendered by transformers' own apply_chat_template machinery.

Also prints the hash of each template's normal form, for src/tokenizer/chat/recognise.cc; the normal
form is implemented a second time here.
"""
import argparse
import copy
import importlib.util
import json
import pathlib
import re
import sys

import jinja2
import transformers
from transformers.utils.chat_template_utils import render_jinja_template

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
NULL_CONTENT = ["deepseek-v2.5", "deepseek-v3", "deepseek-r1-distill", "deepseek-r1-distill-plain"]
HYBRID = ["deepseek-v3.1", "deepseek-v3.2-exp"]
NO_TOOLS = ["deepseek-v2", "moonlight"]
# The variants without "<think>" in the generation prompt share everything else, so few cases do.
FEW_CASES = ["deepseek-r1-plain", "deepseek-r1-distill-plain"]
JINJA = ["deepseek-v2", "deepseek-v2.5", "deepseek-v3", "deepseek-v3-0324", "deepseek-r1",
         "deepseek-r1-plain", "deepseek-r1-0528", "deepseek-r1-distill",
         "deepseek-r1-distill-plain", "deepseek-v3.1", "deepseek-v3.2-exp", "moonlight"]
DSML = "deepseek-v3.2"


# ---------------------------------------------------------------- the conversations

def user(text): return {"role": "user", "content": text}
def system(text): return {"role": "system", "content": text}
def result(text, call_id="c1"): return {"role": "tool", "content": text, "tool_call_id": call_id}


def answer(text, *calls, thoughts=None):
    message = {"role": "assistant", "content": text}
    if thoughts is not None:
        message["reasoning_content"] = thoughts
    if calls:
        message["tool_calls"] = [
            {"id": f"c{i + 1}", "type": "function", "function": {"name": n, "arguments": a}}
            for i, (n, a) in enumerate(calls)]
    return message


def function(name, description, parameters):
    return {"type": "function", "function": {"name": name, "description": description,
                                             "parameters": parameters}}


WEATHER = function("get_weather", "Weather of a city", {
    "type": "object", "properties": {"city": {"type": "string", "enum": ["北京", "Paris \"FR\""]}},
    "required": ["city"]})
ODD = function("odd", "tab\tslash/ back\\ \u0001 <｜User｜> 😀", {
    "type": "object", "additionalProperties": False, "properties": {}, "x": [1, -0.5, 1e-7, 1e22,
    123456789012345678901234567890, 1.0, 100000.0, 1e16, 0.0001, True, None, [], {}, [[]]]})
PARIS, TOKYO, OSLO = ('get_weather', '{"city": "Paris"}'), ('get_weather', '{"city":"東京"}'), (
    'get_weather', '{ "city" : "Oslo" }')
ARGUMENTS = ('odd', '{"s": "a<b>\\n\\"q\\" \\u00e9\\/ \\ud83d\\ude00", "n": 1, "f": 2.50, "e": 1E3,'
             ' "big": 98765432109876543210, "neg": -0, "t": true, "z": null, "l": [1,2, {"k":"v"}],'
             ' "o": {}, "</｜DSML｜parameter>": "<think>"}')
SPECIALS = ("<｜begin▁of▁sentence｜><｜User｜>x<｜Assistant｜>y<｜end▁of▁sentence｜><think>z</think>"
            "<｜tool▁calls▁begin｜>｜DSML｜<|im_end|>")

# name -> (messages, tools). The cases of one group go to the templates that can express them.
PLAIN_CASES = {
    "user": [user("Hi")],
    "system": [system("Be brief."), user("Hi")],
    "two_systems": [system("One."), user("Hi"), system("Two."), answer("Yo"), user("Bye")],
    "empty_system": [system(""), user("Hi")],
    "turns": [user("a"), answer("b"), user("c"), answer("d"), user("e")],
    "ends_with_answer": [user("a"), answer("b")],
    "system_alone": [system("Only this.")],
    "two_users": [user("a"), user("b")],
    "answer_first": [answer("Welcome."), user("Hi")],
    "past_thoughts": [user("a"), answer("<think>\nhm</think>\n\nb"), user("c"),
                      answer("x</think>y</think>z"), user("d")],
    "empty_texts": [user(""), answer(""), user("")],
    "whitespace": [user("  a\n\n"), answer("\n b \t"), user("{{ 1 }}{% if %}")],
    "unicode": [user("Zürich 東京 😀 \u200d e\u0301 \u00a0"), answer("עברית ｜▁"), user("ok\u0000ok")],
    "special_text": [system(SPECIALS), user(SPECIALS), answer("b"), user("c")],
}
TOOL_CASES = {
    "call": ([user("q"), answer(None, PARIS)], []),
    "call_result": ([user("q"), answer(None, PARIS), result('{"t": 1}')], []),
    "call_answer": ([system("S"), user("q"), answer(None, PARIS), result("1"), answer("It is 1."),
                     user("Thanks")], []),
    "parallel": ([user("q"), answer(None, PARIS, TOKYO, OSLO), result("1"), result("2", "c2"),
                  result("3", "c3")], []),
    "second_round": ([user("q"), answer(None, PARIS), result("1"), answer(None, TOKYO, OSLO),
                      result("2"), result("3", "c2"), answer("Done."), user("Again"),
                      answer(None, PARIS), result("4"), answer("So.")], []),
    "system_rounds": ([system("S"), user("q"), answer(None, PARIS), result("1"),
                       answer(None, OSLO), result("2")], []),
    "system_call": ([system("S"), answer(None, PARIS), result("1"), answer("b")], []),
    "thought_after_result": ([user("q"), answer(None, PARIS), result("1"),
                              answer("t</think>u"), user("r")], []),
    "odd_arguments": ([user("q"), answer(None, ARGUMENTS, ("odd", "{}")),
                       result(SPECIALS), result("", "c2"), answer("b"), user("c")], []),
    "tools": ([user("q")], [WEATHER]),
    "tools_call": ([answer(None, PARIS), result("1")], [WEATHER]),
    "tools_system": ([system("S"), user("q"), answer(None, PARIS), result("1")], [WEATHER, ODD]),
}
CONTENT_AND_CALLS = {
    "text_and_call": ([user("q"), answer("Let me see.", PARIS, TOKYO), result("1"),
                       result("2", "c2"), answer("More.", OSLO), result("3"), answer("b")], []),
    "thought_and_call": ([user("q"), answer("t</think>Let me see.", PARIS), result("1"),
                          answer("b"), user("r")], []),
}
THOUGHT_CASES = {
    "thoughts": ([user("a"), answer("b", thoughts="old"), user("c"), answer(None, PARIS,
                  thoughts="new"), result("1"), answer("", TOKYO, thoughts="newer"), result("2"),
                  answer("End.", thoughts="last")], [WEATHER]),
    "thought_running": ([system("S"), user("c"), answer("Look.", PARIS, TOKYO, thoughts="new"),
                         result("1"), result("2", "c2")], []),
    "thought_no_user": ([answer("b", thoughts="t")], []),
}


def cases_for(name):
    """(case, messages, tools, thinking, add_generation_prompt) for one template."""
    thinkings = [None]
    if name in HYBRID or name == DSML:
        thinkings = [False, True]
    for case, messages in PLAIN_CASES.items():
        if name in FEW_CASES and case not in ("user", "turns"):
            continue
        for thinking in thinkings:
            # The encoder of V3.2 refuses past answers without thoughts in a thinking turn.
            if name == DSML and thinking and messages[-1]["role"] != "user":
                continue
            yield case, messages, [], thinking, True
            if case in ("user", "ends_with_answer") and name != DSML:
                yield case, messages, [], thinking, False
    if name in NO_TOOLS or name in FEW_CASES:
        return
    groups = [TOOL_CASES]
    if name not in NULL_CONTENT:
        groups.append(CONTENT_AND_CALLS)
    for group in groups:
        for case, (messages, tools) in group.items():
            yield case, messages, tools, thinkings[0], True
            if case == "call_result" and name != DSML:
                yield case, messages, tools, thinkings[0], False
    if name == DSML:
        for case, (messages, tools) in THOUGHT_CASES.items():
            for thinking in thinkings:
                yield case, messages, tools, thinking, True


# ---------------------------------------------------------------- tool definitions
# The Jinja templates ignore them; the model cards of V2.5 and V3.1 say how to write them into the
# system text.

def markdown_tools(tools):
    return "## Tools\n\n### Function\n\nYou have the following functions available:\n" + "".join(
        f"\n- `{t['function']['name']}`:\n```json\n"
        f"{json.dumps(t['function'], indent=4, ensure_ascii=False)}\n```" for t in tools)


def hybrid_tools(tools):
    described = "\n".join(
        f"### {t['function']['name']}\nDescription: {t['function']['description']}\n\n"
        f"Parameters: {json.dumps(t['function']['parameters'], ensure_ascii=False)}\n"
        for t in tools)
    return f"""## Tools
You have access to the following tools:

{described}
IMPORTANT: ALWAYS adhere to this exact format for tool use:
<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<｜tool▁call▁end｜>{{additional_tool_calls}}<｜tool▁calls▁end｜>

Where:
- `tool_call_name` must be an exact match to one of the available tools
- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
- For multiple tool calls, chain them directly without separators or spaces"""


def with_tools(name, messages, tools):
    if not tools:
        return messages
    text = hybrid_tools(tools) if name in HYBRID else markdown_tools(tools)
    messages = copy.deepcopy(messages)
    if messages[0]["role"] == "system":
        messages[0]["content"] += "\n\n" + text
    else:
        messages.insert(0, system(text))
    return messages


# ---------------------------------------------------------------- rendering

def render_jinja(template, name, messages, tools, thinking, add_generation_prompt):
    messages = copy.deepcopy(with_tools(name, messages, tools))
    for message in messages:
        # A template that tests '</think>' in content cannot take null there; "" is our reading.
        if name == "deepseek-r1-0528" and message["content"] is None:
            message["content"] = ""
    kwargs = {} if thinking is None else {"thinking": thinking}
    rendered, _ = render_jinja_template(
        conversations=[messages], chat_template=template,
        add_generation_prompt=add_generation_prompt, bos_token=BOS, eos_token=EOS, **kwargs)
    return rendered[0]


def render_dsml(encoder, messages, tools, thinking):
    messages = copy.deepcopy(messages)
    if tools:
        if messages[0]["role"] != "system":
            messages.insert(0, system(""))
        messages[0]["tools"] = tools
    return encoder.encode_messages(messages, thinking_mode="thinking" if thinking else "chat")


# ---------------------------------------------------------------- the normal form, second version

TAG = re.compile(r"""\{%(?P<b>(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?!%\}).)*)%\}"""
                 r"""|\{\{(?P<o>(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|(?!\}\}).)*)\}\}"""
                 r"""|\{\#(?P<c>.*?)\#\}""", re.S)
PIECE = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(\s+)|(.)""", re.S)


def normal_form(text):
    text = text[:-1] if text.endswith("\n") else text
    out, pos = [], 0
    mark, block, line_start = False, False, True
    for tag in [*TAG.finditer(text), None]:
        data = text[pos:tag.start() if tag else len(text)]
        begins_line = line_start
        if mark:
            data, begins_line = data.lstrip(" \t\n\r"), False
        elif block and data.startswith("\n"):
            data, begins_line = data[1:], True
        kind = tag.lastgroup if tag else None
        inside = tag.group(kind) if tag else ""
        if tag and inside.startswith("-"):
            data, inside = data.rstrip(" \t\n\r"), inside[1:]
        elif kind in ("b", "c"):
            head, newline, last = data.rpartition("\n")
            if not last.strip(" \t") and (newline or begins_line):
                data = head + newline
        out.append(data)
        if tag is None:
            return "".join(out)
        mark, block, line_start = inside.endswith("-"), kind != "o", False
        inside = inside[:-1] if mark else inside
        if kind != "c":
            inside = "".join((quoted or "").replace("\n", "\\n") + (other or "")
                             for quoted, _, other in PIECE.findall(inside))
            out.append(("{%" + inside + "%}") if kind == "b" else ("{{" + inside + "}}"))
        pos = tag.end()


def template_hash(text):
    value = 0xCBF29CE484222325
    for byte in normal_form(text).encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


# ---------------------------------------------------------------- main

def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=pathlib.Path, required=True)
    # A run is "NAME", then " off" or " on" where thinking was chosen, then " closed" where no
    # generation prompt was asked for.
    parser.add_argument("--out", type=pathlib.Path,
                        default=pathlib.Path("tests/golden/chat/rendered.json"))
    args = parser.parse_args()

    spec = importlib.util.spec_from_file_location("encoder", args.templates / "encoding_dsv32.py")
    encoder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(encoder)

    # (case, text) -> what renders to it: most templates agree on most conversations.
    rendered, hashes = {}, {}
    for name in JINJA + [DSML]:
        template = None
        if name != DSML:
            template = (args.templates / f"{name}.jinja").read_text(encoding="utf-8")
            hashes[name] = f"{template_hash(template):#018x}"
            print(f"{name:26} {hashes[name]}", file=sys.stderr)
        for case, messages, tools, thinking, add in cases_for(name):
            text = (render_jinja(template, name, messages, tools, thinking, add) if template
                    else render_dsml(encoder, messages, tools, thinking))
            run = name + {None: "", False: " off", True: " on"}[thinking]
            rendered.setdefault((case, text), []).append(run + ("" if add else " closed"))
    num_renderings = sum(len(runs) for runs in rendered.values())
    rows = [{"case": case, "runs": runs, "text": text} for (case, text), runs in rendered.items()]

    conversations = {case: {"messages": messages} for case, messages in PLAIN_CASES.items()}
    for group in (TOOL_CASES, CONTENT_AND_CALLS, THOUGHT_CASES):
        for case, (messages, tools) in group.items():
            conversations[case] = {"messages": messages}
            if tools:
                conversations[case]["tools"] = [json.dumps(t) for t in tools]
    golden = {"made_by": "tools/make_chat_golden.py", "transformers": transformers.__version__,
              "jinja2": jinja2.__version__, "template_hashes": hashes,
              "conversations": conversations, "rendered": []}
    head = json.dumps(golden, ensure_ascii=False)
    body = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(f"{head[:-2]}\n{body}\n]}}\n", encoding="utf-8")
    print(f"{num_renderings} renderings, {args.out.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
