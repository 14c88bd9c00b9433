#!/usr/bin/env python3
"""Random JSON Schemas, random values, and what the Python package jsonschema says of them.

    make_schema_golden.py OUTPUT.json [--schemas 400] [--values 24] [--seed 1]

Schemas combine all keywords that fathom enforces over few names and values, so that they interact.
Source of truth: jsonschema (https://python-jsonschema.readthedocs.io), Draft202012Validator and Draft7Validator.
"""
import argparse
import json
import random

import jsonschema

NAMES = ["a", "b", "ab", "bb", "c"]
SCALARS = [None, True, False, 0, 1, 2, 3, -1, 1.5, 10, "", "a", "ab", "b", "bb", "abc", "é"]
PATTERNS = ["^a", "b$", "a", "^[ab]*$", "^.{2}$", "b{2,}", "^(a|bc)?$"]


class Maker:
    def __init__(self, rng):
        self.rng = rng

    def chance(self, p):
        return self.rng.random() < p

    def value(self, depth=2):
        rng = self.rng
        if depth == 0 or self.chance(0.5):
            return rng.choice(SCALARS)
        if self.chance(0.4):
            return [self.value(depth - 1) for _ in range(rng.randint(0, 3))]
        names = rng.sample(NAMES, rng.randint(0, 3))
        return {name: self.value(depth - 1) for name in names}

    def add_number(self, schema):
        rng = self.rng
        key = rng.choice(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"])
        schema[key] = rng.choice([1, 2, 3, 0.5]) if key == "multipleOf" else rng.randint(-1, 3)

    def add_string(self, schema):
        rng = self.rng
        key = rng.choice(["minLength", "maxLength", "pattern"])
        schema[key] = rng.choice(PATTERNS) if key == "pattern" else rng.randint(0, 3)

    def add_object(self, schema, depth):
        rng = self.rng
        key = rng.choice(["properties", "properties", "required", "required", "additionalProperties",
                          "patternProperties", "propertyNames", "minProperties", "maxProperties",
                          "dependentRequired", "dependentSchemas"])
        names = rng.sample(NAMES, rng.randint(1, 3))
        if key == "properties":
            schema[key] = {name: self.schema(depth - 1) for name in names}
        elif key == "required":
            schema[key] = names[:2]
        elif key == "additionalProperties":
            schema[key] = self.schema(depth - 1)
        elif key == "patternProperties":
            schema[key] = {rng.choice(PATTERNS): self.schema(depth - 1) for _ in range(rng.randint(1, 2))}
        elif key == "propertyNames":
            schema[key] = self.schema(0)
        elif key == "dependentRequired":
            schema[key] = {names[0]: names[1:]}
        elif key == "dependentSchemas":
            schema[key] = {names[0]: self.schema(depth - 1)}
        else:
            schema[key] = rng.randint(0, 3)

    def add_array(self, schema, depth):
        rng = self.rng
        key = rng.choice(["items", "items", "prefixItems", "minItems", "maxItems", "contains",
                          "uniqueItems"])
        if key in ("items", "contains"):
            schema[key] = self.schema(depth - 1)
        elif key == "prefixItems":
            schema[key] = [self.schema(depth - 1) for _ in range(rng.randint(1, 2))]
        elif key == "uniqueItems":
            schema[key] = self.chance(0.3)
        else:
            schema[key] = rng.randint(0, 3)

    def add_combination(self, schema, depth):
        rng = self.rng
        key = rng.choice(["allOf", "anyOf", "oneOf", "oneOf", "not", "if", "$ref"])
        if key == "not":
            schema[key] = self.schema(depth - 1)
        elif key == "$ref":
            schema[key] = "#/$defs/" + rng.choice(["x", "y"])
        elif key == "if":
            schema["if"] = self.schema(depth - 1)
            for branch in ("then", "else"):
                if self.chance(0.7):
                    schema[branch] = self.schema(depth - 1)
        else:
            schema[key] = [self.schema(depth - 1) for _ in range(rng.randint(1, 3))]

    def schema(self, depth):
        rng = self.rng
        if self.chance(0.06):
            return self.chance(0.7)
        schema = {}
        if self.chance(0.5):
            types = ["null", "boolean", "integer", "number", "string", "array", "object", "object"]
            schema["type"] = rng.choice(types) if self.chance(0.8) else rng.sample(types[:7], 2)
        for _ in range(rng.randint(0, 3)):
            pick = rng.random()
            if pick < 0.1:
                schema["enum"] = [self.value(1) for _ in range(rng.randint(1, 4))]
            elif pick < 0.15:
                schema["const"] = self.value(1)
            elif pick < 0.27:
                self.add_number(schema)
            elif pick < 0.4:
                self.add_string(schema)
            elif depth > 0 and pick < 0.7:
                self.add_object(schema, depth)
            elif depth > 0 and pick < 0.82:
                self.add_array(schema, depth)
            elif depth > 0:
                self.add_combination(schema, depth)
        return schema


def to_draft7(schema):
    """The same keywords as draft 7 spells them; what stands beside $ref loses its meaning."""
    if isinstance(schema, list):
        return [to_draft7(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    old = {}
    for key, value in schema.items():
        if key in ("enum", "const"):
            old[key] = value
        elif key in ("properties", "patternProperties", "$defs"):
            old["definitions" if key == "$defs" else key] = {k: to_draft7(v) for k, v in value.items()}
        elif key == "prefixItems":
            old["items"] = to_draft7(value)
        elif key == "items":
            old["additionalItems" if "prefixItems" in schema else "items"] = to_draft7(value)
        elif key in ("dependentRequired", "dependentSchemas"):
            old.setdefault("dependencies", {}).update({k: to_draft7(v) for k, v in value.items()})
        elif key == "$ref":
            old[key] = value.replace("$defs", "definitions")
        else:
            old[key] = to_draft7(value)
    return old


def make_case(rng, num_values):
    maker = Maker(rng)
    schema = maker.schema(3)
    if not isinstance(schema, dict):
        return None
    # The definitions may refer to each other, but only from inside a value: else they would have no
    # meaning.
    schema["$defs"] = {
        "x": {"properties": {"a": {"$ref": "#/$defs/y"}}, "items": {"$ref": "#/$defs/x"}, **rng.choice(
            [{"required": ["a"]}, {"maxItems": 2}, {"maxProperties": 2}, {"type": ["object", "null"]}])},
        "y": {"anyOf": [maker.schema(0), {"properties": {"b": {"$ref": "#/$defs/x"}}, "type": "object"}]},
    }
    validator = jsonschema.Draft202012Validator(schema)
    if maker.chance(0.3):
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", **to_draft7(schema)}
        validator = jsonschema.Draft7Validator(schema)
    values = []
    for _ in range(num_values):
        value = maker.value()
        if all(json.dumps(value) != json.dumps(other) for other, _ in values):
            values.append((value, validator.is_valid(value)))
    return {"schema": schema, "valid": [v for v, ok in values if ok],
            "invalid": [v for v, ok in values if not ok]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output")
    parser.add_argument("--schemas", type=int, default=400)
    parser.add_argument("--values", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    cases = []
    while len(cases) < args.schemas:
        case = make_case(rng, args.values)
        if case and case["valid"] and case["invalid"]:
            cases.append(case)
    with open(args.output, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":"))
                                       for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
