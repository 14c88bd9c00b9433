#!/usr/bin/env python3
"""Writes tests/golden/chat/answers.json: what published parsers read in answers with thoughts and tool calls.

  make_answers_golden.py SGLANG

SGLANG holds the unpacked wheel of sglang (pip download --no-deps sglang; Apache License 2.0) with the packages
partial-json-parser and orjson beside it. Its tool parsers are asked, and for V3.2 the parser of the checkpoint's own repository,
encoding_dsv32.py, as that wheel carries it. Texts are put together from calls, contents and thoughts as the templates of
tests/golden/chat write them.
"""
import importlib
import importlib.metadata
import json
import pathlib
import sys
import types

CALLS = [
    ("weather", {"city": "Paris", "days": 2}),
    ("search", {"query": "x \"y\"\n```json\n{}\n``` </tool_call", "tags": ["a", {"b": None}], "exact": True}),
    ("now", {}),
    ("write", {"path": "a.cc", "text": "int main() {\n  return 0;  // \u5929\u6c14 \U0001F600 <b>\\n</b>\n}\n"}),
    ("sum", {"numbers": [1, -2.5, 3e20], "of": {"x": {"y": [[]]}}}),
]
CONTENTS = ["", "Let me see.", "Two\n\nparagraphs, 1 < 2 & \u00e9\u5929 \U0001F600.", "A list:\n- `a`\n- {\"b\": 1}"]
THOUGHTS = ["They ask for \u5929\u6c14.\n\nSo I call.", "1 < 2, <b>"]


def dumps(value):
    return json.dumps(value, ensure_ascii=False)


def fenced(content, calls):
    each = [f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{dumps(arguments)}\n```<｜tool▁call▁end｜>"
            for name, arguments in calls]
    return content + "<｜tool▁calls▁begin｜>" + "\n".join(each) + "<｜tool▁calls▁end｜>" if calls else content


def plain(content, calls):
    each = [f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{dumps(arguments)}<｜tool▁call▁end｜>" for name, arguments in calls]
    return content + "<｜tool▁calls▁begin｜>" + "".join(each) + "<｜tool▁calls▁end｜>" if calls else content


def chat_ml(content, calls):
    each = [f'<tool_call>\n{{"name": "{name}", "arguments": {dumps(arguments)}}}\n</tool_call>' for name, arguments in calls]
    return "\n".join(([content] if content else []) + each)


def kimi(content, calls):
    each = [f"<|tool_call_begin|>functions.{name}:{i}<|tool_call_argument_begin|>{dumps(arguments)}<|tool_call_end|>"
            for i, (name, arguments) in enumerate(calls)]
    return content + "<|tool_calls_section_begin|>" + "".join(each) + "<|tool_calls_section_end|>" if calls else content


def llama(content, calls):
    return f'{{"name": "{calls[0][0]}", "parameters": {dumps(calls[0][1])}}}' if calls else content


def dsml(content, calls):
    def parameter(name, value):
        is_text = isinstance(value, str)
        shown = value if is_text else dumps(value)
        return f'<｜DSML｜parameter name="{name}" string="{dumps(is_text)}">{shown}</｜DSML｜parameter>'

    each = ['<｜DSML｜invoke name="%s">\n%s\n</｜DSML｜invoke>' % (name, "\n".join(parameter(*p) for p in arguments.items()))
            for name, arguments in calls]
    if not calls:
        return content
    return content + "\n\n<｜DSML｜function_calls>\n" + "\n".join(each) + "\n</｜DSML｜function_calls>"


FORMATS = [("deepseek-v3-0324", fenced, "deepseekv3_detector", "DeepSeekV3Detector"),
           ("deepseek-v3.1", plain, "deepseekv31_detector", "DeepSeekV31Detector"),
           ("qwen2.5", chat_ml, "qwen25_detector", "Qwen25Detector"),
           ("kimi-k2", kimi, "kimik2_detector", "KimiK2Detector"),
           ("llama-3.1", llama, "llama32_detector", "Llama32Detector")]


def load_sglang(folder):
    """The parsers without the server around them: what they import of it is stood in for."""
    sys.path[:0] = [str(folder), str(folder / "site")]
    for name in ["sglang", "sglang.srt", "sglang.srt.entrypoints", "sglang.srt.entrypoints.openai", "sglang.srt.function_call"]:
        module = types.ModuleType(name)
        module.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = module
    off = types.SimpleNamespace(get=lambda: False)
    environ = types.ModuleType("sglang.srt.environ")
    environ.envs = types.SimpleNamespace(SGLANG_FORWARD_UNKNOWN_TOOLS=off)
    sys.modules["sglang.srt.environ"] = environ
    protocol = types.ModuleType("sglang.srt.entrypoints.openai.protocol")
    protocol.Tool = protocol.ToolChoice = object
    sys.modules["sglang.srt.entrypoints.openai.protocol"] = protocol


def tools():
    return [types.SimpleNamespace(type="function", function=types.SimpleNamespace(name=name, parameters={}))
            for name, _ in CALLS]


def texts(write):
    rounds = [[]] + [[call] for call in CALLS] + [[CALLS[0], CALLS[2]], CALLS[:4]]
    for content in CONTENTS:
        for calls in rounds:
            if content or calls:
                yield write(content, calls)


def read_by_sglang(detector, text):
    result = detector().detect_and_parse(text, tools())
    return {"content": result.normal_text, "calls": [[call.name, json.loads(call.parameters)] for call in result.calls]}


def read_by_encoder(encoder, text, thinks):
    message = encoder.parse_message_from_completion_text(text + "<｜end▁of▁sentence｜>", "thinking" if thinks else "chat")
    calls = [[call["function"]["name"], json.loads(call["function"]["arguments"])] for call in message["tool_calls"]]
    return {"content": message["content"], "reasoning": message["reasoning_content"], "calls": calls}


def main():
    folder = pathlib.Path(sys.argv[1])
    load_sglang(folder)
    answers = []
    for template, write, module, name in FORMATS:
        detector = getattr(importlib.import_module("sglang.srt.function_call." + module), name)
        for text in texts(write):
            if write is not llama or "{" not in text or text.startswith("{"):
                answers.append({"template": template, "text": text, **read_by_sglang(detector, text)})
    encoder = importlib.import_module("sglang.srt.entrypoints.openai.encoding_dsv32")
    for text in texts(dsml):
        answers.append({"template": "deepseek-v3.2", "text": text, **read_by_encoder(encoder, text, False)})
        for thought in THOUGHTS:
            answers.append({"template": "deepseek-v3.2", "text": f"{thought}</think>{text}",
                            **read_by_encoder(encoder, f"{thought}</think>{text}", True)})
    version = next(folder.glob("sglang-*.dist-info")).name.removesuffix(".dist-info")
    golden = {"made_by": "tools/golden/make_answers_golden.py", "parsers": version, "answers": answers}
    path = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/chat/answers.json"
    rows = ",\n".join(dumps(answer) for answer in answers)
    head = dumps({key: value for key, value in golden.items() if key != "answers"})
    path.write_text(head[:-1] + ', "answers": [\n' + rows + "\n]}\n", encoding="utf-8")
    print(f"{len(answers)} answers")


if __name__ == "__main__":
    main()
