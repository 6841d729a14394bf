// The lengths that the transforms serve, and how each is taken apart. Measured, not derived: radix
// 16 spills even with 32 registers and pays only where it saves a pass over memory. Four passes
// serve lengths that no near cache holds; their inner blocks are what does.
#pragma once

#include "microkernels/transform_complex.hpp"
#include "microkernels/transform_table.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

constexpr TransformLength lengths[] = {
#if defined(__AVX512F__)
    {8, {8, 1, 1, 1}},       {12, {12, 1, 1, 1}},     {16, {16, 1, 1, 1}},
    {24, {6, 4, 1, 1}},      {32, {4, 8, 1, 1}},      {48, {8, 6, 1, 1}},
    {64, {8, 8, 1, 1}},      {80, {8, 10, 1, 1}},     {96, {8, 12, 1, 1}},
    {128, {4, 4, 8, 1}},     {160, {4, 4, 10, 1}},    {192, {4, 6, 8, 1}},
    {256, {4, 8, 8, 1}},     {320, {4, 8, 10, 1}},    {384, {8, 6, 8, 1}},
    {512, {8, 8, 8, 1}},     {576, {6, 12, 8, 1}},    {640, {8, 10, 8, 1}},
    {768, {6, 16, 8, 1}},    {864, {6, 12, 12, 1}},   {960, {10, 12, 8, 1}},
#else
    {8, {8, 1, 1, 1}},       {12, {12, 1, 1, 1}},     {16, {4, 4, 1, 1}},
    {24, {6, 4, 1, 1}},      {32, {4, 8, 1, 1}},      {48, {6, 8, 1, 1}},
    {64, {8, 8, 1, 1}},      {80, {8, 10, 1, 1}},     {96, {4, 4, 6, 1}},
    {128, {4, 4, 8, 1}},     {160, {4, 4, 10, 1}},    {192, {4, 6, 8, 1}},
    {256, {4, 8, 8, 1}},     {320, {4, 8, 10, 1}},    {384, {6, 8, 8, 1}},
    {512, {8, 8, 8, 1}},     {576, {6, 12, 8, 1}},    {640, {8, 10, 8, 1}},
    {768, {8, 12, 8, 1}},    {864, {6, 12, 12, 1}},   {960, {10, 12, 8, 1}},
#endif
    {1024, {8, 16, 8, 1}},   {1152, {12, 12, 8, 1}},  {1280, {10, 16, 8, 1}},
    {1536, {12, 16, 8, 1}},  {1728, {12, 12, 12, 1}}, {1920, {12, 16, 10, 1}},
    {2048, {16, 16, 8, 1}},  {2304, {16, 12, 12, 1}}, {2560, {16, 16, 10, 1}},
    {3072, {16, 12, 16, 1}}, {4096, {16, 16, 16, 1}}, {4608, {8, 6, 12, 8}},
    {5120, {8, 8, 10, 8}},   {6144, {8, 8, 12, 8}},   {7680, {8, 10, 12, 8}},
    {8192, {8, 8, 16, 8}},   {9216, {8, 12, 12, 8}},  {10240, {8, 10, 16, 8}},
    {12288, {8, 12, 16, 8}}, {16384, {8, 16, 16, 8}},
};
constexpr int length_count = static_cast<int>(sizeof(lengths) / sizeof(lengths[0]));

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
