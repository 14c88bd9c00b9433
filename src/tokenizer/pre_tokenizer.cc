#include "tokenizer/pre_tokenizer.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <vector>

#include "base/check.h"
#include "io/json.h"
#include "tokenizer/pattern/matcher.h"
#include "tokenizer/pattern/split.h"
#include "tokenizer/unicode/unicode.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kMaxStages = 32;
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct NamedBehavior {
  std::string_view name;
  Behavior behavior;
};
constexpr std::array<NamedBehavior, 5> kBehaviors = {{
    {"Isolated", Behavior::kIsolated},
    {"Removed", Behavior::kRemoved},
    {"Contiguous", Behavior::kContiguous},
    {"MergedWithPrevious", Behavior::kMergedWithPrevious},
    {"MergedWithNext", Behavior::kMergedWithNext},
}};

/// Nothing stands for ByteLevel's add_prefix_space.
using Stage = std::optional<Split>;

}  // namespace

struct PreTokenizer::Stages {
  std::vector<Stage> stages;
  io::JsonValue json;

  using Sink = FunctionRef<void(std::string_view)>;

  /// Sends `text` through the stages from `index` on.
  void run(size_t index, std::string_view text, Sink on_piece) const {
    if (text.empty()) return;
    if (index == stages.size()) return on_piece(text);
    const Stage& stage = stages[index];
    if (!stage) {
      if (text.starts_with(' ')) return run(index + 1, text, on_piece);
      const std::string with_space = " " + std::string(text);
      return run(index + 1, with_space, on_piece);
    }
    if (stage->behavior != Behavior::kIsolated) {
      for (const Span& span : stage->pieces(text)) {
        run(index + 1, text.substr(span.begin, span.end - span.begin), on_piece);
      }
      return;
    }
    size_t done = 0;
    stage->matcher->for_each_match(text, [&](Span match) {
      run(index + 1, text.substr(done, match.begin - done), on_piece);
      run(index + 1, text.substr(match.begin, match.end - match.begin), on_piece);
      done = match.end;
    });
    run(index + 1, text.substr(done), on_piece);
  }
};

namespace {

/// Reads one "pre_tokenizer" value into stages; messages begin with `where`.
class StageReader {
 public:
  explicit StageReader(std::string_view where) : where_(where) {}

  Result<void> read(const io::JsonValue& value, int depth = 0) {
    const Result<std::string> type = io::get_string(value, "type", where_);
    if (!type) return tl::unexpected(type.error());
    if (has_byte_level_) return refuse("a stage after ByteLevel");
    if (stages.size() >= kMaxStages) return refuse(fmt::format("more than {} stages", kMaxStages));
    if (*type == "Sequence" && depth == 0) return read_sequence(value);
    if (*type == "Split") return read_split(value);
    if (*type == "Digits") return read_digits(value);
    if (*type == "ByteLevel") return read_byte_level(value);
    return refuse(fmt::format("type \"{}\" here", *type));
  }

  Result<void> finish() const {
    if (has_byte_level_) return {};
    return unsupported(fmt::format(
        "{}: there is no ByteLevel stage; only byte-level tokenizers are supported", where_));
  }

  std::vector<Stage> stages;

 private:
  Result<void> read_sequence(const io::JsonValue& value) {
    const Result<const io::JsonArray*> list = io::get_array(value, "pretokenizers", where_);
    if (!list) return tl::unexpected(list.error());
    for (const io::JsonValue& member : **list) {
      if (Result<void> done = read(member, 1); !done) return done;
    }
    return {};
  }

  Result<void> read_split(const io::JsonValue& value) {
    const Result<std::string> name = io::get_string(value, "behavior", where_);
    if (!name) return tl::unexpected(name.error());
    const Result<bool> invert = io::get_bool(value, "invert", where_);
    if (!invert) return tl::unexpected(invert.error());
    const Result<const io::JsonObject*> pattern = io::get_object(value, "pattern", where_);
    if (!pattern) return tl::unexpected(pattern.error());
    std::optional<Behavior> behavior;
    for (const NamedBehavior& known : kBehaviors) {
      if (known.name == *name) behavior = known.behavior;
    }
    if (!behavior) return refuse(fmt::format("behavior \"{}\"", *name));
    Result<std::unique_ptr<Matcher>> matcher = read_pattern(**pattern);
    if (!matcher) return tl::unexpected(matcher.error());
    stages.push_back(Split{std::move(*matcher), *behavior, *invert});
    return {};
  }

