#include "tokenizer/gguf/pre_tokenizers.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "io/gguf/metadata.h"
#include "io/json.h"
#include "tokenizer/tiktoken.h"

namespace fathom::tokenizer {
namespace {

// Sources: the published tokenizer.json of SmolLM2, Llama-3, Qwen2, Qwen3.5, DeepSeek-LLM-7B,
// DeepSeek-Coder-6.7B, DeepSeek-V3 and DeepSeek-R1-Distill-Qwen; Kimi-K2's tokenization_kimi.py.

constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N})"
    R"(| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDeepSeekLetters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽ)"
    R"(ᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥ)"
    R"(ῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿ)"
    R"(ﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr std::string_view kDeepSeekPunctuation = R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)";
constexpr std::string_view kDeepSeekHan = "[一-龥ࠀ-一가-퟿]+";

io::JsonValue split(std::string_view regex) {
  io::JsonObject pattern, stage;
  pattern.set("Regex", regex);
  stage.set("type", "Split");
  stage.set("pattern", std::move(pattern));
  stage.set("behavior", "Isolated");
  stage.set("invert", false);
  return stage;
}

io::JsonValue single_digits() {
  io::JsonObject stage;
  stage.set("type", "Digits");
  stage.set("individual_digits", true);
  return stage;
}

enum class Words { kAsTheyAre, kGpt2 };  // ByteLevel's own splitting behind the other stages

io::JsonValue sequence(io::JsonArray stages, Words words = Words::kAsTheyAre) {
  io::JsonObject byte_level, whole;
  byte_level.set("type", "ByteLevel");
  byte_level.set("add_prefix_space", false);
  byte_level.set("trim_offsets", true);
  byte_level.set("use_regex", words == Words::kGpt2);
  stages.emplace_back(std::move(byte_level));
  whole.set("type", "Sequence");
  whole.set("pretokenizers", std::move(stages));
  return whole;
}

io::JsonValue gpt2() { return sequence({}, Words::kGpt2); }
io::JsonValue smollm() { return sequence({single_digits()}, Words::kGpt2); }
io::JsonValue llama3() { return sequence({split(kLlama3)}); }
io::JsonValue qwen2() { return sequence({split(kQwen2)}); }
io::JsonValue qwen35() { return sequence({split(kQwen35)}); }
io::JsonValue deepseek_v3() { return PreTokenizer::deepseek_v3().json(); }
io::JsonValue kimi_k2() { return value_or_throw(kimi_pre_tokenizer("Kimi-K2")).json(); }
io::JsonValue deepseek_llm() {
  return sequence({split("[\r\n]"), split(kDeepSeekLetters), split(kDeepSeekPunctuation),
                   split(R"(\s+$)"), split(kDeepSeekHan), single_digits()});
}
io::JsonValue deepseek_coder() {
  return sequence({split("[\r\n]"), split(R"(\s?\p{L}+)"), split(R"(\s?\p{P}+)"),
                   split(kDeepSeekHan), single_digits()});
}

struct Entry {
  std::string_view name;
  io::JsonValue (*json)();
  GgufTokenizerKind kind;
};

constexpr GgufTokenizerKind kUsual = {};
constexpr GgufTokenizerKind kLlama3Kind = {.ignore_merges = true, .adds_bos = true};
constexpr GgufTokenizerKind kQwenKind = {.normalizes = true};
constexpr GgufTokenizerKind kKimiKind = {.ignore_merges = true, .is_tiktoken = true};

constexpr std::array<Entry, 12> kEntries = {{
    {"deepseek-llm", deepseek_llm, kUsual},
    {"deepseek-coder", deepseek_coder, kUsual},
    {"deepseek-v3", deepseek_v3, kUsual},
    {"deepseek-r1-qwen", qwen2, kUsual},
    {"qwen2", qwen2, kQwenKind},
    {"qwen35", qwen35, kQwenKind},
    {"kimi-k2", kimi_k2, kKimiKind},
    {"gpt-2", gpt2, kUsual},
    {"llama-bpe", llama3, kLlama3Kind},
    {"llama3", llama3, kLlama3Kind},
    {"llama-v3", llama3, kLlama3Kind},
    {"smollm", smollm, kUsual},
}};

Result<const Entry*> find_entry(std::string_view name, std::string_view where) {
  const auto* const entry = std::ranges::find(kEntries, name, &Entry::name);
  if (entry != kEntries.end()) return entry;
  std::vector<std::string_view> known;
  known.reserve(kEntries.size());
  for (const Entry& e : kEntries) known.push_back(e.name);
  return unsupported(fmt::format(
      "{}: tokenizer.ggml.pre is \"{}\", expected one of {}; another's would give other ids", where,
      io::gguf::printable(name), fmt::join(known, ", ")));
}

}  // namespace

Result<GgufTokenizerKind> gguf_tokenizer_kind(std::string_view name, std::string_view where) {
  const auto entry = find_entry(name, where);
  if (!entry) return tl::unexpected(entry.error());
  return (*entry)->kind;
}

Result<PreTokenizer> gguf_pre_tokenizer(std::string_view name, std::string_view where) {
  const auto entry = find_entry(name, where);
  if (!entry) return tl::unexpected(entry.error());
  return PreTokenizer::from_json((*entry)->json(), where);
}

}  // namespace fathom::tokenizer
