"""Runs named checks one after another and prints what cargo's test runner would print."""

import sys
import traceback


def run(client, checks):
    failed = 0
    for check in checks:
        try:
            check()
            print(f"ok     {client}: {check.__doc__}")
        except Exception:  # whatever a client throws is a failure of this check, and the next one still runs
            failed += 1
            print(f"FAILED {client}: {check.__doc__}\n{traceback.format_exc()}")
    verdict = "FAILED" if failed else "ok"
    print(f"test result: {verdict}. {len(checks) - failed} passed; {failed} failed; {client}")
    sys.exit(1 if failed else 0)
