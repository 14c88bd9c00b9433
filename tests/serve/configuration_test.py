"""What a server is told: flags, environment, file, and what of it is wrong."""
import unittest

import harness


class Configuration(unittest.TestCase):
    def resolved(self, *arguments, environ=None):
        done = harness.serve("--print-config", *arguments, environ=environ)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_flags_stand_above_the_environment_and_that_above_the_file(self):
        file = harness.Folder().path / "serve.toml"
        file.write_text('[server]\nport = 1000\nhost = "::1"\n[limits]\nidle_s = 7\n')
        environ = {"FATHOM_SERVE_SERVER_PORT": "2000", "FATHOM_SERVE_API_STRICT_FIELDS": "true"}
        text = self.resolved("--config", str(file), environ=environ)
        self.assertIn("port = 2000", text)
        self.assertIn('host = "::1"', text)
        self.assertRegex(text, r"idle_s = 7")
        self.assertIn("strict_fields = true", text)
        self.assertIn("port = 3000", self.resolved("--config", str(file), "--port", "3000",
                                                   environ=environ))

    def test_what_is_unknown_is_refused(self):
        file = harness.Folder().path / "serve.toml"
        file.write_text("[server]\nprot = 1000\n")
        for done, word in ((harness.serve("--config", str(file)), "prot"),
                           (harness.serve("--set", "server.prot=1"), "prot"),
                           (harness.serve(environ={"FATHOM_SERVE_SERVER_PROT": "1"}), "SERVER_PROT"),
                           (harness.serve("--port", "70000"), "70000"),
                           (harness.serve("--config", "/nowhere.toml"), "/nowhere.toml"),
                           (harness.serve("--set", "model.activations=fp9"), "fp9"),
                           (harness.serve("--set", "server.log_level=loud"), "loud"),
                           (harness.serve("--set", 'server.allowed_origins=["*"]'), '"*"'),
                           (harness.serve("--set", 'server.allowed_origins=["https://a.b/"]'), '"https://a.b/"'),
                           (harness.serve("--model", str(harness.model()), "--port", "0",
                                   "--set", 'server.trusted_proxies=["10.0.0.0/99"]'), "10.0.0.0/99"),
                           (harness.serve("--model", str(harness.model()), "--port", "0", "--set", f"cache.directory={file}"), f"cache.directory: {file}"),
                           (harness.serve("--model", str(harness.model()), "--port", "0", "--set", "cache.directory=/proc/none"), "cache.directory: /proc/none"),
                           (harness.serve(), "--model"),
                           (harness.serve("--model", "x", "--host", "0.0.0.0"), "0.0.0.0")):
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(word, done.stderr)

    def test_lists_that_are_wrong_are_named_with_their_file(self):
        file = harness.Folder().path / "serve.toml"
        for key, wrong in (("trusted_proxies", "10.0.0.0/99"), ("allowed_origins", "https://a.b/")):
            file.write_text(f'[server]\n{key} = ["{wrong}"]\n')
            done = harness.serve("--config", str(file), "--print-config")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(f"{file}: server.{key}", done.stderr)
            self.assertIn(f'found "{wrong}"', done.stderr)

    def test_a_model_that_is_wrong_is_seen_before_anybody_connects(self):
        folder = harness.Folder().path
        (folder / "config.json").write_text("{}")
        (folder / "a.gguf").write_text("no GGUF")
        for words, said in (((folder / "none",), "none"), ((folder / "a.gguf",), "a.gguf"),
                            ((folder,), "config.json"),
                            ((harness.model(), "--chat-template", "deepsek-v3"), "deepseek-v3")):
            done = harness.serve("--model", *map(str, words), "--port", "0")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(said, done.stderr)
            self.assertNotIn("listening", done.stderr)

    def test_a_port_that_is_taken(self):
        server = harness.Server()
        done = harness.serve("--model", str(harness.model()), "--port", str(server.port))
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(server.port), done.stderr)


if __name__ == "__main__":
    unittest.main()
