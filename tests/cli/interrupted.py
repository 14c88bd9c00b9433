#!/usr/bin/env python3
"""Runs a command, sends it a signal and prints its exit status as a shell would have it: 130 for a
process that SIGINT ended or that says so.

Usage: interrupted.py [--signal NAME...] WHEN COMMAND...
  --at KIND:N      before the N-th call of that kind, "write:3" (watched/watch.cc; only in watched/)
  --output         once the command has printed something
  --exists PATTERN once such a file exists
  --says FILE:TEXT once the file has the text
  --seconds S      then
  --signal NAME    instead of INT; several, "TERM,TERM,HUP", come one right after the other
"""
import argparse
import glob
import os
import signal
import subprocess
import sys
import time


def wait_for(process, holds):
    while process.poll() is None and not holds():
        time.sleep(0.002)


def main():
    parser = argparse.ArgumentParser()
    when = parser.add_mutually_exclusive_group(required=True)
    when.add_argument("--at")
    when.add_argument("--output", action="store_true")
    when.add_argument("--exists")
    when.add_argument("--says")
    when.add_argument("--seconds", type=float)
    parser.add_argument("--signal", default="INT")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    env = dict(os.environ)
    if options.at:
        env.update(WATCH_INTERRUPT_AT=options.at, LD_PRELOAD=os.environ["WATCH"],
                   WATCH_SIGNAL=str(int(signal.Signals["SIG" + options.signal])))
    signals = [signal.Signals["SIG" + name] for name in options.signal.split(",")]

    def heed_signals():
        # Whoever runs the tests in the background ignores some, and children inherit that.
        for number in {signal.SIGINT, *signals} - {signal.SIGKILL}:
            signal.signal(number, signal.SIG_DFL)

    process = subprocess.Popen(options.command, env=env, stdout=subprocess.PIPE,
                               preexec_fn=heed_signals)
    if options.output:
        process.stdout.read(1)
    elif options.exists:
        wait_for(process, lambda: glob.glob(options.exists))
    elif options.says:
        path, _, text = options.says.partition(":")
        wait_for(process, lambda: os.path.exists(path) and text in open(path, encoding="utf-8").read())
    elif options.seconds:
        time.sleep(options.seconds)
    if not options.at:
        if process.poll() is not None:
            sys.exit("interrupted.py: the command had ended already")
        for number in signals:
            process.send_signal(number)
            time.sleep(0.02)  # apart, or the system makes one of them
    process.stdout.read()
    code = process.wait()
    print(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
