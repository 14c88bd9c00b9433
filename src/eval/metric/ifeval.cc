#include "eval/metric/ifeval.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "eval/metric/ifeval_checks.h"
#include "eval/text/python_text.h"

namespace fathom::eval {
namespace {

using io::JsonValue;

/// The answer as it is, and without its first or last line or both; each with and without stars.
std::vector<std::string> variants_of(const std::string& answer) {
  const std::vector<std::string> lines = split(answer, "\n");
  const auto part = [&](size_t begin, size_t end) {
    std::vector<std::string> kept;
    for (size_t i = begin; i < std::min(end, lines.size()); ++i) kept.push_back(lines[i]);
    return std::string(strip(join(kept, "\n")));
  };
  std::vector<std::string> all = {answer, part(1, lines.size()), part(0, lines.size() - 1),
                                  part(1, lines.size() - 1)};
  for (size_t i = 0; i < 4; ++i) all.push_back(replace_all(all[i], "*", ""));
  return all;
}

}  // namespace

Result<std::vector<bool>> followed_instructions(const JsonValue& document,
                                                const std::string& answer, bool loose) {
  const auto names = io::get_array(document, "instruction_id_list", "IFEval");
  if (!names) return tl::unexpected(names.error());
  const auto settings = io::get_array(document, "kwargs", "IFEval");
  if (!settings) return tl::unexpected(settings.error());
  if ((*names)->size() != (*settings)->size()) {
    return invalid_input("IFEval: kwargs: expected one for each of instruction_id_list");
  }
  const std::vector<std::string> answers =
      loose ? variants_of(answer) : std::vector<std::string>{answer};
  std::vector<bool> followed;
  for (size_t i = 0; i < (*names)->size(); ++i) {
    const JsonValue& name = (**names)[i];
    const InstructionCheck check = name.is_string() ? find_check(name.as_string()) : nullptr;
    if (check == nullptr) {
      return invalid_input("IFEval: instruction_id_list: no instruction " + io::describe(name));
    }
    const InstructionSettings own((**settings)[i]);
    bool any = false;
    for (const std::string& each : answers) any = any || (!strip(each).empty() && check(each, own));
    if (!own.missing().empty()) {
      return invalid_input(fmt::format("IFEval: kwargs: {} of {} is missing or of another type",
                                       own.missing(), name.as_string()));
    }
    followed.push_back(any);
  }
  return followed;
}

}  // namespace fathom::eval
