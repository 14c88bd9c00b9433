#pragma once
#include <string>
#include <string_view>

namespace fathom::grammar {

/// The bytes by which a grammar names a control token, such as <｜tool▁calls▁begin｜>: text that no
/// other token can spell, as 0xFF is in no UTF-8 text.
inline std::string control_token(std::string_view spelling) {
  return "\xFF" + std::string(spelling) + "\xFF";
}

}  // namespace fathom::grammar
