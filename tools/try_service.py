"""Try a service, in any language: `python tools/try_service.py "node visits.js"`. docs/run_it.md says what it has to do.

It prints five findings, ends with 1 if one of them is bad, and writes them as XML where `--junit FILE` says.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import xml.etree.ElementTree as xml
from collections.abc import Sequence
from pathlib import Path

from drills.trials import Finding, passed, run_trials
from helpers.cloud import connect
from helpers.display import PlainError


def junit(found: Sequence[Finding]) -> bytes:
    failures = sum(bool(one.seen) for one in found)
    suite = xml.Element("testsuite", name="trials", tests=str(len(found)), failures=str(failures))
    for one in found:
        case = xml.SubElement(suite, "testcase", classname="trials", name=one.wanted, time=f"{one.seconds:.1f}")
        if one.seen:
            xml.SubElement(case, "failure", message=one.seen).text = one.hint
    return xml.tostring(suite, encoding="utf-8", xml_declaration=True)


def main() -> str | int:
    parser = argparse.ArgumentParser(description="Try a service: five trials, about a minute.")
    parser.add_argument("command", help='what starts it, such as "node visits.js"')
    parser.add_argument("--junit", type=Path, metavar="FILE", help="where to write the findings")
    arguments = parser.parse_args()
    command = shlex.split(arguments.command)
    if not command:
        parser.error("name the command that starts the service")
    try:
        cloud = connect()
        found = run_trials(cloud, command, lambda text: print(f"… {text}", file=sys.stderr, flush=True))
        cloud.close()
    except PlainError as error:
        return f"✗ {error}"
    if arguments.junit:
        arguments.junit.parent.mkdir(parents=True, exist_ok=True)
        arguments.junit.write_bytes(junit(found))
    if not found[-1].seconds:  # it never listened, which is one finding
        return f"✗ {found[0].seen}. {found[0].hint}"
    for one in found:
        print(f"✗ {one.wanted}:\n  {one.seen}.\n  {one.hint}" if one.seen else f"✓ {one.wanted}")
    print(passed(found))
    return int(any(one.seen for one in found))


if __name__ == "__main__":
    sys.exit(main())
