#include "config/model/quantization_targets.h"

#include <algorithm>

namespace fathom {
namespace {

/// More stars than any such list has: matching them all takes too long.
constexpr i64 kMaxStars = 4;

bool matches_beginning(std::string_view pattern, std::string_view text);

/// "(a|b)rest": one of the alternatives, then the rest.
bool matches_choice(std::string_view pattern, std::string_view text) {
  const size_t end = pattern.find(')');
  if (end == pattern.npos) return false;
  std::string_view choices = pattern.substr(1, end - 1);
  while (true) {
    const size_t bar = std::min(choices.find('|'), choices.size());
    const std::string_view choice = choices.substr(0, bar);
    const bool plain = choice.find_first_of("\\.*+?[](){}^$") == choice.npos;
    if (plain && text.starts_with(choice) &&
        matches_beginning(pattern.substr(end + 1), text.substr(bar))) {
      return true;
    }
    if (bar == choices.size()) return false;
    choices.remove_prefix(bar + 1);
  }
}

bool matches_beginning(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return true;
  if (pattern == "$") return text.empty();
  if (pattern[0] == '(') return matches_choice(pattern, text);
  const bool escaped = pattern[0] == '\\' && pattern.size() > 1;
  const char wanted = pattern[escaped ? 1 : 0];
  if (!escaped && std::string_view("[]{}+?*^|)").find(wanted) != std::string_view::npos)
    return false;
  const auto fits = [&](char c) { return (!escaped && wanted == '.') || c == wanted; };
  pattern.remove_prefix(escaped ? 2 : 1);
  if (!pattern.starts_with('*')) {
    return !text.empty() && fits(text[0]) && matches_beginning(pattern, text.substr(1));
  }
  pattern.remove_prefix(1);
  for (;; text.remove_prefix(1)) {
    if (matches_beginning(pattern, text)) return true;
    if (text.empty() || !fits(text[0])) return false;
  }
}

/// Of a config in DeepSeek's form.
const QuantizationGroup* released_group(const QuantizationConfig& quantization,
                                        std::string_view module) {
  static const QuantizationGroup kFp8 = {.is_fp8 = true};
  const auto holds = [module](const std::string& name) {
    return module == name || (module.starts_with(name) && module.substr(name.size())[0] == '.');
  };
  return std::ranges::any_of(quantization.ignore, holds) ? nullptr : &kFp8;
}

bool any_matches(const std::vector<std::string>& targets, std::string_view module) {
  return std::ranges::any_of(
      targets, [module](const std::string& target) { return matches_target(target, module); });
}

}  // namespace

std::string module_of(const Parameter& parameter) {
  return parameter.name.substr(0, parameter.name.rfind('.'));
}

std::string_view target_of(ModelPart part) {
  switch (part) {
    case ModelPart::kAttention:
      return R"(re:.*\.self_attn\..*)";
    case ModelPart::kDenseFfn:
      return R"(re:.*\.mlp\.(gate|up|gate_up|down)_proj$)";
    case ModelPart::kRoutedExperts:
      return R"(re:.*\.mlp\.experts\..*)";
    case ModelPart::kSharedExperts:
      return R"(re:.*\.mlp\.shared_experts\..*)";
    default:
      return "";
  }
}

bool matches_target(std::string_view target, std::string_view module) {
  if (!target.starts_with("re:")) return target == module;
  return std::ranges::count(target, '*') <= kMaxStars &&
         matches_beginning(target.substr(3), module);
}

const QuantizationGroup* group_of(const QuantizationConfig& quantization, std::string_view module) {
  if (!quantization.is_compressed_tensors()) return released_group(quantization, module);
  if (any_matches(quantization.ignore, module)) return nullptr;
  for (const QuantizationGroup& group : quantization.groups) {
    if (any_matches(group.targets, module)) return &group;
  }
  for (const QuantizationGroup& group : quantization.groups) {
    if (std::ranges::find(group.targets, "Linear") != group.targets.end()) return &group;
  }
  return nullptr;
}

}  // namespace fathom
