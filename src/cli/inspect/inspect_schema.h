#pragma once
// `fathom inspect --schema`: what of a JSON Schema would be enforced.
#include <string>

namespace fathom::cli {

/// Prints every keyword by its JSON pointer under what becomes of it, and what a strict reading
/// would refuse; or one JSON object. The exit code: 1 if the schema cannot be compiled.
int inspect_schema(const std::string& path, bool json);

}  // namespace fathom::cli
