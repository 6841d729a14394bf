# The ONE list of instruction-set levels. cpp/microkernels/level.cpp is compiled once for each, slowest first;
# cpp/microkernels/levels.cpp and the tests read the same list from the generated header levels.inc.
set(FALTUNG_LEVELS)

macro(faltung_level name)
  list(APPEND FALTUNG_LEVELS ${name})
  set(FALTUNG_FLAGS_${name} ${ARGN})
endmacro()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  faltung_level(baseline)
  faltung_level(v3 -march=x86-64-v3)
  faltung_level(v4 -march=x86-64-v4 -mprefer-vector-width=512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  faltung_level(neon)
else()
  faltung_level(baseline)
endif()
