"""Answers customers by a text of rules and facts: the whole of what has to be written for another shop.

    pip install openai
    python examples/customer_questions.py examples/customer_questions.md     # each line is a customer's
"""
import pathlib
import sys

import agent


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: customer_questions.py RULES.md")
    client, model = agent.connect()
    messages = [{"role": "system", "content": pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")}]
    for line in sys.stdin:
        messages.append({"role": "user", "content": line.strip()})
        stream = client.chat.completions.create(model=model, messages=messages, temperature=0.3, max_tokens=200,
                                                stream=True, stream_options={"include_usage": True})
        said = ""
        for chunk in stream:
            for choice in chunk.choices:
                said += choice.delta.content or ""
                print(choice.delta.content or "", end="", flush=True)
            if chunk.usage:  # the rules are computed once: afterwards the server has them in its cache
                cached = chunk.usage.prompt_tokens_details.cached_tokens
                print(f"\n[{chunk.usage.prompt_tokens} tokens, {cached} of them cached]", file=sys.stderr)
        messages.append({"role": "assistant", "content": said})


if __name__ == "__main__":
    main()
