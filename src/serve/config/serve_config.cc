#include "serve/config/serve_config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>

#include "base/text.h"
#include "serve/cross_origin.h"

namespace fathom::serve {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  });
  return out;
}

struct Variable {
  std::string name;  // "SERVER_PORT"
  std::string key;   // "server.port"
};

std::vector<Variable> variables_of(const FieldList& root) {
  std::vector<Variable> variables;
  for (const Field& section : root.fields()) {
    const auto* const table = std::get_if<TableValue>(&section.value);
    if (table == nullptr) continue;
    const FieldList list = table->fields();
    for (const Field& field : list.fields()) {
      const std::string name = std::string(section.name) + "_" + std::string(field.name);
      variables.push_back({upper(name), std::string(section.name) + "." + std::string(field.name)});
    }
  }
  return variables;
}

}  // namespace

void ModelSection::list_fields(FieldList& list) {
  list.add("path", path, "model directory (Hugging Face layout), or a .gguf file");
  list.add("name", name, "the model's id; \"\": the last part of its path");
  list.add("aliases", aliases, "other names it is asked for by; \"claude-*\": all that begin so");
  list.add("chat_template", chat_template, "a built-in one by name; \"\": the checkpoint's");
  list.add("gguf_to", gguf_to, "what a .gguf file's matrices are decoded to: auto, bf16, f32");
  list.add("activations", activations, "auto, f32, bf16, fp8, int8");
  list.add("cache_dtype", cache_dtype, "auto, f32, bf16, fp8");
  list.add("mla", mla, "auto, expanded, absorbed");
  list.add("context_tokens", context_tokens,
           "prompt and answer of one request; 0: as many as the model takes", {.min = 0});
  list.add("cache_tokens", cache_tokens,
           "tokens that the cache of all requests holds; 0: four contexts", {.min = 0});
  list.add("drafts", drafts, "tokens at most that MTP modules propose for a step; 0: none",
           {.min = 0, .max = 8});
  list.add(
      "loads_file", loads_file,
      "tokens that chose each expert, for fathom plan balance; written every minute and at the "
      "end");
}

/// The spellings of flags that the other commands take too.
void ModelSection::check(const std::string& prefix, Problems& problems) const {
  const auto check_word = [&](const char* key, const std::string& word,
                              std::initializer_list<std::string_view> words) {
    if (std::ranges::find(words, word) != words.end()) return;
    problems.invalid(prefix + key, fmt::format("expected one of {}, found \"{}\"",
                                               fmt::join(words, ", "), printable(word)));
  };
  check_word("gguf_to", gguf_to, {"auto", "bf16", "f32"});
  check_word("activations", activations, {"auto", "f32", "bf16", "fp8", "int8"});
  check_word("cache_dtype", cache_dtype, {"auto", "f32", "bf16", "fp8"});
  check_word("mla", mla, {"auto", "expanded", "absorbed"});
}

void ServerSection::list_fields(FieldList& list) {
  ListenSection::list_fields(list);
  list.add("allowed_origins", allowed_origins,
           "origins of web pages that may use the API, such as https://chat.example.org");
  list.add("worker_threads", worker_threads, "for templates, tokens and grammars",
           {.min = 1, .max = 256});
  list.add("keep_alive_s", keep_alive_s, "of silence in a stream, before a comment is sent",
           {.min = 0.05});
  list.add("stalled_after_s", stalled_after_s,
           "without a step while there is work: /live fails then, and a watchdog hears no more",
           {.min = 0.1});
}

void ServerSection::check(const std::string& prefix, Problems& problems) const {
  ListenSection::check(prefix, problems);
  check_texts(
      prefix + "allowed_origins", allowed_origins,
      [](const std::string& text) { return is_origin(text); },
      "origins such as https://chat.example.org", problems);
}

void ApiSection::list_fields(FieldList& list) {
  list.add("max_tokens", max_tokens, "of an answer whose request does not say", {.min = 1});
  list.add("max_thinking_tokens", max_thinking_tokens, "the same with a thought", {.min = 1});
  list.add("reasoning_field", reasoning_field, kReasoningFieldNames,
           "the member that thoughts are in");
  list.add("strict_fields", strict_fields, "refuse members of a request that mean nothing here");
}

void LimitsSection::list_fields(FieldList& list) {
  ConnectionLimits::list_fields(list);
  list.add("max_running", max_running, "sequences that are worked on at once",
           {.min = 1, .max = 1024});
  list.add("max_waiting", max_waiting, "requests in the queue", {.min = 1, .max = 65536});
  list.add("max_queue_s", max_queue_s, "a longer estimated wait is refused", {.min = 1});
  list.add("max_request_s", max_request_s, "from submission to the end", {.min = 1});
}

void CacheSection::list_fields(FieldList& list) {
  list.add(
      "directory", directory,
      "folder, this server's alone, where cached pages outlive memory and restarts; \"\": none. "
      "What users wrote is in it");
  list.add("max_gib", max_gib, "that its files take at most", {.min = 0.001});
  list.add("share", share, "of the cache that one key keeps while others need some",
           {.min = 0.01, .max = 1});
}

void ServeConfig::list_fields(FieldList& list) {
  list.add("model", model, "what is served");
  list.add("server", server, "where it listens");
  list.add("api", api, "defaults of the API");
  list.add("limits", limits, "what clients may take");
  list.add("cache", cache, "what is kept of prompts and answers on disk");
  list.add("ranks", ranks, "over which the model is served");
  list.add("accounts", accounts, "keys that are made, and what was used");
  list.add("keys", keys, "keys of this file, as `fathom keys add --static` prints them");
  list.add("prices", prices, "of tokens");
}

Result<std::vector<std::string>> environment_settings(std::string_view prefix,
                                                      std::span<const std::string> environment,
                                                      const FieldList& root) {
  const std::vector<Variable> variables = variables_of(root);
  std::vector<std::string_view> names;
  for (const Variable& variable : variables) names.push_back(variable.name);
  std::vector<std::string> settings;
  std::string problems;
  for (const std::string& entry : environment) {
    if (!entry.starts_with(prefix)) continue;
    const size_t equals = std::min(entry.find('='), entry.size());
    const std::string name = entry.substr(prefix.size(), equals - prefix.size());
    const auto at = std::ranges::find(names, name);
    if (at != names.end()) {
      settings.push_back(variables[static_cast<size_t>(at - names.begin())].key +
                         entry.substr(equals));
      continue;
    }
    const std::string nearest = nearest_name(name, names);
    problems += (problems.empty() ? "" : "; ") + entry.substr(0, equals) +
                ": no key of the configuration" +
                (nearest.empty() ? "" : "; did you mean " + std::string(prefix) + nearest + "?");
  }
  if (!problems.empty()) return invalid_input("the environment: " + problems);
  return settings;
}

}  // namespace fathom::serve
