#!/usr/bin/env python3
"""Hostile bytes against a server for a while: bodies whose members are changed, texts whose bytes are, headers and
chunks cut anywhere, clients that leave midway. Nothing may crash, hang, or be a fault of the server's (5xx).

  FATHOM=build/asan/fathom tests/serve/fuzz.py --seconds 1800 [--clients 4] [--seed 1]

What broke something is written as found_N.bin, to be sent again with --replay FILE.
"""
import argparse
import json
import pathlib
import random
import socket
import sys
import threading
import time

import harness
from hostile_test import BODIES, VALUES, places, replaced

HEADER_LINES = ["Content-Length: 5", "Content-Length: -1", "Content-Length: 99999999999999999999",
                "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Expect: 100-continue", "Connection: close",
                "Host: a", "Host: ", "X: " + "y" * 9000, "Authorization: Bearer \x00", "Content-Type: text/plain",
                "Accept-Encoding: gzip", "Range: bytes=0-1", "Upgrade: h2c", "x-request-id: a\tb", "\xff: \xfe"]
GETS = ["/", "/health", "/ready", "/metrics", "/v1/models", "/v1/models/tiny", "/v1/usage?days=x", "/v1/capabilities",
        "/tokenizer_info", "/../etc/passwd", "/%00", "//", "*", "/admin/usage?by=key,day&csv=1"]
SMALL = {"/tokenize": {"prompt": "a b", "add_special_tokens": True}, "/detokenize": {"tokens": [1, 2, 3]},
         "/apply-template": {"messages": [{"role": "user", "content": "a"}]},
         "/v1/messages/count_tokens": {"model": "tiny", "messages": [{"role": "user", "content": "a"}]}}
WORDS = [b'"', b"\\", b"\\ud83d", b"\xf0\x9f\x98", b"{", b"]" * 50, b"[" * 200, b"1e999", b"-0", b"null", b"\x00", b"\r\n",
         b"\r\n\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"HTTP/9.9", b"\xef\xbb\xbf"]


def changed_body(rng):
    path, body = rng.choice(list((BODIES | SMALL).items()))
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        spot = rng.choice([place for place in places(body) if place] or [None])
        if spot is None:
            break
        value = rng.choice(VALUES + [1 << 63, -(1 << 63), "a" * 5000, ["x"] * 300, {"type": "object"}])
        body = replaced(body, spot, value)
    if isinstance(body, dict) and rng.random() < 0.5:
        body["stream"] = rng.choice([True, True, False, 1])
    return path, json.dumps(body, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")


def changed_bytes(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice([0, 0, 1, 2, 8])):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            data[at:at] = rng.choice(WORDS)
        elif kind == 1:
            del data[at:at + rng.randrange(1, 20)]
        elif kind == 2 and at < len(data):
            data[at] = rng.randrange(256)
        else:
            data[at:at] = data[at:at + rng.randrange(1, 60)]
    return bytes(data)


def chunked(rng, body):
    pieces, at = [], 0
    while at < len(body):
        size = rng.randrange(1, len(body) + 1)
        piece = body[at:at + size]
        pieces.append(b"%x%s\r\n%s\r\n" % (len(piece), rng.choice([b"", b";a=b", b" "]), piece))
        at += size
    return b"".join(pieces) + b"0\r\n\r\n"


def request(rng):
    """One request's bytes, and whether they are HTTP as it should be, so that the answer can be judged."""
    if rng.random() < 0.15:
        head = f"{rng.choice(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'get'])} {rng.choice(GETS)} HTTP/1.1\r\nHost: localhost\r\n"
        body, framing = b"", ""
    else:
        path, body = changed_body(rng)
        if rng.random() < 0.3:
            body = changed_bytes(rng, body)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        if rng.random() < 0.2:
            framing, body = "Transfer-Encoding: chunked\r\n", chunked(rng, body)
        else:
            framing = f"Content-Length: {len(body)}\r\n"
    lines = rng.sample(HEADER_LINES, rng.choice([0, 0, 0, 1, 2]))
    whole = (head + framing).encode() + b"".join(line.encode("latin-1") + b"\r\n" for line in lines) + b"\r\n" + body
    plain = not lines
    if not rng.randrange(4) == 0:  # else the server waits for a next request
        whole = whole.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    if rng.random() < 0.1:
        whole, plain = changed_bytes(rng, whole), False
    return whole, plain


def exchange(port, data, rng):
    """What the server says, or None if the client left before that."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        cut = rng.randrange(len(data) + 1) if rng.random() < 0.3 else len(data)
        try:
            connection.sendall(data[:cut])
            if rng.random() < 0.1:
                return None
            if cut < len(data):
                time.sleep(0.005)
                connection.sendall(data[cut:])
            if rng.random() < 0.1:
                connection.recv(200)
                return None
            answer = b""
            while piece := connection.recv(1 << 16):
                answer += piece
            return answer
        except (BrokenPipeError, ConnectionResetError):
            return None


def fault(answer, plain):
    """What is wrong with an answer; None: nothing."""
    if not answer:
        return None  # the rest of a request never came
    if not answer.startswith(b"HTTP/1.1 "):
        return "not HTTP"
    status = int(answer[9:12])
    if status >= 500 and status not in (501, 503, 505):
        return f"status {status}"
    head, _, body = answer.partition(b"\r\n\r\n")
    if plain and b"content-length" in head.lower() and b"application/json" in head and body:
        size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        try:
            json.loads(body[:size])
        except ValueError:
            return "JSON that is none"
    return None


class Session:
    def __init__(self, server, options):
        self.server, self.options = server, options
        self.end = time.monotonic() + options.seconds
        self.lock, self.count, self.found = threading.Lock(), 0, []

    def note(self, data, what):
        with self.lock:
            name = pathlib.Path(f"found_{len(self.found)}.bin")
            name.write_bytes(data)
            self.found.append(what)
            print(f"{name}: {what}", flush=True)

    def client(self, number):
        rng = random.Random(f"{self.options.seed} {number}")
        while time.monotonic() < self.end and self.server.process.poll() is None:
            parts = [request(rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
            data = b"".join(part for part, _ in parts)
            try:
                answer = exchange(self.server.port, data, rng)
            except (TimeoutError, ConnectionRefusedError) as error:
                self.note(data, repr(error))
                continue
            what = fault(answer, len(parts) == 1 and parts[0][1]) if answer is not None else None
            if what:
                self.note(data, what + ": " + answer[:300].decode(errors="replace"))
            with self.lock:
                self.count += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", type=pathlib.Path)
    options = parser.parse_args()
    server = harness.Server(settings=["limits.max_request_s=60", "limits.header_s=1", "limits.idle_s=1"])
    if options.replay:
        print(server.raw(options.replay.read_bytes()))
        return 0
    session = Session(server, options)
    clients = [threading.Thread(target=session.client, args=(i,)) for i in range(options.clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    died = server.process.poll() is not None
    alive = not died and server.chat() is not None
    code = server.stop()
    faults = [line for line in server.log if "ERROR: " in line or "runtime error" in line or "fault of ours" in line]
    print(f"{session.count} exchanges, {len(session.found)} faults, server {'lives' if alive else f'died ({code})'}")
    print("".join(faults[:20] or (server.log[-30:] if died else [])))
    return 1 if session.found or died or faults else 0


if __name__ == "__main__":
    sys.exit(main())
