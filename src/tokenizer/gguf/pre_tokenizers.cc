#include "tokenizer/gguf/pre_tokenizers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "io/gguf/metadata.h"
#include "io/json.h"

namespace fathom::tokenizer {
namespace {

/// In the words of tokenizer.json. Sources: the published files of DeepSeek-V3, DeepSeek-LLM-7B,
/// DeepSeek-R1-Distill-Qwen, Llama-3 and SmolLM2.
constexpr std::string_view kSmolLm =
    R"({"type":"Sequence","pretokenizers":[
        {"type":"Digits","individual_digits":true},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]})";

constexpr std::string_view kLlama3 =
    R"({"type":"Sequence","pretokenizers":[
        {"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
         "behavior":"Isolated","invert":false},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";

constexpr std::string_view kDistilledQwen =
    R"({"type":"Sequence","pretokenizers":[
        {"type":"Split","pattern":{"Regex":"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
         "behavior":"Isolated","invert":false},
        {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";

constexpr std::string_view kGpt2 =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";

struct Entry {
  std::string_view name;
  std::string_view json;
  bool ignore_merges = false;
};

constexpr std::string_view kDeepSeekV3Json = "";  // PreTokenizer::deepseek_v3() holds it

constexpr std::array<Entry, 6> kEntries = {{
    {"deepseek-v3", kDeepSeekV3Json},
    {"deepseek-r1-qwen", kDistilledQwen},
    {"gpt-2", kGpt2},
    {"llama-bpe", kLlama3, true},
    {"llama3", kLlama3, true},
    {"smollm", kSmolLm},
}};

}  // namespace

Result<NamedPreTokenizer> gguf_pre_tokenizer(std::string_view name, std::string_view where) {
  const auto entry = std::ranges::find(kEntries, name, &Entry::name);
  if (entry == kEntries.end()) {
    std::vector<std::string_view> known;
    for (const Entry& e : kEntries) known.push_back(e.name);
    return unsupported(fmt::format(
        "{}: tokenizer.ggml.pre is \"{}\", expected one of {}; another's would give other ids",
        where, io::gguf::printable(name), fmt::join(known, ", ")));
  }
  if (entry->json.empty()) return NamedPreTokenizer{PreTokenizer::deepseek_v3(), false};
  const auto json = io::parse_json(entry->json, std::string(where));
  if (!json) return tl::unexpected(json.error());
  auto pre_tokenizer = PreTokenizer::from_json(*json, where);
  if (!pre_tokenizer) return tl::unexpected(pre_tokenizer.error());
  return NamedPreTokenizer{std::move(*pre_tokenizer), entry->ignore_merges};
}

}  // namespace fathom::tokenizer
