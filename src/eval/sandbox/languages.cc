#include "eval/sandbox/languages.h"

namespace fathom::eval {
namespace {

constexpr Language kLanguages[] = {
    {.name = "python",
     .file = "program.py",
     .program = "python3",
     .command = "exec /usr/bin/python3 -I -B /tmp/program.py",
     .tail = "\n\nimport os as _os\n_os.write(4, _os.pread(3, 64, 0))\n"},
    {.name = "sh", .file = "program.sh", .program = "bash", .tail = "\nhead -c 64 <&3 >&4\n"},
    {.name = "js",
     .file = "program.js",
     .program = "node",
     .tail = "\n;{const f=require('fs'),b=Buffer.alloc(64);"
             "f.writeSync(4,b,0,f.readSync(3,b,0,64,0));}\n",
     .reserves_memory = true},
    {.name = "pl",
     .file = "program.pl",
     .program = "perl",
     .tail =
         "\n{open(my $i,'<&=',3);read($i,my $s,64);open(my $o,'>&=',4);print $o $s;close($o);}\n",
     .probe = "use Test::Deep;\n"},
    {.name = "cpp",
     .file = "program.cpp",
     .program = "g++",
     .command = "g++ -std=c++17 -O1 -o /tmp/program /tmp/program.cpp && exec /tmp/program",
     .head = "#include <unistd.h>\n",
     .tail = "{char s[64];(void)!write(4,s,static_cast<size_t>(pread(3,s,64,0)));}",
     .tail_in_main = true,
     .probe = "#include <bits/stdc++.h>\nint main() {}\n"},
};

/// Other spellings of the same.
struct Spelling {
  std::string_view written, name;
};
constexpr Spelling kSpellings[] = {{"py", "python"},     {"bash", "sh"}, {"javascript", "js"},
                                   {"node", "js"},       {"perl", "pl"}, {"c++", "cpp"},
                                   {"python3", "python"}};

}  // namespace

const Language* find_language(std::string_view name) {
  for (const Spelling& each : kSpellings) {
    if (each.written == name) name = each.name;
  }
  for (const Language& each : kLanguages) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

std::string language_names() {
  std::string names;
  for (const Language& each : kLanguages) {
    names += (names.empty() ? "" : ", ") + std::string(each.name);
  }
  return names;
}

std::string with_tail(const Language& language, std::string_view program) {
  std::string text = std::string(language.head) + std::string(program);
  const size_t end = language.tail_in_main ? text.rfind('}') : text.size();
  text.insert(end == text.npos ? text.size() : end, language.tail);
  return text;
}

}  // namespace fathom::eval
