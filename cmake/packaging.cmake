# `cmake --install` and the Debian package: cpack -G DEB --config build/release/CPackConfig.cmake
include(GNUInstallDirs)
set(packaging ${PROJECT_SOURCE_DIR}/packaging)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # tests and benchmarks are not installed

install(TARGETS fathom RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${packaging}/fathom.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${packaging}/debian/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/fathom)
install(FILES ${packaging}/README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/fathom)
install(DIRECTORY ${packaging}/proxy ${packaging}/monitoring
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/fathom)
# What only a system's own package may put there: `cmake --install` leaves it out.
install(FILES ${packaging}/fathom.service DESTINATION /lib/systemd/system
  COMPONENT service EXCLUDE_FROM_ALL)
install(FILES ${packaging}/serve.toml DESTINATION /etc/fathom COMPONENT service EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME fathom)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "the authors of fathom <fathom@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "trains, evaluates and serves DeepSeek-V3-class language models")
set(CPACK_PACKAGE_DESCRIPTION "One program: reads checkpoints of Hugging Face's layout and GGUF files, \
answers with the APIs of OpenAI and Anthropic, with keys, limits and usage, and has a page to chat. \
The service fathom.service runs it by /etc/fathom/serve.toml.")
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_CMAKE_PROJECTS
  "${PROJECT_BINARY_DIR};fathom;Unspecified;/;${PROJECT_BINARY_DIR};fathom;service;/")
# Paths of the installed system, /etc among them, below a folder of cpack's own.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${packaging}/debian/conffiles ${packaging}/debian/postinst ${packaging}/debian/prerm
  ${packaging}/debian/postrm)
include(CPack)
