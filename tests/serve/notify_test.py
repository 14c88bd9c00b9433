"""What a service manager hears (sd_notify(3)), and the watchdog of an engine that stands still."""
import ctypes
import os
import pathlib
import signal
import socket
import threading
import time
import unittest

import harness
from harness import chat_body

PATH = "/v1/chat/completions"


class StoppedThread:
    """One thread of a child process, held by ptrace(2) while the others go on."""
    SEIZE, INTERRUPT, DETACH, ALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, pid, name):
        tasks = pathlib.Path(f"/proc/{pid}/task")
        self.id, = [int(task.name) for task in tasks.iterdir() if (task / "comm").read_text().strip() == name]
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long] * 4
        self.libc.ptrace.restype = ctypes.c_long

    def _ptrace(self, request):
        if self.libc.ptrace(request, self.id, 0, 0) != 0:
            raise unittest.SkipTest(f"threads cannot be held here: {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        self._ptrace(self.SEIZE)
        self._ptrace(self.INTERRUPT)
        os.waitpid(self.id, self.ALL)
        self.is_held = True
        return self

    def go_on(self):
        self._ptrace(self.DETACH)
        self.is_held = False

    def __exit__(self, *_):
        if self.is_held:
            self.go_on()


class Notify(unittest.TestCase):
    """The service manager's side of sd_notify(3)."""

    def listen(self, address):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(address)
        manager.settimeout(20)
        return manager

    def start(self, name, *settings, **environ):
        return harness.Server(settings=["server.drain_delay_s=0", *settings],
                              environ={"NOTIFY_SOCKET": name} | environ)

    def seen(self, done):
        end = time.monotonic() + 20
        while not done():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def drain(self, manager):
        """Forgets what was told until now."""
        manager.setblocking(False)
        try:
            while manager.recv(4096):
                pass
        except BlockingIOError:
            pass

    def until(self, manager, word):
        """What is told up to the first message with the word, as dictionaries."""
        told = []
        while not told or word not in told[-1]:
            lines = manager.recv(4096).decode().splitlines()
            told.append(dict(line.split("=", 1) for line in lines))
        return told

    def test_ready_reloading_stopping(self):
        path = str(harness.Folder().path / "notify")
        manager = self.listen(path)
        server = self.start(path)
        told = self.until(manager, "READY")
        self.assertIn("loading", told[0]["STATUS"])
        self.assertNotIn("READY", told[0])
        self.assertIn("serving tiny", told[-1]["STATUS"])
        server.process.send_signal(signal.SIGHUP)
        told = self.until(manager, "READY")
        self.assertEqual(told[0]["RELOADING"], "1")
        asked = int(told[0]["MONOTONIC_USEC"])
        self.assertLess(abs(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - asked), 20_000_000)
        server.process.send_signal(signal.SIGTERM)
        told = self.until(manager, "STOPPING")
        self.assertEqual(server.process.wait(20), 0)
        self.assertFalse(any("WATCHDOG" in each for each in told), "nobody asked for it")

    def test_the_watchdog_is_told_while_the_engine_moves(self):
        name = f"fathom-test-{time.monotonic_ns()}"
        manager = self.listen("\0" + name)
        server = self.start("@" + name, WATCHDOG_USEC="600000")
        self.until(manager, "READY")
        times = []
        for _ in range(4):
            self.until(manager, "WATCHDOG")
            times.append(time.monotonic())
        gaps = [b - a for a, b in zip(times, times[1:])]
        self.assertLess(max(gaps), 0.6)
        self.assertGreater(min(gaps), 0.1, "not with every look around")
        server.stop()

    def test_the_watchdog_is_not_told_while_the_engine_stands_still(self):
        name = f"fathom-test-{time.monotonic_ns()}"
        manager = self.listen("\0" + name)
        server = self.start("@" + name, "server.stalled_after_s=0.5", WATCHDOG_USEC="150000")
        ask = threading.Thread(target=lambda: server.stream_lines(PATH, chat_body(max_tokens=900, ignore_eos=True)))
        with StoppedThread(server.process.pid, "engine") as stopped:
            ask.start()
            self.seen(lambda: server.get("/live")[::2] == (503, {"status": "stalled"}))
            self.assertEqual(server.get("/ready")[0], 503)
            self.assertTrue(server.ok_get("/admin/status")["stalled"])
            self.drain(manager)
            manager.settimeout(0.4)
            with self.assertRaises(socket.timeout):
                manager.recv(4096)
            stopped.go_on()
        manager.settimeout(20)
        self.until(manager, "WATCHDOG")
        self.assertEqual(server.get("/live")[0], 200)
        ask.join()

    def test_another_process_has_the_watchdog(self):
        path = str(harness.Folder().path / "notify")
        manager = self.listen(path)
        self.start(path, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
        self.until(manager, "READY")
        manager.settimeout(0.5)
        with self.assertRaises(socket.timeout):
            self.until(manager, "WATCHDOG")

    def test_a_socket_of_another_kind_is_refused(self):
        done = harness.serve("--model", str(harness.model()), "--port", "0",
                      environ={"NOTIFY_SOCKET": "vsock:2:1"})
        self.assertEqual(done.returncode, 1)
        self.assertIn("NOTIFY_SOCKET", done.stderr)

    def test_a_manager_that_went_away_stops_nothing(self):
        server = self.start("/nowhere/notify")
        server.chat()


if __name__ == "__main__":
    unittest.main()
