#include "posttrain/json_lines.h"

#include <fmt/format.h>

#include "data/text/document_reader.h"
#include "io/json.h"

namespace fathom::posttrain {

void for_each_json_line(const SourceConfig& source, const std::string& where,
                        const std::function<Result<void>(const io::JsonValue&)>& on_line) {
  using Step = data::DocumentReader::Step;
  SourceConfig lines = source;
  lines.format = SourceFormat::kJsonl;
  const data::SourceFiles files = value_or_throw(data::find_source_files(lines, where));
  for (const data::SourceFile& file : files.files) {
    data::DocumentReader reader(file, "");
    data::RawDocument document;
    data::Problem problem;
    for (Step step = reader.next(document, problem); step != Step::kEnd;
         step = reader.next(document, problem)) {
      if (step == Step::kProblem) {
        throw Error(ErrorCode::kInvalidInput, problem.place + ": " + problem.text);
      }
      if (document.bytes.find_first_not_of(" \t\r\n") == std::string::npos) continue;
      const std::string place = fmt::format("{}:{}", file.path.string(), document.line);
      const auto done = on_line(value_or_throw(io::parse_json(document.bytes, place)));
      if (!done) throw Error(done.error().code(), place + ": " + done.error().message());
    }
  }
}

}  // namespace fathom::posttrain
