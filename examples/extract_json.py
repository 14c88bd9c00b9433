"""Reads facts out of a text into JSON of a given form, which the server enforces: no parsing, no second try.

    pip install openai
    python examples/extract_json.py < letter.txt                   # an invoice, by the schema below
    python examples/extract_json.py schema.json < letter.txt
"""
import json
import pathlib
import sys

import agent

INVOICE = {
    "type": "object",
    "properties": {
        "seller": {"type": "string", "maxLength": 60},
        "number": {"type": ["string", "null"], "maxLength": 20, "description": "of the invoice"},
        "date": {"type": ["string", "null"], "format": "date"},
        "currency": {"enum": ["EUR", "USD", "GBP", "NOK", "CNY", None]},
        "lines": {"type": "array", "maxItems": 20, "items": {
            "type": "object",
            "properties": {"what": {"type": "string", "maxLength": 40},
                           "amount": {"type": "string", "pattern": "^[0-9]{1,7}\\.[0-9]{2}$"}},
            "required": ["what", "amount"], "additionalProperties": False}},
    },
    "required": ["seller", "number", "date", "currency", "lines"], "additionalProperties": False,
}


def extract(client, model, schema, text):
    """The object, or an error for a text whose facts do not fit into the answer."""
    done = client.chat.completions.create(
        model=model, temperature=0,
        messages=[{"role": "system", "content": "Extract what the text says. What it does not say is null."},
                  {"role": "user", "content": text}],
        response_format={"type": "json_schema",
                         "json_schema": {"name": "facts", "strict": True, "schema": schema}})
    choice = done.choices[0]
    if choice.finish_reason != "stop":
        raise ValueError(f"the answer was cut off after {done.usage.completion_tokens} tokens")
    return json.loads(choice.message.content)


def main():
    schema = json.loads(pathlib.Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 else INVOICE
    try:
        facts = extract(*agent.connect(), schema, sys.stdin.read())
    except ValueError as error:
        sys.exit(f"extract_json.py: {error}")
    json.dump(facts, sys.stdout, indent=2, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
