"""Holds a transcript of a run against adapter.schema.json.

    python validate.py TRANSCRIPT...
"""
import json
import pathlib
import sys

import fastjsonschema

SCHEMA = pathlib.Path(__file__).with_name("adapter.schema.json")


def faults(file, validate):
    """Line and fault of every line that the schema does not know."""
    with open(file, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                validate(json.loads(line))
            except (ValueError, fastjsonschema.JsonSchemaException) as fault:
                yield f"{file}:{number}: {fault}: {line[:300].strip()}"


def main():
    validate = fastjsonschema.compile(json.loads(SCHEMA.read_text(encoding="utf-8")))
    count = 0
    for file in sys.argv[1:]:
        for fault in faults(file, validate):
            print(fault)
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
