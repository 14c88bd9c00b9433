#pragma once
// Internal to ebnf/: a grammar as it was written.
#include <string>
#include <vector>

#include "base/types.h"
#include "tokenizer/unicode/code_point_set.h"

namespace fathom::grammar {

struct EbnfTerm;
using EbnfSequence = std::vector<EbnfTerm>;
using EbnfChoices = std::vector<EbnfSequence>;  // none: nothing matches

/// One of four things, min to max times.
struct EbnfTerm {
  enum class Kind : u8 { kCharacters, kLiteral, kReference, kGroup };

  Kind kind = Kind::kGroup;
  tokenizer::CodePointSet characters;  // kCharacters: one of them
  std::string text;                    // kLiteral: UTF-8; kReference: the name of a rule
  size_t rule = 0;                     // kReference: its index
  EbnfChoices choices;                 // kGroup
  u32 min = 1, max = 1;
  size_t offset = 0;  // in the text

  bool is_once() const { return min == 1 && max == 1; }
};

struct EbnfRule {
  std::string name;
  EbnfChoices choices;
  size_t offset = 0;  // in the text
};

}  // namespace fathom::grammar
