# What all test binaries share.

# Tests run their code once, so they are compiled quickly rather than made fast. Debug stays -O0.
set(FATHOM_TEST_OPTIONS $<$<NOT:$<CONFIG:Debug>>:-O1>)

# fathom_discover_tests(ops_test fast ops): every test of the gtest binary, with these labels. The PROPERTIES of
# gtest_discover_tests would flatten the list and lose all labels but the first; ctest reads this script
# after the one that adds the tests.
function(fathom_discover_tests target)
  gtest_discover_tests(${target} DISCOVERY_TIMEOUT 60)
  set(script ${CMAKE_CURRENT_BINARY_DIR}/${target}_labels.cmake)
  file(CONFIGURE OUTPUT ${script} @ONLY CONTENT
    "if(@target@_TESTS)
  set_tests_properties(\${@target@_TESTS} PROPERTIES LABELS \"@ARGN@\")
endif()
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${script})
endfunction()
