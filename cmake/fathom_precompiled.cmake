# fathom_precompiled(target): the standard library's headers are parsed once for all libraries of a build (preset
# release), which saves a third of its time. A speed-up only: every file includes what it uses, as all other presets
# find out.
option(FATHOM_PCH "Precompile the headers of the standard library" OFF)

function(fathom_precompiled target)
  if(NOT FATHOM_PCH)
    return()
  endif()
  if(NOT TARGET fathom_precompiled_headers)
    # GCC compares the flags, which come from here for every module, but not the level of optimisation.
    file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/precompiled/empty.cc CONTENT "")
    add_library(fathom_precompiled_headers OBJECT ${PROJECT_BINARY_DIR}/precompiled/empty.cc)
    target_link_libraries(fathom_precompiled_headers
      PRIVATE fathom_flags Threads::Threads fmt::fmt spdlog::spdlog)
    target_precompile_headers(fathom_precompiled_headers PRIVATE
      <algorithm> <array> <filesystem> <functional> <memory> <optional> <span> <string> <string_view>
      <unordered_map> <utility> <variant> <vector> <fmt/format.h> <tl/expected.hpp>)
  endif()
  target_precompile_headers(${target} REUSE_FROM fathom_precompiled_headers)
endfunction()
