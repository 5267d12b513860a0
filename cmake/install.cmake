# What is installed, and the two Debian packages (three with the command). Included by the top CMakeLists.txt.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/flightring")

install(FILES "${lib_dir}/${real_name}" "${lib_dir}/${soname}" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime)
install(FILES "${lib_dir}/libflightring.so" "${static_file}" DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development)
install(DIRECTORY include/flightring DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT development)
if(FLIGHTRING_TOOLS)
  install(PROGRAMS "${cargo_out}/flightring" DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT tools)
endif()

set(FLIGHTRING_CONFIG_INCLUDE_DIR "${CMAKE_INSTALL_INCLUDEDIR}")
set(FLIGHTRING_CONFIG_LIB_DIR "${CMAKE_INSTALL_LIBDIR}")
configure_package_config_file(cmake/flightring-config.cmake.in flightring-config.cmake
  INSTALL_DESTINATION "${package_dir}"
  PATH_VARS FLIGHTRING_CONFIG_INCLUDE_DIR FLIGHTRING_CONFIG_LIB_DIR)
write_basic_package_version_file(flightring-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/flightring-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/flightring-config-version.cmake"
  DESTINATION "${package_dir}" COMPONENT development)

# Relative to the .pc file, so that a moved installation still works.
file(RELATIVE_PATH FLIGHTRING_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" FLIGHTRING_PC_PREFIX "${FLIGHTRING_PC_PREFIX}")
list(TRANSFORM FLIGHTRING_STATIC_LIBS PREPEND "-l" OUTPUT_VARIABLE static_flags)
list(JOIN static_flags " " FLIGHTRING_PC_LIBS_PRIVATE)
configure_file(cmake/flightring.pc.in flightring.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/flightring.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT development)

install(FILES LICENSE-MIT LICENSE-APACHE DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT development)

if(is_top_level)
  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_CONTACT "The flightring authors <flightring@example.org>")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_DEB_COMPONENT_INSTALL ON)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME "libflightring${PROJECT_VERSION_MAJOR}")
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libflightring-dev)
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "${CPACK_DEBIAN_RUNTIME_PACKAGE_NAME} (= ${PROJECT_VERSION})")
  set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME flightring)
  set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
  set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "In-process flight recorder: shared library")
  set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "In-process flight recorder: headers, CMake package, static library")
  set(CPACK_COMPONENT_TOOLS_DESCRIPTION "In-process flight recorder: the flightring command")
  include(CPack)
endif()
