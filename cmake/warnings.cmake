# The compiler flags that every one of our libraries and programs gets.
add_library(schedd_flags INTERFACE)
target_compile_definitions(schedd_flags INTERFACE _POSIX_C_SOURCE=200809L)
target_compile_options(schedd_flags INTERFACE -Wall -Wextra -Wpedantic
	-Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
	-Wwrite-strings -Wcast-qual -Wformat=2 -Wundef -Wvla -Wswitch-enum
	-Werror -fno-common)

if(SCHEDD_SANITIZE)
	target_compile_options(schedd_flags INTERFACE -g -O1
		-fno-omit-frame-pointer -fsanitize=address,undefined
		-fno-sanitize-recover=all)
	target_link_options(schedd_flags INTERFACE -fsanitize=address,undefined)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
	target_compile_options(schedd_flags INTERFACE -g -D_FORTIFY_SOURCE=2
		-fstack-protector-strong -fPIE)
	target_link_options(schedd_flags INTERFACE -pie -Wl,-z,relro,-z,now)
endif()

if(SCHEDD_COVER)
	target_compile_options(schedd_flags INTERFACE --coverage -O0 -g)
	target_link_options(schedd_flags INTERFACE --coverage)
endif()

if(SCHEDD_FUZZ)
	target_compile_options(schedd_flags INTERFACE -g -O1
		-fsanitize=address,undefined,fuzzer-no-link
		-fno-sanitize-recover=all)
	target_link_options(schedd_flags INTERFACE -fsanitize=address,undefined)
endif()
