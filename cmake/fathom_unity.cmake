# fathom_unity(target SOURCES...): the sources of a folder are compiled as one, because parsing and instantiating the
# standard library takes longer than the code itself: half of a clean build. Names in the anonymous namespaces of a folder
# must differ for that. A speed-up only: presets dev and clang compile file by file, and CI checks every file by itself.
option(FATHOM_UNITY "Compile the sources of a folder as one" OFF)

function(fathom_unity target)
  if(NOT FATHOM_UNITY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  foreach(source IN LISTS ARGN)
    get_filename_component(folder ${source} DIRECTORY)
    file(RELATIVE_PATH folder ${CMAKE_CURRENT_SOURCE_DIR} ${folder})
    string(MAKE_C_IDENTIFIER ${folder} group)
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
  endforeach()
  # GCC takes an included source for a header, whose types must not have members of an anonymous namespace.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endfunction()
