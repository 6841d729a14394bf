# The ONE list of instruction-set levels, slowest first. cpp/microkernels/level.cpp is compiled once for each;
# cpp/policy/levels.cpp and the tests read the same list from the generated header levels.inc.
# A level UPON another has that one's loops and only those over bytes of its own (level_upon.cpp).
set(FALTUNG_LEVELS)

macro(faltung_level name)
  cmake_parse_arguments(level "" "UPON" "" ${ARGN})
  list(APPEND FALTUNG_LEVELS ${name})
  set(FALTUNG_FLAGS_${name} ${level_UNPARSED_ARGUMENTS})
  if(level_UPON)
    set(FALTUNG_UPON_${name} ${level_UPON})
    list(PREPEND FALTUNG_FLAGS_${name} ${FALTUNG_FLAGS_${level_UPON}})
  endif()
endmacro()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  faltung_level(baseline)
  faltung_level(v3 -march=x86-64-v3)
  faltung_level(v4 -march=x86-64-v4 -mprefer-vector-width=512)
  faltung_level(v4_vnni UPON v4 -mavx512vnni -mavx512vbmi)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  faltung_level(neon)
else()
  faltung_level(baseline)
endif()
