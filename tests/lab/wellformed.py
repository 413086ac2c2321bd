"""Are the files of a scan whole documents, however the scan ended?"""

import json
import subprocess

from support import need


def json_lines(text):
    """The objects of JSON Lines; every line is whole."""
    assert text == "" or text.endswith("\n"), text[-200:]
    return [json.loads(line) for line in text.splitlines()]


def check_jsonl(text):
    lines = json_lines(text)
    assert lines and lines[-1]["kind"] == "summary", text[-300:]
    assert [x for x in lines[:-1] if x["kind"] == "summary"] == []
    assert len({x["scan_id"] for x in lines}) == 1
    return lines


def check_xml(path):
    need("xmllint")
    done = subprocess.run(["xmllint", "--noout", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def check_comments(path):
    """Grepable and normal files begin and end with a comment."""
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# prtip"), lines[0]
    assert any(line.startswith("# prtip done") for line in lines[-2:]), lines[-3:]


def check_all(base, count=4):
    """The files of -oA BASE."""
    there = [base.with_suffix(s) for s in (".nmap", ".xml", ".gnmap", ".jsonl") if base.with_suffix(s).exists()]
    assert len(there) == count, there
    for path in there:
        if path.suffix == ".xml":
            check_xml(path)
        elif path.suffix == ".jsonl":
            check_jsonl(path.read_text())
        else:
            check_comments(path)
