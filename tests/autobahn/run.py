#!/usr/bin/env python3
"""Runs the Autobahn test suite against `/raw` of a gateway, and judges its report.

    cargo build -p tengen && python3 tests/autobahn/run.py [--gateway target/debug/tengen]

Needs `wstest` (autobahntestsuite, Python 2.7) on the path or named by $WSTEST; without it, docker. Prints the summary
that docs/autobahn.md shows; exits with 1 when a case fails, or is not strict and not one of the two that may be.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SECTIONS = [1, 2, 3, 4, 5, 6, 7, 9, 10]
CASES = 301
IMAGE = "crossbario/autobahn-testsuite"
# Text that is not UTF-8 inside one frame is told at the frame's end, not at the byte where it breaks.
MAY_BE_NON_STRICT = {"6.4.3", "6.4.4"}
CONFIG = """
[server]
listen = "127.0.0.1:0"
[admin]
listen = "off"
[limits]
message = "32MiB"
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--gateway", default="target/debug/tengen", help="the program")
    arguments.add_argument("--keep", metavar="DIR", help="where the whole report is kept")
    arguments = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run(arguments.gateway, folder)
        if arguments.keep:
            shutil.copytree(folder / "reports", arguments.keep, dirs_exist_ok=True)
        index = json.loads((folder / "reports" / "index.json").read_text())
    sys.exit(judge(index["tengen"]))


def run(gateway, folder):
    (folder / "tengen.toml").write_text(CONFIG)
    command = [gateway, "serve", "--config", str(folder / "tengen.toml")]
    with open(folder / "log", "w") as log:
        serving = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        address = re.search(r"listens on (\S+)", serving.stdout.readline()).group(1)
        spec = {
            "outdir": "./reports",
            "servers": [{"agent": "tengen", "url": f"ws://{address}/raw"}],
            "cases": [f"{section}.*" for section in SECTIONS],
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        (folder / "spec.json").write_text(json.dumps(spec))
        client = ["-m", "fuzzingclient", "-s", "spec.json"]
        subprocess.run(wstest(folder) + client, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    finally:
        serving.terminate()
        serving.wait()


def wstest(folder):
    found = os.environ.get("WSTEST") or shutil.which("wstest")
    if found:
        return [os.path.abspath(found)]
    if shutil.which("docker"):
        mount = ["-v", f"{folder}:/at", "-w", "/at"]
        return ["docker", "run", "--rm", "--network", "host", *mount, IMAGE, "wstest"]
    sys.exit("neither wstest nor docker: install autobahntestsuite, or name its wstest in WSTEST")


def judge(cases):
    def number(case):
        return [int(part) for part in case.split(".")]

    counts = collections.defaultdict(collections.Counter)
    notable, bad = [], []
    for case in sorted(cases, key=number):
        how, close = cases[case]["behavior"], cases[case]["behaviorClose"]
        counts[number(case)[0]][how if close in ("OK", how) else f"{how}, close {close}"] += 1
        if how != "OK" or close != "OK":
            notable.append(f"| {case} | {how} | {close} |")
        strict = how in ("OK", "INFORMATIONAL") or (how == "NON-STRICT" and case in MAY_BE_NON_STRICT)
        if not strict or close not in ("OK", "INFORMATIONAL"):
            bad.append(case)
    print("| section | cases | outcome |\n|---|---|---|")
    for section, outcomes in counts.items():
        outcome = ", ".join(f"{times} {how}" for how, times in outcomes.items())
        print(f"| {section} | {sum(outcomes.values())} | {outcome} |")
    print("\n| case | behaviour | close |\n|---|---|---|")
    print("\n".join(notable))
    if len(cases) != CASES:
        bad.append(f"{len(cases)} cases instead of {CASES}")
    print("\nfailed: " + (", ".join(bad) or "none"))
    return 1 if bad else 0


if __name__ == "__main__":
    main()
