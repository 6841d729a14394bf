// What a level offers for layers of nets, where many channels meet at every position.
#pragma once

#include <cstdint>

namespace faltung::microkernels {

/// A few places times a few vectors of output channels, summed over taps and input channels:
///
///     c[p][v] (+)= sum over r, j of a[(r*run + j)*width + v] * b[offset[r] + j*step + p*place]
///
/// with width = vectors * lanes. Every sum starts at zero and is added to what `c` holds at the
/// end: blocks of a long sum keep its error small.
template <class T>
struct ProductCall {
    const T* a;  // packed coefficients, aligned to a vector
    const T* b;
    const std::int64_t* offset;  // where each run starts in b
    std::int64_t runs, run;      // so many runs of so many steps
    std::int64_t step;           // numbers between neighbouring steps of a run
    std::int64_t place;          // numbers between neighbouring places
    T* c;                        // aligned to a vector
    bool accumulate;
};

template <class T>
using Product = void (*)(const ProductCall<T>&);

/// What becomes of a block of sums on its way out.
template <class T>
struct FinishCall {
    const T* from;  // places x channels, `pitch` numbers from place to place
    std::int64_t pitch, places, channels;
    const T* bias;  // one per channel, or nullptr
    bool relu;      // negative sums become zero; NaN stays
    T* to;
    std::int64_t to_place, to_channel;  // numbers between neighbours; one of them is 1 for speed
};

template <class T>
struct LayerTable {
    static constexpr int most_places = 14, most_vectors = 2;
    int lanes;
    int places;  // the largest block
    /// [vectors - 1][places - 1]; nullptr above `places`.
    Product<T> product[most_vectors][most_places];
    /// to[c*to_pitch + r] = from[r*from_pitch + c].
    void (*transpose)(const T* from, std::int64_t from_pitch, std::int64_t rows,
                      std::int64_t columns, T* to, std::int64_t to_pitch);
    void (*finish)(const FinishCall<T>&);
};

}  // namespace faltung::microkernels
