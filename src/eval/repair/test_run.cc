#include "eval/repair/test_run.h"

#include "eval/text/python_json.h"
#include "io/json.h"
#include "report/page/html_text.h"

namespace fathom::eval {
namespace {

/// In front of it stand ARCHIVE, FILES, COMMAND, REPEATS as literals.
constexpr std::string_view kProgram = R"py(
import base64, io, json, os, subprocess, sys, tarfile, tempfile
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    archive = base64.b64decode(ARCHIVE)
    if archive:
        tarfile.open(fileobj=io.BytesIO(archive)).extractall()
    for path, text in json.loads(FILES).items():
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", newline="") as file:
            file.write(text)
    line = os.urandom(16).hex()
    done = subprocess.run(["/bin/sh", "-c", COMMAND], input=(line + "\n" if REPEATS else "").encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = done.stdout.rstrip().replace(folder.encode() + b"/", b"")  # drawn anew in each run
    passed = done.returncode == 0 and (not REPEATS or said.endswith(line.encode()))
    if REPEATS:
        said = said.replace(line.encode(), b"")
    sys.stdout.buffer.write(said[-20000:] + b"\n")
    sys.stdout.flush()
    os.chdir("/")
assert passed
)py";

/// JSON's texts are Python's.
std::string literal(const std::string& text) { return python_json(io::JsonValue(text)); }

}  // namespace

TestOutcome run_tests(const Sandbox& sandbox, const TestRun& run) {
  io::JsonObject files;
  for (const auto& [path, text] : run.files) files.set(path, text);
  std::string program = "ARCHIVE = \"" + report::base64(run.archive) + "\"\n";
  program += "FILES = " + literal(python_json(io::JsonValue(std::move(files)))) + "\n";
  program += "COMMAND = " + literal(run.command) + "\n";
  program += std::string("REPEATS = ") + (run.repeats_line ? "True" : "False") + "\n";
  program += kProgram;
  const RunOutcome outcome =
      sandbox.run("python", program,
                  {.wall_s = run.wall_s, .memory_bytes = run.memory_bytes, .of_data = run.of_data});
  TestOutcome result{.passed = outcome.passed, .timed_out = outcome.timed_out, .output = {}};
  result.output = outcome.timed_out ? "the tests did not end in time\n" : outcome.output;
  return result;
}

}  // namespace fathom::eval
