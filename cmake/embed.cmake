# embed_files(OUT PREFIX FILE...): turns each file into a C source with the
# byte array PREFIX_<stem> and its length PREFIX_<stem>_len, in the build
# folder. Nothing generated is committed.
function(embed_files out prefix)
	set(sources)
	foreach(file ${ARGN})
		get_filename_component(stem ${file} NAME_WE)
		set(target ${CMAKE_BINARY_DIR}/embed/${prefix}_${stem}.c)
		add_custom_command(OUTPUT ${target}
			COMMAND ${CMAKE_COMMAND} -DIN=${file} -DOUT=${target}
				-DNAME=${prefix}_${stem}
				-P ${CMAKE_SOURCE_DIR}/cmake/embed_one.cmake
			DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/embed_one.cmake
			VERBATIM)
		list(APPEND sources ${target})
	endforeach()
	set(${out} ${sources} PARENT_SCOPE)
endfunction()