  Result<std::unique_ptr<Matcher>> read_pattern(const io::JsonObject& pattern) {
    const io::JsonValue* const regex = pattern.find("Regex");
    const io::JsonValue* const literal = pattern.find("String");
    const io::JsonValue* const text = regex != nullptr ? regex : literal;
    if (pattern.size() != 1 || text == nullptr || !text->is_string()) {
      return invalid_input(fmt::format(
          "{}: pattern: expected {{\"Regex\": \"...\"}} or {{\"String\": \"...\"}}", where_));
    }
    if (literal != nullptr && literal->as_string().empty()) {
      return invalid_input(fmt::format("{}: pattern: the String is empty", where_));
    }
    Result<std::unique_ptr<Matcher>> matcher =
        regex != nullptr ? matcher_for(text->as_string())
                         : pcre2_matcher(literal_pattern(text->as_string()));
    if (matcher) return matcher;
    return unsupported(fmt::format("{}: pattern: {}", where_, matcher.error().message()));
  }

  Result<void> read_digits(const io::JsonValue& value) {
    const Result<bool> individual = io::get_bool(value, "individual_digits", where_);
    if (!individual) return tl::unexpected(individual.error());
    // Digits asks Rust's char::is_numeric, whose Unicode version (17.0) is newer than that of the
    // patterns: these two blocks are the difference.
    const CodePointSet numeric =
        code_points_of(kNumber).unite(CodePointSet({{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}}));
    const u32 max = *individual ? 1 : Quantifier::kUnbounded;
    std::unique_ptr<Matcher> matcher =
        class_run_matcher({{.structure = "", .set = numeric, .repeat = {.min = 1, .max = max}}});
    FATHOM_CHECK(matcher != nullptr);
    stages.push_back(Split{.matcher = std::move(matcher)});
    return {};
  }

  Result<void> read_byte_level(const io::JsonValue& value) {
    const Result<bool> add_prefix_space = io::get_bool(value, "add_prefix_space", where_);
    if (!add_prefix_space) return tl::unexpected(add_prefix_space.error());
    bool use_regex = true;  // files older than the key mean true
    if (value.find("use_regex") != nullptr) {
      const Result<bool> given = io::get_bool(value, "use_regex", where_);
      if (!given) return tl::unexpected(given.error());
      use_regex = *given;
    }
    if (*add_prefix_space) stages.emplace_back();
    if (use_regex) {
      stages.push_back(Split{.matcher = value_or_throw(matcher_for(kGpt2Pattern))});
    }
    has_byte_level_ = true;
    return {};
  }

  tl::unexpected<Error> refuse(std::string_view what) const {
    return unsupported(fmt::format("{}: {} is not supported", where_, what));
  }

  std::string where_;
  bool has_byte_level_ = false;
};

io::JsonValue split_json(std::string_view regex) {
  io::JsonObject pattern;
  pattern.set("Regex", regex);
  io::JsonObject split;
  split.set("type", "Split");
  split.set("pattern", std::move(pattern));
  split.set("behavior", "Isolated");
  split.set("invert", false);
  return split;
}

io::JsonValue deepseek_v3_json() {
  io::JsonObject byte_level;
  byte_level.set("type", "ByteLevel");
  byte_level.set("add_prefix_space", false);
  byte_level.set("trim_offsets", true);
  byte_level.set("use_regex", false);
  io::JsonObject sequence;
  sequence.set("type", "Sequence");
  sequence.set("pretokenizers",
               io::JsonArray{split_json(R"(\p{N}{1,3})"), split_json("[一-龥぀-ゟ゠-ヿ]+"),
                             split_json(kDeepSeekV3WordPattern), std::move(byte_level)});
  return sequence;
}

}  // namespace

PreTokenizer PreTokenizer::deepseek_v3() {
  return value_or_throw(from_json(deepseek_v3_json(), "DeepSeek-V3"));
}

Result<PreTokenizer> PreTokenizer::from_json(const io::JsonValue& value, std::string_view where) {
  StageReader reader(fmt::format("{}: pre_tokenizer", where));
  if (Result<void> done = reader.read(value); !done) return tl::unexpected(done.error());
  if (Result<void> done = reader.finish(); !done) return tl::unexpected(done.error());
  return PreTokenizer(std::make_shared<const Stages>(Stages{std::move(reader.stages), value}));
}

const io::JsonValue& PreTokenizer::json() const { return stages_->json; }

void PreTokenizer::split(std::string_view text,
                         FunctionRef<void(std::string_view)> on_piece) const {
  stages_->run(0, text, on_piece);
}

}  // namespace fathom::tokenizer
