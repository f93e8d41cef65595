# Writes IN as the byte array NAME into OUT; see embed.cmake. A line
# "-- include FILE" stands for that file of the same folder.
file(READ ${IN} text)
get_filename_component(folder ${IN} DIRECTORY)
if(text MATCHES "\n-- include [a-z]+\\.lua\n")
	while(text MATCHES "\n-- include ([a-z]+\\.lua)\n")
		set(line "-- include ${CMAKE_MATCH_1}\n")
		file(READ ${folder}/${CMAKE_MATCH_1} included)
		string(REPLACE "${line}" "${included}" text "${text}")
	endwhile()
	file(WRITE ${OUT}.text "${text}")
	file(READ ${OUT}.text hex HEX)
else()
	file(READ ${IN} hex HEX)
endif()
string(LENGTH "${hex}" digits)
math(EXPR length "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "#include <stddef.h>
extern const unsigned char ${NAME}[];
extern const size_t ${NAME}_len;
const unsigned char ${NAME}[] = {${bytes}0x00};
const size_t ${NAME}_len = ${length};
")
