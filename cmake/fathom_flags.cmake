# One interface target that carries the project's compile and link flags.
find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Another clone, or a work tree beside this one, takes what was compiled here.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR})
  if(FATHOM_PCH)  # ccache keeps nothing that a precompiled header went into unless told that it may
    list(APPEND CMAKE_CXX_COMPILER_LAUNCHER CCACHE_SLOPPINESS=pch_defines,time_macros)
  endif()
  list(APPEND CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
if(FATHOM_CUDA AND NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake before 3.26 does not know it
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(flags
  -Wall -Wextra -Wconversion -Wshadow
  # Designated initialisers name what differs from a struct's defaults; GCC warns about the rest.
  -Wno-missing-field-initializers
  # Never -ffast-math: -inf masks, NaN checks and reproducible sums depend on IEEE rules. FMA
  # contraction is off so that scalar code means the same in every file; kernels ask for fma by name.
  -fno-math-errno -fno-trapping-math -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND flags -Wno-restrict)  # false inside std::string's operator+ (GCC bug 105651)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  list(APPEND flags -Wthread-safety)
endif()
if(FATHOM_WERROR)
  list(APPEND flags -Werror)
endif()
if(FATHOM_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND flags -fpch-preprocess)  # so that ccache sees which precompiled header it was
  # False as -Wrestrict is, in GCC 12: out of a precompiled header code is no system header's any more.
  list(APPEND flags -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(FATHOM_SANITIZE)
  list(APPEND flags -fsanitize=${FATHOM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
endif()
if(FATHOM_FUZZ)
  list(APPEND flags -fsanitize=fuzzer-no-link)
endif()

add_library(fathom_flags INTERFACE)
foreach(flag IN LISTS flags)
  target_compile_options(fathom_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${flag}>")
endforeach()
if(FATHOM_CUDA)
  target_compile_options(fathom_flags INTERFACE
    "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra;--fmad=false>")
endif()
if(FATHOM_SANITIZE)
  target_link_options(fathom_flags INTERFACE -fsanitize=${FATHOM_SANITIZE})
endif()
# Index checks of our views and of the standard containers.
if(FATHOM_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(fathom_flags INTERFACE FATHOM_DEBUG_CHECKS _GLIBCXX_ASSERTIONS)
endif()
