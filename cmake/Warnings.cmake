# One interface target that every target of ours links: the warnings, and the floating-point rules.
add_library(faltung_flags INTERFACE)
set(warnings -Wall -Wextra -Wshadow
    -Wno-missing-field-initializers # designated initialisers leave out what has a default
    -Wno-psabi # vector types never cross an object's border
    -ffp-contract=fast # multiply-add wherever the level has it; never -ffast-math
    -fno-math-errno
    $<$<BOOL:${FALTUNG_WARNINGS_AS_ERRORS}>:-Werror>)
list(JOIN warnings "," host_warnings)
target_compile_options(
  faltung_flags INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${warnings}>"
                          "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${host_warnings}>")
