// Exercises as Exercism lays them out.
#include <fmt/format.h>

#include <algorithm>

#include "eval/repair/exercises.h"
#include "eval/task/records.h"
#include "io/json.h"

namespace fathom::eval {
namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kLargestFile = 4 << 20;  // Catch's one header is 650 KB

Result<Files> read_files(const fs::path& folder, const io::JsonValue& lists, const char* key,
                         const std::string& where) {
  const auto names = io::get_array(lists, key, where);
  if (!names) return tl::unexpected(names.error());
  Files files;
  for (const io::JsonValue& name : **names) {
    if (!name.is_string()) {
      return invalid_input(
          fmt::format("{}: files.{}: expected texts, found {}", where, key, io::describe(name)));
    }
    Result<std::string> text = read_text(folder / name.as_string());
    if (!text) return tl::unexpected(text.error());
    files[name.as_string()] = std::move(*text);
  }
  return files;
}

bool is_hidden(const fs::path& path) {
  return std::ranges::any_of(path, [](const fs::path& part) {
    return part.string().starts_with('.') || part == "node_modules";
  });
}

/// What the language's tools need beside solution and tests: headers, go.mod. What is no text or
/// large is left out.
void read_support(const fs::path& folder, Exercise& exercise) {
  std::error_code ignored;
  for (const auto& each : fs::recursive_directory_iterator(folder, ignored)) {
    const fs::path path = each.path().lexically_relative(folder);
    const std::string name = path.generic_string();
    if (!each.is_regular_file() || is_hidden(path) || each.file_size() > kLargestFile) continue;
    if (exercise.files.contains(name) || exercise.tests.contains(name)) continue;
    if (Result<std::string> text = read_text(each.path())) {
      exercise.support[name] = std::move(*text);
    }
  }
}

Result<Exercise> read_exercise(const fs::path& folder, std::string language) {
  Exercise exercise;
  exercise.name = language + "/" + folder.filename().string();
  exercise.language = std::move(language);
  for (const char* const part : {"introduction.md", "instructions.md", "instructions.append.md"}) {
    const fs::path path = folder / ".docs" / part;
    if (!fs::exists(path)) continue;
    Result<std::string> text = read_text(path);
    if (!text) return tl::unexpected(text.error());
    exercise.instructions += *text;
  }
  const fs::path config = folder / ".meta/config.json";
  const Result<io::JsonValue> value = io::read_json(config);
  if (!value) return tl::unexpected(value.error());
  const auto lists = io::get_object(*value, "files", config.string());
  if (!lists) return tl::unexpected(lists.error());
  const io::JsonValue& named = *value->find("files");
  Result<Files> files = read_files(folder, named, "solution", config.string());
  if (!files) return tl::unexpected(files.error());
  Result<Files> tests = read_files(folder, named, "test", config.string());
  if (!tests) return tl::unexpected(tests.error());
  exercise.files = std::move(*files);
  exercise.tests = std::move(*tests);
  read_support(folder, exercise);
  return exercise;
}

}  // namespace

Result<std::vector<Exercise>> read_exercises(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& language : fs::directory_iterator(folder, ignored)) {
    const fs::path practice = language.path() / "exercises/practice";
    for (const auto& each : fs::directory_iterator(practice, ignored)) {
      if (fs::exists(each.path() / ".meta/config.json")) found.push_back(each.path());
    }
  }
  if (found.empty()) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: expected LANGUAGE/exercises/practice/NAME/.meta/config.json below "
                            "it, as in https://github.com/Aider-AI/polyglot-benchmark",
                            folder.string()));
  }
  std::ranges::sort(found);
  std::vector<Exercise> exercises;
  for (const fs::path& each : found) {
    const fs::path language = each.parent_path().parent_path().parent_path();
    Result<Exercise> exercise = read_exercise(each, language.filename().string());
    if (!exercise) return tl::unexpected(exercise.error());
    exercises.push_back(std::move(*exercise));
  }
  return exercises;
}

}  // namespace fathom::eval
