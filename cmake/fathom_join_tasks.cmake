# fathom_join_tasks(eval): configs/eval/*.toml become one text constant of a module, made again when a
# file changes or comes to the folder (src/eval/task/built_in.h).
function(fathom_join_tasks module)
  if(NOT TARGET fathom_${module})
    return()
  endif()
  file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/configs/eval/*.toml)
  set(generated ${CMAKE_CURRENT_BINARY_DIR}/${module}/built_in_tasks.cc)
  add_custom_command(OUTPUT ${generated}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${generated} "-DFILES=${files}"
      -P ${PROJECT_SOURCE_DIR}/cmake/join_tasks.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/join_tasks.cmake
    COMMENT "Embedding configs/eval" VERBATIM)
  target_sources(fathom_${module} PRIVATE ${generated})
endfunction()
