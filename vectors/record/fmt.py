"""The one form of a vector file, whoever wrote it: the form in which the recorder writes.

    python fmt.py FILE...            write the files anew
    python fmt.py --check FILE...    tell which differ
"""
import argparse
import pathlib
import sys

sys.dont_write_bytecode = True

import yaml

from common import Flow, change_document, dump_document, flow


def request(value):
    """A request: header lines and repeated bodies on one line each."""
    out = dict(value)
    if "headers" in out:
        out["headers"] = [Flow(line) for line in out["headers"]]
    if "body_repeat" in out:
        out["body_repeat"] = Flow(out["body_repeat"])
    return out


def edit(value):
    return {key: change_document(key, part) for key, part in value.items()}


SHAPES = {
    "source": Flow, "inputs": Flow, "covers": Flow, "request": request, "placed": request,
    "credentials": lambda value: value if "private_key_pem" in value else Flow(value),
    "sign": lambda value: {key: flow(part) for key, part in value.items()},
    "policy": lambda value: Flow({key: flow(part) for key, part in value.items()}),
    "change": lambda value: [edit(one) for one in value] if isinstance(value, list) else edit(value),
}


def formatted(text):
    """The text in its form. The comment at its head stays; others would be lost, and are refused."""
    lines = text.split("\n")
    head = [line for line in lines[:next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))]]
    document = yaml.safe_load(text)
    unknown = set(document) - {"dialect", "vectors", "left_out"}
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    vectors = [{key: SHAPES.get(key, lambda value: value)(value) for key, value in vector.items()} for vector in document["vectors"]]
    out = "".join(line + "\n" for line in head) + dump_document(document["dialect"], vectors, document.get("left_out"))
    lost = [line.strip() for line in lines[len(head):] if line.strip().startswith("#") and line.strip() not in out]
    if lost:
        raise ValueError(f"a comment below the head would be lost: {lost[0]!r}; write it into why")
    if yaml.safe_load(out) != document:
        raise ValueError("the form would change a value")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="tell which files differ, and write none")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    faults = 0
    for file in args.files:
        text = file.read_text(encoding="utf-8")
        try:
            form = formatted(text)
        except (ValueError, KeyError, yaml.YAMLError) as fault:
            print(f"{file}: {fault}")
            faults += 1
            continue
        if form != text and args.check:
            print(f"{file}: not in its form; run `cargo xtask vectors fmt`")
            faults += 1
        elif form != text:
            file.write_text(form, encoding="utf-8")
            print(f"{file}: written")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
