#pragma once
#include <string>
#include <vector>

namespace fathom::cli {

/// Of runs that were written: `page` if that is not empty, of two of them the differences. Throws
/// Error{kInvalidInput} where there is nothing to show.
void show_stored_results(const std::vector<std::string>& folders, const std::string& page);

}  // namespace fathom::cli
