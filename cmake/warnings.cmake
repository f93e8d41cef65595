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
	# What a mistake of ours then costs an attacker; tests/pack looks at the
	# programs. Paths are told from the source folder on, so that the same
	# source makes the same programs wherever it lies.
	target_compile_options(schedd_flags INTERFACE -g -D_FORTIFY_SOURCE=3
		-fstack-protector-strong -fPIE
		-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
	target_link_options(schedd_flags INTERFACE -pie -Wl,-z,relro,-z,now
		-Wl,-z,noexecstack)
	# By processor. Of -fcf-protection only what costs nothing: marking jump
	# targets makes the scanner up to 9 % longer, and no Linux checks them in
	# programs; nor has Debian 12 a libc with either mark.
	include(CheckCCompilerFlag)
	foreach(flag -fstack-clash-protection -fcf-protection=return)
		string(MAKE_C_IDENTIFIER "has${flag}" has)
		check_c_compiler_flag(${flag} ${has})
		if(${has})
			target_compile_options(schedd_flags INTERFACE ${flag})
		endif()
	endforeach()
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
