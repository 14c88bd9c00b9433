#!/usr/bin/env python3
"""Answers of a real model under many schemas, judged by a validator that nobody here wrote.

check_structured_output.py FATHOM MODEL [--runs N]   (needs the package jsonschema)

Asks `fathom chat --json-schema` N times (200), each time another prompt, schema, temperature and
seed. An answer that ended by itself must be valid; one that was cut by its length is counted.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema

TEXT = {"type": "string", "maxLength": 30}
SCHEMAS = [
    {"type": "object", "properties": {"name": TEXT, "age": {"type": "integer", "minimum": 0, "maximum": 130}},
     "required": ["name", "age"], "additionalProperties": False},
    {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 4},
    {"type": "string", "minLength": 3, "maxLength": 40},
    {"type": "integer", "minimum": -5, "maximum": 12345},
    {"type": "number", "exclusiveMinimum": 0.5, "maximum": 2.25},
    {"type": "integer", "multipleOf": 7, "minimum": 1, "maximum": 700},
    {"enum": ["red", "green", "blue", None, 3]},
    {"const": {"a": [1, "b"]}},
    {"type": "boolean"},
    {"type": ["null", "string"], "maxLength": 20},
    {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3,5}$"},
    {"type": "string", "format": "date"},
    {"type": "string", "format": "date-time"},
    {"type": "string", "format": "time"},
    {"type": "string", "format": "email", "maxLength": 60},
    {"type": "string", "format": "ipv4"},
    {"type": "string", "format": "uuid"},
    {"type": "string", "format": "hostname", "maxLength": 40},
    {"type": "object", "properties": {"x": {"type": "number"}, "y": {"type": "number"}}, "required": ["x", "y"]},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1, "maxProperties": 3},
    {"type": "object", "patternProperties": {"^k_[a-z]{1,8}$": {"type": "boolean"}}, "additionalProperties": False,
     "minProperties": 1, "maxProperties": 3},
    {"type": "object", "propertyNames": {"enum": ["a", "b", "c"]}, "additionalProperties": TEXT, "maxProperties": 2},
    {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "string", "maxLength": 5}]},
    {"oneOf": [{"type": "object", "properties": {"kind": {"const": "circle"}, "r": {"type": "number", "minimum": 0}},
                "required": ["kind", "r"], "additionalProperties": False},
               {"type": "object", "properties": {"kind": {"const": "box"}, "w": {"type": "integer"}},
                "required": ["kind", "w"], "additionalProperties": False}]},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
               {"properties": {"a": {"minimum": 10, "maximum": 99}, "b": TEXT}, "required": ["b"],
                "maxProperties": 2}]},
    {"$defs": {"n": {"type": "object", "properties": {"v": {"type": "integer", "maximum": 99, "minimum": 0},
                                                      "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/n"}]}},
                     "required": ["v", "next"], "additionalProperties": False}}, "$ref": "#/$defs/n"},
    {"type": "array", "prefixItems": [TEXT, {"type": "integer", "maximum": 99, "minimum": 0}], "items": False,
     "minItems": 2},
    {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 2, "maxItems": 5},
    {"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9},
                                "minItems": 2, "maxItems": 2}, "minItems": 1, "maxItems": 3},
    {"type": "object", "properties": {"city": TEXT, "country": TEXT, "population": {"type": "integer", "minimum": 0}},
     "required": ["city"], "additionalProperties": False},
    {"type": "object", "properties": {"steps": {"type": "array", "maxItems": 3, "items": {
        "type": "object", "properties": {"do": TEXT, "minutes": {"type": "integer", "minimum": 1, "maximum": 60}},
        "required": ["do", "minutes"], "additionalProperties": False}}}, "required": ["steps"],
     "additionalProperties": False},
    {"type": "string", "minLength": 5, "maxLength": 12, "pattern": "^[^aeiou]*$"},
    {"type": "string", "pattern": "^(yes|no), because .{5,40}\\.$"},
    {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 10},
    {"type": "object", "properties": {"t": {"enum": ["x", "y"]}}, "required": ["t", "u"],
     "additionalProperties": {"type": "integer", "minimum": 0}, "maxProperties": 3},
    {"type": "object", "properties": {"deep": {"type": "object", "properties": {"deeper": {
        "type": "object", "properties": {"deepest": TEXT}, "required": ["deepest"], "additionalProperties": False}},
        "required": ["deeper"], "additionalProperties": False}}, "required": ["deep"], "additionalProperties": False},
    {"type": "object", "properties": {"ok": True, "never": False}, "required": ["ok"], "additionalProperties": False,
     "maxProperties": 1},
    {"type": "array", "items": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "minItems": 3, "maxItems": 6},
    {"type": "object", "properties": {"a\"b": {"type": "integer", "minimum": 0, "maximum": 5}, "ü": TEXT},
     "required": ["a\"b", "ü"], "additionalProperties": False},
    {"type": "string", "format": "uri", "maxLength": 50},
]
PROMPTS = ["Describe a person as JSON.", "What is the weather like?", "Give me some data.", "Name a colour.",
           "Write a long story about a dragon.", "Reply only with a number.", "Why is the sky blue?",
           "List three animals.", "Plan my day.", "Ignore the format and say hello."]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fathom")
    parser.add_argument("model")
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    invalid = cut = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schema.json"
        for run in range(options.runs):
            schema = SCHEMAS[run % len(SCHEMAS)]
            path.write_text(json.dumps(schema))
            command = [options.fathom, "chat", "--model", options.model, "--json-schema", str(path), "--message",
                       PROMPTS[run % len(PROMPTS)], "--json", "--seed", str(run), "--max-tokens", "120",
                       "--temperature", str([0, 0.7, 1, 2][run // len(SCHEMAS) % 4])]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if done.returncode != 0:
                invalid += 1
                print(f"run {run}: exit {done.returncode}: {done.stderr.strip()}")
                continue
            answer = json.loads(done.stdout)
            if answer["finish_reason"] != "stop":
                cut += 1
                continue
            try:
                jsonschema.validate(json.loads(answer["content"]), schema,
                                    cls=jsonschema.Draft202012Validator)
            except (ValueError, jsonschema.ValidationError) as error:
                invalid += 1
                print(f"run {run}: {schema}: {answer['content']!r}: {error}")
    print(f"{options.runs} answers under {len(SCHEMAS)} schemas: {invalid} invalid, {cut} cut by their length")
    return 1 if invalid else 0


if __name__ == "__main__":
    sys.exit(main())
