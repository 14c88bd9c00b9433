// Any bytes as a run file, the part after the first NUL as a --set: an answer or one Error; and
// what was read is written and reads back the same.
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "config/run/data_config.h"
#include "config/run/run_file.h"

namespace {

struct Root {
  fathom::DataConfig data;
  void list_fields(fathom::FieldList& list) { list.add("data", data, "text"); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t split = input.find('\0');
  std::vector<std::string> settings;
  if (split != std::string_view::npos) settings.emplace_back(input.substr(split + 1));
  Root root;
  if (!fathom::parse_run_file(input.substr(0, split), "run.toml", settings,
                              fathom::field_list(root))) {
    return 0;
  }
  const std::string text = fathom::write_run_file(fathom::field_list(root));
  Root again;
  const auto result = fathom::parse_run_file(text, "again.toml", {}, fathom::field_list(again));
  FATHOM_CHECK(result.has_value(), result ? "" : result.error().message(), " in ", text);
  FATHOM_CHECK(fathom::compare_configs(fathom::field_list(root), fathom::field_list(again)).empty(),
               text);
  return 0;
}
