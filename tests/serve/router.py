"""A running `fathom route`, for its tests."""
import re
import subprocess

import harness

PATH = "/v1/chat/completions"
HEALTH = ["route.health_every_s=0.1", "route.health_timeout_s=0.5"]


class Router(harness.Server):
    """A running router; asked as a server is."""

    def __init__(self, servers, settings=(), extra=(), wait=True, health=HEALTH):
        urls = ",".join(s if isinstance(s, str) else f"http://127.0.0.1:{s.port}" for s in servers)
        command = ["route", "--servers", urls, "--port", "0"]
        for setting in [*health, *settings]:
            command += ["--set", setting]
        self.launch(command + list(extra))
        if wait:
            self._until(lambda: self.get("/ready")[2]["servers"] == ["ready"] * len(servers), "its servers")

    def of_server(self, name, index):
        text = self.get("/metrics")[2]
        return [float(v) for v in re.findall(rf"^fathom_route_{name}{{[^}}]*}} (\S+)$", text, re.M)][index]


def route(*arguments):
    return subprocess.run([harness.FATHOM, "route", *arguments], capture_output=True, text=True, timeout=60,
                          env=harness.environment())


def plain(answer):
    return {k: v for k, v in answer.items() if k not in ("id", "created", "timings", "x_fathom", "usage")}
