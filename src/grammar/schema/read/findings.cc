#include "grammar/schema/read/findings.h"

#include <fmt/format.h>

namespace fathom::grammar::schema {
namespace {

std::string message_at(std::string_view pointer, std::string_view problem) {
  return fmt::format("schema: {}: {}", pointer.empty() ? "the root" : pointer, problem);
}

}  // namespace

void throw_invalid(std::string_view pointer, std::string_view problem) {
  throw SchemaError(ErrorCode::kInvalidInput, message_at(pointer, problem));
}

void throw_unsupported(std::string_view pointer, std::string_view problem) {
  throw SchemaError(ErrorCode::kUnsupported, message_at(pointer, problem));
}

void throw_too_deep(const SchemaNode& node) {
  throw_unsupported(node.pointer, fmt::format("more than {} schemas refer to each other here, one "
                                              "to the next",
                                              kMaxReferences));
}

void Findings::add(SchemaFinding::Kind kind, std::string pointer, std::string_view keyword) {
  by_pointer_.emplace(pointer, all_.size());
  all_.push_back({kind, std::move(pointer), std::string(keyword), ""});
}

void Findings::weaken(std::string_view schema_pointer, std::string_view keyword,
                      std::string_view why) {
  std::string pointer = pointer_to(schema_pointer, keyword);
  const auto known = by_pointer_.find(pointer);
  if (known == by_pointer_.end()) {
    add(SchemaFinding::Kind::kWeakened, std::move(pointer), keyword);
    all_.back().message = why;
    return;
  }
  SchemaFinding& finding = all_[known->second];
  if (finding.kind == SchemaFinding::Kind::kWeakened) return;
  finding.kind = SchemaFinding::Kind::kWeakened;
  finding.message = why;
}

void Findings::make_annotation(std::string_view pointer) {
  const auto known = by_pointer_.find(std::string(pointer));
  if (known != by_pointer_.end()) all_[known->second].kind = SchemaFinding::Kind::kAnnotation;
}

}  // namespace fathom::grammar::schema
