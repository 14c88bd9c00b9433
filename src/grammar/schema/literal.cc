#include "grammar/schema/literal.h"

#include <algorithm>

#include "grammar/hash_index.h"

namespace fathom::grammar::schema {

bool contains(std::span<const Literal> literals, const Literal& literal) {
  return std::find(literals.begin(), literals.end(), literal) != literals.end();
}

void add_literal(Literals& literals, const Literal& literal) {
  if (!contains(literals, literal)) literals.push_back(literal);
}

size_t LiteralsHash::operator()(const Literals& literals) const {
  u64 hash = literals.size();
  for (const Literal& literal : literals) {
    hash = mix_hash(hash, u64{static_cast<u32>(literal.node)} << 1 | (literal.negated ? 1 : 0));
  }
  return hash;
}

}  // namespace fathom::grammar::schema
