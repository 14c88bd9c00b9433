// Which built-in template a checkpoint has. A template is accepted only if its normal form is one
// that was read and reproduced; features of the text merely serve to suggest a name in the error.
#include <fmt/format.h>

#include <array>

#include "base/check.h"
#include "tokenizer/chat/normal_form.h"
#include "tokenizer/chat/template.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kMaxTemplateBytes = size_t{1} << 20;

struct KnownTemplate {
  u64 hash;  // of the normal form, as tools/make_chat_golden.py prints it
  std::string_view name;
};
constexpr std::array kKnown = {
    KnownTemplate{0x36d31c9d1b356906, "deepseek-v2"},
    KnownTemplate{0x64d2023d10b319db, "deepseek-v2.5"},
    KnownTemplate{0x44057f4caedd0506, "deepseek-v3"},
    KnownTemplate{0x30a2375f521d544b, "deepseek-v3-0324"},
    KnownTemplate{0x90d11a66a1279f3c, "deepseek-r1"},
    KnownTemplate{0xccad68090d153d52, "deepseek-r1-plain"},
    KnownTemplate{0x121771d7fc67f0a0, "deepseek-r1-0528"},
    KnownTemplate{0x96a70bc14ff9c5a9, "deepseek-r1-distill"},
    KnownTemplate{0x567ba96ab8a02041, "deepseek-r1-distill-plain"},
    KnownTemplate{0xf9422e8037786fd7, "deepseek-v3.1"},
    KnownTemplate{0xe5527221b47911f7, "deepseek-v3.2-exp"},
    KnownTemplate{0x4daef9822d6267a5, "moonlight"},
    KnownTemplate{0x1883a067e00d7508, "smollm2"},
};

/// The built-in template that an unknown one resembles, or "": the first line whose words occur.
std::string_view resembles(std::string_view jinja) {
  struct Feature {
    std::string_view first, second, name;
  };
  constexpr std::array kFeatures = {
      Feature{"DSML", "", "deepseek-v3.2"},
      Feature{"is_only_sys", "", "deepseek-v3.2-exp"},
      Feature{"<｜Assistant｜></think>", "", "deepseek-v3.1"},
      Feature{"is_last_user", "</think>", "deepseek-r1-0528"},
      Feature{"is_last_user", "", "deepseek-v3-0324"},
      Feature{"<｜User｜>", "<think>", "deepseek-r1"},
      Feature{"<｜User｜>", "is_first_sp", "deepseek-v3"},
      Feature{"<｜User｜>", "", "deepseek-v2.5"},
      Feature{"'User: '", "'Assistant:'", "deepseek-v2"},
      Feature{"<|im_middle|>", "", "moonlight"},
      Feature{"<|im_start|>", "SmolLM", "smollm2"},
  };
  for (const Feature& feature : kFeatures) {
    if (jinja.find(feature.first) != std::string_view::npos &&
        jinja.find(feature.second) != std::string_view::npos) {
      return feature.name;
    }
  }
  return {};
}

std::string built_in_names() {
  std::string names;
  for (const ChatTemplate& chat_template : chat_templates()) {
    names += (names.empty() ? "" : ", ") + std::string(chat_template.name);
  }
  return names;
}

}  // namespace

Result<const ChatTemplate*> recognise_chat_template(std::optional<std::string_view> chat_template,
                                                    std::string_view model_type,
                                                    std::string_view where) {
  if (!chat_template) {
    if (model_type == "deepseek_v32") return find_chat_template("deepseek-v3.2");
    return unsupported(
        fmt::format("{}: the checkpoint has no chat template; choose one with --chat-template: {}",
                    where, built_in_names()));
  }
  if (chat_template->size() > kMaxTemplateBytes) {
    return invalid_input(fmt::format("{}: chat_template: expected at most {} bytes, found {}",
                                     where, kMaxTemplateBytes, chat_template->size()));
  }
  const std::optional<u64> hash = chat_template_hash(*chat_template);
  for (const KnownTemplate& known : kKnown) {
    if (hash != known.hash) continue;
    const ChatTemplate* found = find_chat_template(known.name);
    FATHOM_CHECK(found != nullptr, "no chat template is named ", known.name);
    return found;
  }
  const std::string_view similar = resembles(*chat_template);
  return unsupported(fmt::format(
      "{}: chat_template: not a template that is built in{}; template programs are not run, so "
      "choose one with --chat-template: {}",
      where, similar.empty() ? "" : fmt::format(" (it resembles {})", similar), built_in_names()));
}

}  // namespace fathom::tokenizer
