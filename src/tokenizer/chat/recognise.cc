// Which built-in template a checkpoint has. A template is accepted only if its normal form is one
// that was read and reproduced; features of the text merely serve to suggest a name in the error.
#include <fmt/format.h>

#include <array>

#include "base/check.h"
#include "tokenizer/chat/loose_form.h"
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
};

/// The same for the loose form, as tools/make_wild_chat_golden.py prints it. Of templates that
/// differ in their default system text alone, the last takes any text that is none of the others'.
constexpr std::array kKnownLoosely = {
    KnownTemplate{0xf797c9607d44c523, "chatml"},
    KnownTemplate{0x1e59b09c5c7e3913, "smollm2"},
    KnownTemplate{0x1e59b09c5c7e3913, "qwen2"},
    KnownTemplate{0xd9d2b2186b6d94a8, "qwen2.5"},
    KnownTemplate{0x25c3a32e23a7a8f9, "qwen3"},
    KnownTemplate{0xf20179cf11c9c822, "qwen3"},
    KnownTemplate{0xd211c890bf274fcc, "llama-3"},
    KnownTemplate{0x2cec61f51c24dc64, "llama-3"},
    KnownTemplate{0x4ec127ba25ad00d0, "llama-3.1"},
    KnownTemplate{0x21311e21b0e46914, "llama-3.2"},
    KnownTemplate{0x2abc623731d5751e, "kimi-k2-0711"},
    KnownTemplate{0xeb49eed8bc6b479b, "kimi-k2"},
    KnownTemplate{0xffeaf638881f1c35, "kimi-k2-thinking"},
    KnownTemplate{0xa7b02f527f480ede, "deepseek-r1"},
    KnownTemplate{0x1a0c0cbe8cf493bb, "deepseek-r1-distill"},
    KnownTemplate{0x86309e937b3388cb, "deepseek-v3.1"},
};

RecognisedChatTemplate built_in(std::string_view name) {
  const ChatTemplate* found = find_chat_template(name);
  FATHOM_CHECK(found != nullptr, "no chat template is named ", name);
  return {.chat_template = found};
}

std::optional<RecognisedChatTemplate> recognise_loosely(std::string_view jinja) {
  const auto form = chat_template_loose_form(jinja);
  if (!form) return std::nullopt;
  const u64 hash = fnv1a(form->text);
  std::optional<RecognisedChatTemplate> found;
  for (const KnownTemplate& known : kKnownLoosely) {
    if (hash != known.hash) continue;
    found = built_in(known.name);
    const ChatTraits& traits = found->chat_template->traits;
    if (form->default_system == traits.default_system) return found;
    found->texts.default_system = form->default_system;
    // A template that asks for the present day only falls back on the date that it names.
    if (!traits.default_date.empty()) found->texts.default_date = form->default_date;
  }
  return found;
}

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
      Feature{"<|im_middle|>", "<|tool_calls_section_begin|>", "kimi-k2"},
      Feature{"<|im_middle|>", "", "moonlight"},
      Feature{"<think>", "reasoning_content", "qwen3"},
      Feature{"<|im_start|>", "<tool_call>", "qwen2.5"},
      Feature{"<|im_start|>", "", "chatml"},
      Feature{"date_string", "<|start_header_id|>", "llama-3.1"},
      Feature{"<|start_header_id|>", "", "llama-3"},
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

Result<RecognisedChatTemplate> recognise_chat_template(
    std::optional<std::string_view> chat_template, std::string_view model_type,
    std::string_view where) {
  if (!chat_template) {
    if (model_type == "deepseek_v32") return built_in("deepseek-v3.2");
    return unsupported(
        fmt::format("{}: the checkpoint has no chat template; choose one by --chat-template (in a "
                    "run file: sft.chat_template): {}",
                    where, built_in_names()));
  }
  if (chat_template->size() > kMaxTemplateBytes) {
    return invalid_input(fmt::format("{}: chat_template: expected at most {} bytes, found {}",
                                     where, kMaxTemplateBytes, chat_template->size()));
  }
  const std::optional<u64> hash = chat_template_hash(*chat_template);
  for (const KnownTemplate& known : kKnown) {
    if (hash == known.hash) return built_in(known.name);
  }
  if (const auto found = recognise_loosely(*chat_template)) return *found;
  const std::string_view similar = resembles(*chat_template);
  return unsupported(fmt::format(
      "{}: chat_template: not a template that is built in{}; template programs are not run, so "
      "choose one by --chat-template (in a run file: sft.chat_template): {}",
      where, similar.empty() ? "" : fmt::format(" (it resembles {})", similar), built_in_names()));
}

}  // namespace fathom::tokenizer
