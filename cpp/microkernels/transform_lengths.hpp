// The lengths that the transforms serve, and how each is taken apart. Measured, not derived: radix
// 16 spills even with 32 registers and pays only where it saves a pass over memory.
#pragma once

#include "microkernels/transform_complex.hpp"
#include "microkernels/transform_table.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

#if defined(__AVX512F__)
constexpr TransformLength lengths[] = {
    {8, {8, 1, 1}},       {12, {12, 1, 1}},    {16, {16, 1, 1}},    {24, {6, 4, 1}},
    {32, {4, 8, 1}},      {48, {8, 6, 1}},     {64, {8, 8, 1}},     {96, {8, 12, 1}},
    {128, {4, 4, 8}},     {192, {4, 6, 8}},    {256, {4, 8, 8}},    {384, {8, 6, 8}},
    {512, {8, 8, 8}},     {576, {6, 12, 8}},   {768, {6, 16, 8}},   {1024, {8, 16, 8}},
    {1152, {12, 12, 8}},  {1536, {12, 16, 8}}, {2048, {16, 16, 8}}, {3072, {16, 12, 16}},
    {4096, {16, 16, 16}},
};
#else
constexpr TransformLength lengths[] = {
    {8, {8, 1, 1}},       {12, {12, 1, 1}},    {16, {4, 4, 1}},     {24, {6, 4, 1}},
    {32, {4, 8, 1}},      {48, {6, 8, 1}},     {64, {8, 8, 1}},     {96, {4, 4, 6}},
    {128, {4, 4, 8}},     {192, {4, 6, 8}},    {256, {4, 8, 8}},    {384, {6, 8, 8}},
    {512, {8, 8, 8}},     {576, {6, 12, 8}},   {768, {8, 12, 8}},   {1024, {8, 16, 8}},
    {1152, {12, 12, 8}},  {1536, {12, 16, 8}}, {2048, {16, 16, 8}}, {3072, {16, 12, 16}},
    {4096, {16, 16, 16}},
};
#endif
constexpr int length_count = static_cast<int>(sizeof(lengths) / sizeof(lengths[0]));

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
