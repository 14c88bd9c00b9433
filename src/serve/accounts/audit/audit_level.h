#pragma once
#include <array>
#include <string_view>
#include <utility>

namespace fathom::serve {

enum class AuditLevel {
  kOff,
  kMetadata,  // counts, times and names
  kContent,   // requests and answers too
};
inline constexpr std::array<std::pair<AuditLevel, std::string_view>, 3> kAuditLevelNames = {
    {{AuditLevel::kOff, "off"},
     {AuditLevel::kMetadata, "metadata"},
     {AuditLevel::kContent, "content"}}};

}  // namespace fathom::serve
