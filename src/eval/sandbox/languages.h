#pragma once
// In what languages programs are run, and how each one says that it came to its end. Internal to
// sandbox/.
#include <string>
#include <string_view>

namespace fathom::eval {

/// Behind the program's last line stands one of ours: descriptor 3 holds the secret, 4 takes it.
struct Language {
  std::string_view name;     // as MultiPL-E's sets spell it
  std::string_view file;     // the program's name in /tmp
  std::string_view program;  // in /usr/bin, that runs or compiles it
  std::string_view command;  // a line for /bin/sh in /tmp; empty: the program on the file
  std::string_view head, tail;
  bool tail_in_main = false;     // the tail goes before the last }, that of main()
  bool reserves_memory = false;  // of addresses, far more than it uses: limited by its data
  std::string_view probe;        // what the sets' tests need, beside the language itself
};

/// Null: not one of them.
const Language* find_language(std::string_view name);
/// Their names, separated by ", ".
std::string language_names();
/// The program with its head and tail.
std::string with_tail(const Language& language, std::string_view program);

}  // namespace fathom::eval
