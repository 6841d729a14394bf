// Compiled once per instruction-set level that stands upon another one (cmake/IsaLevels.cmake):
// its loops over bytes are all that it has of its own. The table is the only symbol that leaves the
// object, as in level.cpp.
#include "microkernels/byte_table.hpp"

#include "microkernels/byte_loops.hpp"
#include "microkernels/level_name.hpp"

namespace faltung::microkernels {

extern const ByteTable FALTUNG_LEVEL_TABLE;
constexpr ByteTable FALTUNG_LEVEL_TABLE = byte_table();

}  // namespace faltung::microkernels
