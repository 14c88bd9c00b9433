#!/usr/bin/env python3
"""What HTTP costs, and how another server does on the same file.

  tests/serve/compare.py overhead                    streams against whole answers, first tokens against the engine's own
  tests/serve/compare.py peer FILE.gguf COMMAND...   answers of 1 and of 16 streams, both servers in turn; {port} and {file}
                                                     stand in COMMAND: llama-server -m {file} -t 2 -np 16 -c 16384 --port {port}
"""
import http.client
import json
import pathlib
import shlex
import socket
import statistics
import subprocess
import sys
import threading
import time

import harness

LOAD = pathlib.Path(__file__).with_name("load.py")
PATH = "/v1/chat/completions"


def load(port, streams, tokens):
    """tokens a second, milliseconds to the first one"""
    out = subprocess.run([sys.executable, LOAD, str(port), "--streams", str(streams), "--tokens", str(tokens)],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)["tokens_per_s"], json.loads(out)["first_ms_median"]


def whole(server, requests, tokens):
    """tokens a second of answers that come in one piece"""
    body = {"messages": [{"role": "user", "content": "Say"}], "max_tokens": tokens, "ignore_eos": True, "temperature": 0}
    threads = [threading.Thread(target=server.ok, args=(PATH, body)) for _ in range(requests)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return round(requests * tokens / (time.monotonic() - begin))


def first_token(server, number):
    """Milliseconds to the first text at the client beyond those that the engine took, and those."""
    body = {"messages": [{"role": "user", "content": f"Say {number} " * 5}], "max_tokens": 8, "ignore_eos": True,
            "temperature": 0, "stream": True, "timings_per_token": True}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.connect()
    begin, first, engine_ms = time.monotonic(), None, None
    connection.request("POST", PATH, json.dumps(body), {"Content-Type": "application/json"})
    for line in connection.getresponse():
        if first is None and b'"content":"' in line and b'"content":""' not in line:
            first = time.monotonic() - begin
        if b'"timings"' in line:
            engine_ms = json.loads(line[6:])["timings"]["prompt_ms"]
    connection.close()
    return None if first is None else (1e3 * first - engine_ms, engine_ms)


def overhead():
    server = harness.Server(harness.model(num_hidden_layers=6, max_position_embeddings=4096))
    load(server.port, 4, 8)
    firsts = [each for each in (first_token(server, i) for i in range(40)) if each]
    print("first token: {:.2f} ms above the engine's {:.2f} (median of {})".format(
        *(statistics.median(part) for part in zip(*firsts)), len(firsts)))
    rounds = [(whole(server, 64, 500), load(server.port, 64, 500)[0]) for _ in range(4)]
    for in_one, streamed in rounds:
        print(f"64 answers of 500 tokens: {in_one} tokens/s whole, {streamed} streamed")
    print("streamed / whole: {:.3f}".format(statistics.median(b for _, b in rounds) / statistics.median(a for a, _ in rounds)))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"nobody answers at port {port}")


def peer(file, command):
    ours, port = harness.Server(file, template=None), free_port()
    words = [word.replace("{port}", str(port)).replace("{file}", file) for word in shlex.split(" ".join(command))]
    theirs = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        for streams in (1, 16):
            rounds = [(load(ours.port, streams, 128)[0], load(port, streams, 128)[0]) for _ in range(4)][1:]
            print(f"{streams} streams, tokens/s (ours, theirs): {rounds}, medians "
                  "{:.2f}".format(statistics.median(a for a, _ in rounds) / statistics.median(b for _, b in rounds)))
    finally:
        theirs.kill()


if __name__ == "__main__":
    if sys.argv[1:] == ["overhead"]:
        overhead()
    elif sys.argv[1:2] == ["peer"] and len(sys.argv) > 3:
        peer(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(__doc__)
