# fathom_precompiled(target library|test): the standard library's headers, and of tests also GoogleTest's, are
# parsed once for all targets of a build (preset release), which saves a third of its time. A speed-up only: every
# file includes what it uses, as all other presets find out.
option(FATHOM_PCH "Precompile the headers of the standard library" OFF)

set(headers_library
  <algorithm> <array> <filesystem> <functional> <memory> <optional> <span> <string> <string_view>
  <unordered_map> <utility> <variant> <vector> <fmt/format.h> <tl/expected.hpp>)
set(headers_test ${headers_library} <fstream> <map> <gmock/gmock.h> <gtest/gtest.h>)
set(libraries_library OpenMP::OpenMP_CXX fmt::fmt spdlog::spdlog)
set(libraries_test ${libraries_library} GTest::gmock)

function(fathom_precompiled target kind)
  if(NOT FATHOM_PCH)
    return()
  endif()
  set(holder fathom_precompiled_${kind})
  if(NOT TARGET ${holder})
    # GCC compares the flags, which come from here for every module, but not the level of optimisation.
    file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/precompiled/${kind}.cc CONTENT "")
    add_library(${holder} OBJECT ${PROJECT_BINARY_DIR}/precompiled/${kind}.cc)
    target_link_libraries(${holder} PRIVATE fathom_flags ${libraries_${kind}})
    target_precompile_headers(${holder} PRIVATE ${headers_${kind}})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${holder})
endfunction()
