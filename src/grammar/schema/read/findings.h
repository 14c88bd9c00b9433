#pragma once
#include <string_view>
#include <unordered_map>

#include "grammar/schema/compile_schema.h"
#include "grammar/schema/read/schema_node.h"

namespace fathom::grammar::schema {

/// The schema cannot be compiled. Thrown inside this folder, caught by compile_schema().
class SchemaError : public Error {
 public:
  using Error::Error;
};
/// kInvalidInput at `pointer`.
[[noreturn]] void throw_invalid(std::string_view pointer, std::string_view problem);
/// kUnsupported at `pointer`.
[[noreturn]] void throw_unsupported(std::string_view pointer, std::string_view problem);

/// More than kMaxReferences.
[[noreturn]] void throw_too_deep(const SchemaNode& node);

/// What becomes of each keyword.
class Findings {
 public:
  void add(SchemaFinding::Kind kind, std::string pointer, std::string_view keyword);
  /// That keyword of that schema is not enforced after all. Calls after the first change nothing.
  void weaken(std::string_view schema_pointer, std::string_view keyword, std::string_view why);

  /// What stands there says nothing about what is valid.
  void make_annotation(std::string_view pointer);

  const std::vector<SchemaFinding>& all() const { return all_; }
  std::vector<SchemaFinding> take() { return std::move(all_); }

 private:
  std::vector<SchemaFinding> all_;
  std::unordered_map<std::string, size_t> by_pointer_;
};

}  // namespace fathom::grammar::schema
