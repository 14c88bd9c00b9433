"""The files of packaging/: each is given to the program that will read it, where that is installed."""
import json
import pathlib
import re
import shutil
import subprocess
import unittest

import harness

PACKAGING = harness.ROOT / "packaging"
BUILD = pathlib.Path(harness.FATHOM).resolve().parent


def run(*words, **options):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=280, **options)


def need(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


class Files(unittest.TestCase):
    def test_the_configuration_is_one(self):
        done = run(harness.FATHOM, "serve", "--config", PACKAGING / "serve.toml", "--print-config",
                   env=harness.environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('log_format = "json"', done.stdout)
        # What stands there as a comment is right too.
        text = re.sub(r"(?m)^# (?=\[|\w+ = )", "", (PACKAGING / "serve.toml").read_text())
        self.assertIn("\ntls_key", text)
        whole = harness.Folder().path / "serve.toml"
        whole.write_text(text)
        done = run(harness.FATHOM, "serve", "--config", whole, "--print-config", env=harness.environment())
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_manual_page_has_every_command(self):
        listed = run(harness.FATHOM, "--help").stdout.split("Subcommands:")[1].split("\n\n")[0]
        commands = re.findall(r"(?m)^  (\w+) ", listed)
        self.assertIn("serve", commands)
        page = (PACKAGING / "fathom.1").read_text()
        self.assertEqual(commands, re.findall(r"\.TP\n\.B (\w+)\n", page.split(".SH THE SERVICE")[0]))

    @need("man")
    def test_the_manual_page_is_one(self):
        done = run("man", "--warnings", "-l", PACKAGING / "fathom.1", env=harness.environment() | {"LC_ALL": "C.UTF-8"})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("systemctl reload fathom", done.stdout)

    @need("systemd-analyze")
    def test_the_unit_is_one(self):
        unit = harness.Folder().path / "fathom.service"
        text = (PACKAGING / "fathom.service").read_text()
        unit.write_text(text.replace("/usr/bin/fathom", harness.FATHOM))
        done = run("systemd-analyze", "verify", "--man=no", unit)
        about = [line for line in done.stderr.splitlines() if "fathom" in line]
        self.assertEqual((done.returncode, about), (0, []), done.stderr)
        done = run("systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", unit)
        self.assertEqual(done.returncode, 0, done.stdout[-500:] + done.stderr)
        # What the server needs to end well.
        config = run(harness.FATHOM, "serve", "--print-config", env=harness.environment()).stdout
        drain = sum(float(re.search(rf"{key} = ([\d.]+)", config)[1]) for key in ("drain_delay_s", "drain_timeout_s"))
        self.assertGreater(float(re.search(r"TimeoutStopSec=(\d+)", text)[1]), drain + 5)

    def test_images_are_made_of_what_is_there(self):
        text = (PACKAGING / "Containerfile").read_text()
        ignored = (PACKAGING / "Containerfile.containerignore").read_text().splitlines()
        for name in [line[1:] for line in ignored if line.startswith("!")]:
            self.assertTrue((harness.ROOT / name).exists(), name)
        self.assertEqual(ignored[0], "*", "nothing comes along that is not named")
        self.assertIn('ENTRYPOINT ["fathom"]', text)
        self.assertLess(text.index("USER fathom"), text.index("ENTRYPOINT"))
        # RUN is /bin/sh -c: what bash alone reads needs bash.
        for command in re.findall(r"^RUN (?!bash )(?:.*\\\n)*.*", text, re.M):
            for script in re.findall(r"\. (\S+\.sh)", command):
                self.assertEqual(run("dash", "-n", harness.ROOT / script).stderr, "", command)


class Monitoring(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = harness.Folder().path
        server = harness.Server(settings=[f"accounts.database={folder / 'usage.db'}"], wait=False)
        key = run(harness.FATHOM, "keys", "add", "prometheus", "--database", folder / "usage.db").stdout.strip()
        headers = {"Authorization": "Bearer " + key}
        server._until(lambda: server.get("/v1/models", headers)[0] == 200, "the model and the key")
        cls.text = server.get("/metrics", headers)[2]
        server.stop()
        cls.names = set(re.findall(r"# TYPE (fathom_\w+)", cls.text))

    def check(self, expression):
        """Every metric that it names is there."""
        named = re.findall(r"fathom_\w+", expression)
        self.assertTrue(named, expression)
        for name in named:
            self.assertIn(re.sub(r"_(bucket|sum|count)$", "", name), self.names, expression)

    def test_the_dashboard_draws_what_is_measured(self):
        board = json.loads((PACKAGING / "monitoring/grafana.json").read_text())
        targets = [target for panel in board["panels"] for target in panel["targets"]]
        self.assertGreater(len(targets), 20)
        for target in targets:
            self.check(target["expr"])
            for label in re.findall(r"by \((\w+)\)", target["expr"]) + re.findall(r"{{(\w+)}}", target["legendFormat"]):
                self.assertIn(label, ("le", "finished_reason", "reason", "code", "phase"))
        for variable in board["templating"]["list"][1:]:
            self.check(variable["query"]["query"])
        ids = [panel["id"] for panel in board["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        for panel in board["panels"]:
            self.assertLessEqual(panel["gridPos"]["x"] + panel["gridPos"]["w"], 24)

    def test_alarms_are_of_what_is_measured(self):
        for expression in re.findall(r"expr: (.+)", (PACKAGING / "monitoring/alerts.yml").read_text()):
            if not expression.startswith("up{"):
                self.check(expression)

    @need("promtool")
    def test_prometheus_reads_its_files(self):
        folder = harness.Folder().path
        shutil.copytree(PACKAGING / "monitoring", folder / "monitoring")
        (folder / "key").write_text("sk")
        file = folder / "monitoring/prometheus.yml"
        file.write_text(file.read_text().replace("/etc/prometheus/fathom.key", str(folder / "key")))
        done = run("promtool", "check", "config", file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = run("promtool", "check", "metrics", input=self.text)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        board = json.loads((PACKAGING / "monitoring/grafana.json").read_text())
        rules = folder / "rules.yml"
        expressions = [re.sub(r"\$__rate_interval", "5m", target["expr"])
                       for panel in board["panels"] for target in panel["targets"]]
        rules.write_text(json.dumps({"groups": [{"name": "g", "rules": [
            {"record": f"r{i}", "expr": expression} for i, expression in enumerate(expressions)]}]}))
        done = run("promtool", "check", "rules", rules)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


@need("cpack")
@need("dpkg-shlibdeps")
class DebianPackage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = harness.Folder().path
        done = run("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder,
                   env=harness.environment() | {"CCACHE_DISABLE": "1"})
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        cls.package, = cls.folder.glob("fathom_*.deb")
        cls.root = cls.folder / "root"
        run("dpkg-deb", "-R", cls.package, cls.root)

    def test_its_files_are_where_they_are_looked_for(self):
        for path in ("usr/bin/fathom", "lib/systemd/system/fathom.service", "etc/fathom/serve.toml",
                     "usr/share/man/man1/fathom.1", "usr/share/doc/fathom/copyright",
                     "usr/share/doc/fathom/monitoring/grafana.json", "usr/share/doc/fathom/proxy/nginx.conf"):
            self.assertTrue((self.root / path).is_file(), path)
        self.assertTrue((self.root / "usr/bin/fathom").stat().st_mode & 0o111)
        tops = sorted(path.name for path in self.root.iterdir())
        self.assertEqual(tops, ["DEBIAN", "etc", "lib", "usr"])

    def test_what_it_says_of_itself(self):
        fields = dict(line.split(": ", 1) for line in
                      run("dpkg-deb", "-f", self.package).stdout.splitlines() if re.match(r"\S+: ", line))
        self.assertEqual(fields["Package"], "fathom")
        self.assertRegex(fields["Version"], r"^\d+\.\d+\.\d+$")
        for name in ("adduser", "libc6", "libssl3", "libsqlite3-0"):
            self.assertIn(name, fields["Depends"])
        self.assertEqual((self.root / "DEBIAN/conffiles").read_text(), "/etc/fathom/serve.toml\n")

    def test_its_scripts_are_such(self):
        for name in ("postinst", "prerm", "postrm"):
            script = self.root / "DEBIAN" / name
            self.assertEqual(oct(script.stat().st_mode & 0o777), "0o755", name)
            self.assertEqual(run("sh", "-n", script).stderr, "")

    def test_its_program_runs_and_reads_its_configuration(self):
        program = self.root / "usr/bin/fathom"
        self.assertIn("fathom", run(program, "--version").stdout)
        done = run(program, "serve", "--config", self.root / "etc/fathom/serve.toml", env=harness.environment())
        self.assertEqual(done.returncode, 1)
        self.assertIn("no model", done.stderr)


if __name__ == "__main__":
    unittest.main()
