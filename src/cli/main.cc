// The one binary. This is one of the four places that catch everything: exit 0, 1 for the user's
// error (one clear message, no stack trace), 2 for ours.
#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/text.h"
#include "cli/arguments/arguments.h"
#include "cli/arguments/every_value.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "comm/job.h"

namespace fathom::cli {
namespace {

struct GlobalOptions {
  bool verbose = false;
  bool quiet = false;
  int threads = 0;
  bool pin_threads = false;
};

void print_error(std::string_view message) {
  std::fprintf(stderr, "fathom: %s\n", printable(message).c_str());
}

/// The flags and subcommands that may stand where `app` was parsing.
std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!sub->get_name().empty()) {
      names.push_back(sub->get_name());
      continue;
    }
    const std::vector<std::string> grouped = names_of(*sub);  // an option group has no name
    names.insert(names.end(), grouped.begin(), grouped.end());
  }
  return names;
}

/// The deepest subcommand that was recognised.
const CLI::App& innermost(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : innermost(*parsed.front());
}

/// Words that no command and no option took, the likeliest cause of whatever else is missing.
void print_unknown(const std::vector<std::string>& unknown, const CLI::App& scope) {
  const std::vector<std::string> names = names_of(scope);
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  for (const std::string& word : unknown) {
    const std::string name = word.substr(0, word.find('='));
    const std::string nearest = nearest_name(name, candidates);
    const bool option = name.starts_with('-');
    std::string line = (option ? "unknown option " : "unknown command or argument ") + name;
    if (!nearest.empty()) line += "; did you mean " + nearest + "?";
    print_error(line);
    if (option) break;  // what follows may be its value
  }
}

void print_parse_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& scope = innermost(app);
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  if (unknown.empty()) {
    print_error(error.what());
  } else {
    print_unknown(unknown, scope);
  }
  std::string path;
  for (const CLI::App* at = &scope; at != nullptr; at = at->get_parent()) {
    path = fmt::format("{} {}", at->get_name(), path);
  }
  print_error("try: " + path + "--help");
}

int print_help(const CLI::App& app, const CLI::ParseError& asked) {
  std::ostringstream text;
  const int code = app.exit(asked, text, text);
  out::write(text.str());
  return code;
}

/// Signals that would end the process where a call says what is wrong: a write to a pipe that
/// nobody reads, a file too long for `ulimit -f`. What they would have done is kept.
struct FailedWriteSignals {
  FailedWriteSignals() : broken_pipe(::signal(SIGPIPE, SIG_IGN)) { ::signal(SIGXFSZ, SIG_IGN); }
  decltype(SIG_DFL) broken_pipe;
};

/// A full disk must not look like success to a script; without a reader the process ends as shells
/// expect of it (`fathom ... | head`).
int refuse_stdout(const OutputFailed& failure, const FailedWriteSignals& signals) {
  if (failure.code() == EPIPE && signals.broken_pipe == SIG_DFL) {
    ::signal(SIGPIPE, SIG_DFL);
    ::raise(SIGPIPE);
  }
  print_error(std::string("writing to stdout failed: ") + std::strerror(failure.code()));
  return kExitUserError;
}

int run_caught(const std::function<int()>& work) {
  try {
    return work();
  } catch (const OutputFailed&) {
    throw;
  } catch (const Interrupted&) {
    print_error("interrupted");
    return kExitInterrupted;
  } catch (const comm::LostRanks& lost) {
    print_error(lost.message());
    return comm::kExitLostRanks;
  } catch (const Error& error) {
    print_error(error.message());
    return error.code() == ErrorCode::kInternal ? kExitInternalError : kExitUserError;
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
    return kExitUserError;
  } catch (const std::system_error& error) {  // a path or a file that the system refuses
    print_error(error.what());
    return kExitUserError;
  } catch (const std::exception& error) {  // InternalError and anything unforeseen: our bug
    print_error(std::string("internal error: ") + error.what());
    return kExitInternalError;
  }
}

int run_guarded(const std::function<int()>& work, const FailedWriteSignals& signals) {
  try {
    const int code = run_caught(work);
    out::flush();  // also what stood before an error
    return code;
  } catch (const OutputFailed& failure) {
    return refuse_stdout(failure, signals);
  }
}

void add_global_options(Arguments& arguments, GlobalOptions& options) {
  arguments.add_flag("--verbose", options.verbose, "Log more to stderr");
  arguments.add_flag("--quiet", options.quiet, "Log errors only");
  arguments
      .add_option(
          "--threads", options.threads,
          "CPU threads; default: all CPUs, at most the control group's CPU quota rounded up")
      .check(integer_between(1, 1024));
  arguments.add_flag("--pin-threads", options.pin_threads,
                     "Keep each on a CPU of its own: for a machine that runs nothing else");
}

/// Reads the command line and does what it asks for.
int run_command_line(int argc, char** argv) {
  CLI::App app("fathom: train, evaluate and serve DeepSeek-V3-class language models", "fathom");
  app.set_version_flag("--version", "fathom 0.1.0");
  app.require_subcommand(1);
  app.fallthrough();
  GlobalOptions options;
  Arguments arguments(app);
  add_global_options(arguments, options);
  app.footer(
      "Models are Hugging Face directories (config.json, *.safetensors, tokenizer.json).\n"
      "Results go to stdout, messages to stderr. FATHOM_CPU_ISA=scalar|avx2|avx512|avx512_bf16|amx "
      "forces\nan instruction set. Exit codes: 0 success, 1 your input, 2 our bug, 3 ranks "
      "were lost,\n130 interrupted.");

  Command* chosen = nullptr;
  for (const auto& command : commands()) {
    CLI::App& parser = command->add(arguments).parser();
    parser.final_callback([&chosen, raw = command.get()] { chosen = raw; });
  }
  check_every_value(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return print_help(app, error);  // --help, --version
    print_parse_error(app, error);
    return kExitUserError;
  }
  if (options.verbose) log::set_level(log::Level::kDebug);
  if (options.quiet) log::set_level(log::Level::kError);
  if (options.threads > 0) set_num_threads(options.threads);
  if (options.pin_threads) pin_threads();
  return chosen->run();
}

int run(int argc, char** argv) {
  occupy_closed_streams();
  const FailedWriteSignals signals;
  return run_guarded([&] { return run_command_line(argc, argv); }, signals);
}

}  // namespace
}  // namespace fathom::cli

int main(int argc, char** argv) { return fathom::cli::run(argc, argv); }
