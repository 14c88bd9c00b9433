#!/usr/bin/env python3
"""Many streams at once against a running server: tokens a second, first tokens, lost or mixed streams.

  tests/serve/load.py PORT --streams 64 --tokens 200        each answer is of that length
  tests/serve/load.py PORT --streams 1000 --seconds 60 --abort 0.3
                                                             marked answers, some of them dropped midway;
                                                             --pid N: memory of that process meanwhile
"""
import argparse
import json
import random
import re
import resource
import selectors
import socket
import sys
import time

HEAD = ("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: {}\r\n\r\n")


class Stream:
    def __init__(self, port, number, options):
        self.mark = f"<{number:06d}>" * 4
        body = {"messages": [{"role": "user", "content": f"Say {number}"}], "stream": True}
        if options.seconds:
            body |= {"structured_outputs": {"choice": [self.mark]}, "max_tokens": 400}
        else:
            body |= {"max_tokens": options.tokens, "ignore_eos": True, "temperature": 0}
        self.drops = random.random() < options.abort
        self.socket = socket.create_connection(("127.0.0.1", port))
        data = json.dumps(body)
        self.begin, self.first = time.monotonic(), None
        self.socket.sendall((HEAD.format(len(data)) + data).encode())
        self.socket.setblocking(False)
        self.text = b""

    def read(self):
        """True: it is over."""
        piece = self.socket.recv(1 << 16)
        self.text += piece
        if self.first is None and b'"content":"' in self.text.split(b'"content":""', 1)[-1]:
            self.first = time.monotonic() - self.begin
        return not piece or b"[DONE]" in self.text[-40:] or (self.drops and self.first is not None)

    def said(self):
        return "".join(json.loads('"' + part + '"') for part in
                       re.findall(r'"delta":\{"content":"((?:[^"\\]|\\.)*)"', self.text.decode()))


def resident_mib(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def run(options):
    selector, number, open_streams = selectors.DefaultSelector(), 0, 0
    memory, next_look = [], time.monotonic() + options.seconds / 10
    begin, firsts, counts = time.monotonic(), [], {"whole": 0, "dropped": 0, "lost": 0, "mixed": 0}

    def start():
        nonlocal number, open_streams
        stream = Stream(options.port, number, options)
        selector.register(stream.socket, selectors.EVENT_READ, stream)
        number, open_streams = number + 1, open_streams + 1

    for _ in range(options.streams):
        start()
    while open_streams:
        if options.pid and number >= options.streams and time.monotonic() >= next_look:
            memory.append(round(resident_mib(options.pid), 1))
            next_look += options.seconds / 10
        for key, _ in selector.select(10):
            stream = key.data
            if not stream.read():
                continue
            selector.unregister(stream.socket)
            stream.socket.close()
            open_streams -= 1
            if stream.drops:
                counts["dropped"] += 1
            elif not stream.text.rstrip().endswith((b"[DONE]", b"0")):
                counts["lost"] += 1
            elif options.seconds and stream.said() != stream.mark:
                counts["mixed"] += 1
            else:
                counts["whole"] += 1
            if stream.first:
                firsts.append(stream.first)
            if time.monotonic() - begin < options.seconds:
                start()
    seconds = time.monotonic() - begin
    firsts.sort()
    print(json.dumps(counts | {
        "seconds": round(seconds, 3), "streams_per_s": round(number / seconds, 1),
        "tokens_per_s": None if options.seconds else round(number * options.tokens / seconds),
        "first_ms_median": round(1e3 * firsts[len(firsts) // 2], 1) if firsts else None,
        "resident_mib": memory}))
    return 1 if counts["lost"] or counts["mixed"] else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--abort", type=float, default=0.0)
    parser.add_argument("--pid", type=int)
    sys.exit(run(parser.parse_args()))
