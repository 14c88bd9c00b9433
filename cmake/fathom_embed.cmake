# fathom_embed(report page_assets.cc NAMESPACE fathom::report HEADER report/page/page_assets.h
#   kPageCss=report/page/page.css ...): text files become string constants of a module, made again when
# a file changes; a path may be absolute. The header declares them: extern const std::string_view
# kReportCss;
# With TABLE function there are no constants: the function returns all names, which may be paths, with
# their texts.
function(fathom_embed module output)
  cmake_parse_arguments(ARG "" "NAMESPACE;HEADER;TABLE" "" ${ARGN})
  set(files)
  foreach(pair IN LISTS ARG_UNPARSED_ARGUMENTS)
    string(REGEX REPLACE ".*=" "" file ${pair})
    get_filename_component(file ${file} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    list(APPEND files ${file})
  endforeach()
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/${module}/${output})
  add_custom_command(OUTPUT ${generated}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${generated} -DNAMESPACE=${ARG_NAMESPACE} -DHEADER=${ARG_HEADER} -DTABLE=${ARG_TABLE}
      -DSOURCE_DIR=${CMAKE_CURRENT_SOURCE_DIR} "-DPAIRS=${ARG_UNPARSED_ARGUMENTS}"
      -P ${PROJECT_SOURCE_DIR}/cmake/embed_text.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed_text.cmake
    COMMENT "Embedding ${output}" VERBATIM)
  target_sources(fathom_${module} PRIVATE ${generated})
endfunction()
