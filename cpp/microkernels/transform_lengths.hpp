// The lengths that the transforms serve, and how each is taken apart: large radices where there are 32 registers.
#pragma once

#include "microkernels/transform_complex.hpp"
#include "microkernels/transform_table.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

#if defined(__AVX512F__)
constexpr TransformLength lengths[] = {
    {8, {8, 1, 1}},     {12, {12, 1, 1}},   {16, {16, 1, 1}},   {24, {6, 4, 1}},    {32, {4, 8, 1}},
    {48, {6, 8, 1}},    {64, {8, 8, 1}},    {96, {12, 8, 1}},   {128, {16, 8, 1}},  {192, {12, 16, 1}},
    {256, {16, 16, 1}}, {384, {6, 8, 8}},   {512, {8, 8, 8}},   {768, {12, 8, 8}},  {1024, {16, 8, 8}},
};
#else
constexpr TransformLength lengths[] = {
    {8, {8, 1, 1}},     {12, {12, 1, 1}},   {16, {4, 4, 1}},    {24, {6, 4, 1}},    {32, {4, 8, 1}},
    {48, {6, 8, 1}},    {64, {8, 8, 1}},    {96, {12, 8, 1}},   {128, {4, 4, 8}},   {192, {6, 4, 8}},
    {256, {4, 8, 8}},   {384, {6, 8, 8}},   {512, {8, 8, 8}},   {768, {12, 8, 8}},  {1024, {16, 8, 8}},
};
#endif
constexpr int length_count = static_cast<int>(sizeof(lengths) / sizeof(lengths[0]));

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
