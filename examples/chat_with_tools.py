"""A conversation in the terminal with a model that may call functions. Put your own in their place.

    pip install openai
    python examples/chat_with_tools.py        # each line is a message, Ctrl-D ends
"""
import datetime
import sys
import zoneinfo

import agent


def time_in(zone):
    """The date and the time in a time zone, for instance Europe/Oslo."""
    return datetime.datetime.now(zoneinfo.ZoneInfo(zone)).strftime("%A, %Y-%m-%d %H:%M")


def days_between(first, last):
    """The number of days from one date to another, both written as 2026-12-31."""
    return (datetime.date.fromisoformat(last) - datetime.date.fromisoformat(first)).days


def main():
    client, model = agent.connect()
    messages = [{"role": "system", "content": "You help with times and dates. Look them up, do not guess."}]
    for line in sys.stdin:
        messages.append({"role": "user", "content": line.strip()})
        agent.answer(client, model, messages, [time_in, days_between],
                     show=lambda text: print(text, end="", flush=True),
                     told=lambda name, arguments: print(f"[{name} {arguments}]", file=sys.stderr))
        print()


if __name__ == "__main__":
    main()
