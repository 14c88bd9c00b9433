#pragma once
#include <span>
#include <vector>

#include "grammar/schema/read/schema_node.h"

namespace fathom::grammar::schema {

/// "The value is valid under this schema", or that it is not.
struct Literal {
  NodeId node{};
  bool negated = false;
  /// What asks for it, where it is negated: for messages.
  NodeId origin{};
  const char* keyword = "";

  bool operator==(const Literal& other) const {
    return node == other.node && negated == other.negated;
  }
};

/// All of them at once. The order says in which order properties come; none is there twice.
using Literals = std::vector<Literal>;

void add_literal(Literals& literals, const Literal& literal);
bool contains(std::span<const Literal> literals, const Literal& literal);

struct LiteralsHash {
  size_t operator()(const Literals& literals) const;
};

}  // namespace fathom::grammar::schema
