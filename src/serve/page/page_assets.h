#pragma once
// The text files below this folder and the libraries that the pages use, embedded by the build
// (src/CMakeLists.txt). A library that the build did not find is empty.
#include <span>
#include <string_view>

namespace fathom::serve {

struct EmbeddedFile {
  std::string_view path;  // "chat/app.js", "library/katex.js"
  std::string_view text;
};

std::span<const EmbeddedFile> page_files();

}  // namespace fathom::serve
