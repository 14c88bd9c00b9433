#include "eval/repair/edit_prompt.h"

#include <fmt/format.h>

namespace fathom::eval {

std::string edit_instructions() {
  return R"(Answer with changes as SEARCH/REPLACE blocks, each in this form: the file's path alone on a line, a fence, and between the marks first lines that stand in the file exactly so, then the lines that come in their place.

path/to/file.py
```python
<<<<<<< SEARCH
def greet():
    print("hi")
=======
def greet():
    print("hello")
>>>>>>> REPLACE
```

A block replaces the first place where its SEARCH lines stand, white space included. An empty SEARCH part adds to the end of a file or makes a new one. Keep blocks short and give several where several places change.)";
}

std::string shown_files(const Files& files) {
  std::string text;
  for (const auto& [path, content] : files) {
    const bool ends = content.empty() || content.ends_with('\n');
    text += fmt::format("{}{}\n```\n{}{}```\n", text.empty() ? "" : "\n", path, content,
                        ends ? "" : "\n");
  }
  return text;
}

std::vector<std::string> paths_of(const Files& files) {
  std::vector<std::string> paths;
  for (const auto& each : files) paths.push_back(each.first);
  return paths;
}

std::string problem_of(const EditOutcome& outcome) {
  if (!outcome.malformed.empty()) return outcome.malformed;
  if (outcome.failed.empty()) return {};
  return fmt::format("{} of {} blocks were not found; the first one searched in {} for:\n{}",
                     outcome.failed.size(), outcome.blocks, outcome.failed.front().path,
                     outcome.failed.front().search);
}

}  // namespace fathom::eval
