# The Debian package, by "cpack" in the build folder or ./dev package.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME schedd)
set(CPACK_PACKAGE_VENDOR schedd)
set(CPACK_PACKAGE_CONTACT "schedd maintainers <schedd@example.org>" CACHE STRING
	"who answers for the package")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "task scheduler for fleets of workers")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "\
Programs push tasks into queues over HTTP, workers take them in batches
under a lease and report each one finished or failed. What fails is tried
again later, what a lost worker held is handed out again, and what fails
too often waits in a dead-letter list for a person.
.
schedd is one C process with one event loop, and keeps every task in Redis,
in one of its own unless told otherwise. schedctl is its command line.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_STRIP_FILES ON)

# Libraries as the programs say. redis-server, as the settings that come with
# the package start one; the last is for the user of the service.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "redis-server (>= 5:7.0), \
systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "prometheus, zsh | bash-completion")

# Scripts for dpkg, and what it is not to overwrite.
list(JOIN settings_files "\n" conffiles)
file(CONFIGURE OUTPUT conffiles CONTENT "${conffiles}\n" @ONLY)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_BINARY_DIR}/conffiles
	${CMAKE_CURRENT_SOURCE_DIR}/deb/postinst
	${CMAKE_CURRENT_SOURCE_DIR}/deb/postrm
	${CMAKE_CURRENT_SOURCE_DIR}/deb/prerm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
