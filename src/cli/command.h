#pragma once
// A command of the one binary. Each lives in a file of its own and is listed in commands.cc.
#include <memory>
#include <span>

#include "cli/arguments/arguments.h"

namespace fathom::cli {

/// `add` declares the subcommand and its options on the parser, which fills the command's fields;
/// `run` does the work and returns the exit code. Errors are thrown and reach main.
class Command {
 public:
  virtual ~Command() = default;
  virtual Arguments add(Arguments& app) = 0;
  virtual int run() = 0;
};

/// One new command object each, in the order of `fathom --help`.
std::span<const std::unique_ptr<Command>> commands();

std::unique_ptr<Command> make_inspect();
std::unique_ptr<Command> make_generate();
std::unique_ptr<Command> make_chat();
std::unique_ptr<Command> make_serve();
std::unique_ptr<Command> make_route();
std::unique_ptr<Command> make_score();
std::unique_ptr<Command> make_eval();
std::unique_ptr<Command> make_tokenizer();
std::unique_ptr<Command> make_convert();
std::unique_ptr<Command> make_init();
std::unique_ptr<Command> make_bench();
std::unique_ptr<Command> make_train();
std::unique_ptr<Command> make_plan();
std::unique_ptr<Command> make_report();
std::unique_ptr<Command> make_keys();
std::unique_ptr<Command> make_usage();

inline constexpr int kExitOk = 0;
inline constexpr int kExitUserError = 1;
inline constexpr int kExitInternalError = 2;
inline constexpr int kExitInterrupted = 130;  // 128 + SIGINT, as shells expect

}  // namespace fathom::cli
