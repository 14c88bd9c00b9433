#include "eval/text/regex.h"

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "base/types.h"

namespace fathom::eval {
namespace {

constexpr u32 kMaxMatchSteps = 10'000'000;  // a task file must not stop a run for hours

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

}  // namespace

struct Regex::Impl {
  std::string pattern;
  std::unique_ptr<pcre2_code, FreeCode> code;
  std::unique_ptr<pcre2_match_context, FreeContext> context;
  std::unique_ptr<pcre2_match_data, FreeData> data;
  u32 groups = 0;

  /// Offsets of the match and its groups in match_data(), or false.
  bool match(std::string_view text, size_t from, u32 options = 0) const {
    const int found = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                  text.size(), from, options, data.get(), context.get());
    if (found == PCRE2_ERROR_NOMATCH) return false;
    if (found < 0) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("regular expression \"{}\": a match takes more than {} steps",
                              pattern, kMaxMatchSteps));
    }
    return true;
  }
  std::pair<size_t, size_t> group(u32 index) const {
    const PCRE2_SIZE* const offsets = pcre2_get_ovector_pointer(data.get());
    return {offsets[2 * index], offsets[2 * index + 1]};
  }
  /// All matches from left to right; an empty one is not repeated in place.
  template <typename F>
  void for_each(std::string_view text, F on_match) const {
    size_t from = 0;
    while (from <= text.size() && match(text, from)) {
      const auto [begin, end] = group(0);
      on_match(begin, end);
      from = end;
      if (end > begin) continue;
      ++from;  // over a whole character
      while (from < text.size() && (static_cast<u8>(text[from]) & 0xC0) == 0x80) ++from;
    }
  }
};

Regex::Regex(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

Result<Regex> Regex::compile(std::string_view pattern) {
  auto impl = std::make_unique<Impl>();
  impl->pattern = pattern;
  int error = 0;
  PCRE2_SIZE offset = 0;
  impl->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                                 nullptr));
  if (!impl->code) {
    PCRE2_UCHAR message[200];
    pcre2_get_error_message(error, message, sizeof message);
    return invalid_input(fmt::format("regular expression \"{}\": {} at byte {}", pattern,
                                     reinterpret_cast<const char*>(message), offset));
  }
  impl->context.reset(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(impl->context.get(), kMaxMatchSteps);
  impl->data.reset(pcre2_match_data_create_from_pattern(impl->code.get(), nullptr));
  pcre2_pattern_info(impl->code.get(), PCRE2_INFO_CAPTURECOUNT, &impl->groups);
  return Regex(std::move(impl));
}

std::vector<std::vector<std::string>> Regex::find_all(std::string_view text) const {
  std::vector<std::vector<std::string>> all;
  impl_->for_each(text, [&](size_t begin, size_t end) {
    std::vector<std::string> groups;
    if (impl_->groups == 0) groups.emplace_back(text.substr(begin, end - begin));
    for (u32 i = 1; i <= impl_->groups; ++i) {
      const auto [from, to] = impl_->group(i);
      groups.emplace_back(from == PCRE2_UNSET ? std::string_view() : text.substr(from, to - from));
    }
    all.push_back(std::move(groups));
  });
  return all;
}

std::optional<std::pair<size_t, size_t>> Regex::find(std::string_view text, size_t from) const {
  if (from > text.size() || !impl_->match(text, from)) return std::nullopt;
  return impl_->group(0);
}

namespace {

void append_replacement(const auto& match, std::string_view text, std::string_view to,
                        std::string& out) {
  for (size_t i = 0; i < to.size(); ++i) {
    const bool group = to[i] == '\\' && i + 1 < to.size() && to[i + 1] >= '1' && to[i + 1] <= '9';
    if (!group) {
      out += to[i];
      continue;
    }
    const auto index = static_cast<u32>(to[++i] - '0');
    if (index > match.groups) continue;
    const auto [begin, end] = match.group(index);
    if (begin != PCRE2_UNSET) out += text.substr(begin, end - begin);
  }
}

}  // namespace

std::string Regex::replace(std::string_view text, std::string_view to) const {
  std::string out;
  size_t at = 0;
  impl_->for_each(text, [&](size_t begin, size_t end) {
    out += text.substr(at, begin - at);
    append_replacement(*impl_, text, to, out);
    at = end;
  });
  return out += text.substr(at);
}

}  // namespace fathom::eval
