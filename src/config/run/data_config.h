#pragma once
// The [data] section of a run file: what text, and how it becomes sequences of tokens.
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"
#include "config/field_list.h"

namespace fathom {

/// How a source's files are read. kAuto goes by the name: .jsonl and .ndjson (also with .gz or
/// .zst) are JSON lines, everything else text.
enum class SourceFormat { kAuto, kText, kJsonl };
inline constexpr std::array<std::pair<SourceFormat, std::string_view>, 3> kSourceFormatNames = {{
    {SourceFormat::kAuto, "auto"},
    {SourceFormat::kText, "text"},
    {SourceFormat::kJsonl, "jsonl"},
}};

/// [data.train.NAME] and [data.validation.NAME]: one domain of text.
struct SourceConfig {
  std::vector<std::string> paths;
  double weight = 0.0;  // training only; relative
  SourceFormat format = SourceFormat::kAuto;
  std::string text_field = "text";
  std::string separator;
  std::vector<std::string> extensions = {".txt", ".md", ".jsonl"};

  void list_fields(FieldList& list);
};

struct DataConfig {
  std::map<std::string, SourceConfig> train;
  std::map<std::string, SourceConfig> validation;

  std::vector<std::string> apart_from;
  i64 apart_words = 10;

  i64 seq_len = 4096;
  bool isolate_documents = false;
  i64 seed = 0;

  double fim_rate = 0.1;
  double split_rate = 0.1;
  i64 transform_seed = 0;
  std::string bos_token = "<｜begin▁of▁sentence｜>";
  std::string eos_token = "<｜end▁of▁sentence｜>";

  std::string cache_dir = "token_cache";
  bool verify_cache = true;
  bool strict = false;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

}  // namespace fathom
