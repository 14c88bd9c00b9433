# What the chat page of `fathom serve` uses, from Debian's packages (tools/install_packages.sh). Where one
# is missing an empty file takes its place, and the page shows plain text and says so.
file(WRITE ${PROJECT_BINARY_DIR}/no_library.js "")
function(fathom_page_library name package)
  find_file(FATHOM_PAGE_${name} NAMES ${ARGN} NO_CACHE NO_DEFAULT_PATH
    PATHS /usr/share/javascript /usr/share/nodejs)
  if(NOT FATHOM_PAGE_${name})
    message(STATUS "The chat page is built without ${package}")
    set(FATHOM_PAGE_${name} ${PROJECT_BINARY_DIR}/no_library.js)
  endif()
  set(FATHOM_PAGE_${name} ${FATHOM_PAGE_${name}} PARENT_SCOPE)
endfunction()
fathom_page_library(MARKED libjs-marked marked/marked.umd.min.js marked/marked.min.js)
fathom_page_library(KATEX libjs-katex katex/katex.min.js)
fathom_page_library(HIGHLIGHT libjs-highlight.js highlight.js/highlight.min.js)
