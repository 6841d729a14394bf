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
    const T* fetch = nullptr;  // from there on, a cache line per step is fetched
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
    bool stream;    // store past the caches where alignment allows; the caller fences
    T* to;
    std::int64_t to_place, to_channel;  // numbers between neighbours; one of them is 1 for speed
};

/// Winograd's minimal filtering F(outputs × outputs, 3 × 3). Numbers of every channel stand side by
/// side; `point` counts numbers from one of the points × points products to the next.
template <class T>
struct WinogradTable {
    int points;  // outputs + 2
    /// One tile: x[i*row + j*place + c] for whole vectors of channels. Unless `ahead` is 0, what
    /// lies so many numbers behind each result is fetched, to be written soon.
    void (*samples)(const T* x, std::int64_t row, std::int64_t place, std::int64_t channels, T* v,
                    std::int64_t point, std::int64_t ahead);
    /// w[channel][3][3][width] to u[point][channel][width].
    void (*kernels)(const T* w, std::int64_t channels, std::int64_t width, T* u,
                    std::int64_t point);
    /// The sums m[point][width] of one tile to its outputs. Adds zero times every output to the one
    /// vector of `watch`: it stays zero as long as all of them are finite.
    void (*results)(const T* m, std::int64_t point, std::int64_t width, T* to, std::int64_t row,
                    std::int64_t place, T* watch);
    /// The adjoint of `results`: gradients g[i*row + j*place + l] of one tile to v[point][width].
    void (*gradients)(const T* g, std::int64_t row, std::int64_t place, std::int64_t width, T* v,
                      std::int64_t point);
    /// The adjoint of `kernels`: sums m[point][channel][width] to w[channel][3][3][width]. `watch`
    /// as above.
    void (*weights)(const T* m, std::int64_t channels, std::int64_t width, std::int64_t point, T* w,
                    T* watch);
};

/// Winograd's F(2, 2) nested in itself along both axes of a plane, or along lines: 4 outputs of 4
/// taps from 9 points along each. Points count rows first.
template <class T>
struct NestedTable {
    /// A row of tiles, side by side: sample i, j of tile t is x[i*row + j%4*phase + j/4 + t], so
    /// every fourth sample of a line is the next one of its phase. To v[point][t], for whole
    /// vectors of tiles.
    void (*samples)(const T* x, std::int64_t row, std::int64_t phase, std::int64_t tiles, T* v,
                    std::int64_t point);
    /// The coefficients of one channel, w[tap][width] to u[point][width].
    void (*kernels)(const T* w, std::int64_t width, T* u);
    /// One axis of the way back: nine sums m[point][tile][width] to four outputs of every tile,
    /// to[output*to_output + tile*to_tile]. `watch` as above.
    void (*results)(const T* m, std::int64_t point, std::int64_t tiles, std::int64_t width, T* to,
                    std::int64_t to_output, std::int64_t to_tile, T* watch);
};

/// Output channels × one or two vectors of neighbouring places, lanes over the places:
///
///     c[m][i] (+)= bias[m] + sum over k of a[m*a_channel + k*a_step] * b[k*b_pitch + i]
///
/// for i < 2 * lanes, or for one vector.
template <class T>
struct PointwiseCall {
    const T* a;
    std::int64_t a_channel, a_step;
    const T* b;
    const std::int64_t* offset;  // where step k stands in b, for `scattered`
    std::int64_t b_pitch, steps;
    T* copy;  // where b is copied to on the way, without gaps; or nullptr
    T* c;
    std::int64_t c_pitch;  // numbers from one output channel to the next
    const T* bias;         // or nullptr
    bool relu, accumulate;
    const T* ahead;  // with `copy`: what later calls will read, fetched early as b is read
};

/// A layer whose channels do not see each other, one vector of channels at a time. All addresses
/// are aligned to a vector; distances count numbers.
template <class T>
struct DepthwiseCall {
    const T* x;
    std::int64_t line, tap;    // of x, between neighbouring taps
    std::int64_t place;        // of x, between neighbouring outputs of a line
    std::int64_t lines, taps;  // of the kernel, or of the part of it that is dealt with
    const T* w;                // coefficients [lines][taps]
    T* out;                    // outputs of a line, one vector each
    bool accumulate;           // out +=
};

/// A row of a depthwise layer whose samples stand anywhere: neighbouring taps are neighbouring
/// columns, of which a few at the ends of the row may lie outside and are taken for zeros.
template <class T>
struct DepthwiseRowCall {
    const T* x;                  // the first column of the first line, inside or not
    std::int64_t line, column;   // numbers between neighbours
    std::int64_t lines;          // of the kernel, or of the part of it that is dealt with
    std::int64_t before, after;  // columns outside, fewer than taps
    const T* w;                  // coefficients [lines][taps], aligned to a vector
    const T* bias;               // a vector of them, or nullptr
    bool relu, stream;           // as in FinishCall; `stream` asks for aligned outputs
    T* out;
    std::int64_t place;  // of out
};

/// out[t] += sum over rows and columns of grad[r*grad_row + c*grad_place] * x~[r, c*step + t],
/// where x~ is x with zeros in place of what is outside.
template <class T>
struct DepthwiseRowGradientCall {
    const T* x;  // the first column of the first row, inside or not
    std::int64_t x_row, column;
    std::int64_t before, last;  // columns [before, last) are inside
    const T* grad;
    std::int64_t grad_row, grad_place;
    std::int64_t rows, places;
    T* out;  // a vector for each tap, aligned
};

/// The loops for them, by places that are summed together.
template <class T>
struct DepthwiseRowTable {
    static constexpr int sizes = 4, kernels = 3, steps = 2;
    int places[sizes];  // from many to one
    static constexpr int taps[kernels] = {3, 5, 7};
    void (*row[steps][kernels][sizes])(const DepthwiseRowCall<T>&);  // [step - 1]
    void (*gradient[steps][kernels])(const DepthwiseRowGradientCall<T>&);
};

/// out[t] += sum over rows and columns of grad[r][c] * x[r*x_row + c*place + t*tap], for a few
/// taps.
template <class T>
struct DepthwiseGradientCall {
    const T* x;
    std::int64_t x_row, place, tap;
    const T* grad;
    std::int64_t grad_row;  // neighbouring columns are neighbouring vectors
    std::int64_t rows, columns;
    T* out;
};

/// Where a frequency and its opposite stand in a tile, in numbers.
struct FrequencyPlace {
    std::int64_t place, partner;
};

/// Between a few tiles and matrices, one per frequency: elements of tile (i, v) stand at
///
///     matrix + f*pace + i*item + v*vector,   imaginary parts `imaginary` numbers behind,
///
/// and what belongs to the opposite frequency `partner` numbers behind them.
template <class T>
struct FrequencyCall {
    const FrequencyPlace* frequencies;
    std::int64_t count;
    T* tiles;
    std::int64_t tile;            // numbers from one tile to the next, v before i
    std::int64_t items, vectors;  // so many tiles
    T* matrix;
    std::int64_t pace, item, vector, imaginary, partner;
    T scale;
};

/// A ProductCall of complex numbers: b holds imaginary parts `lanes` numbers behind the real ones,
/// a and c hold the real vectors of a step or a place and then the imaginary ones. `fetch` is where
/// as many coefficients as these stand, to be fetched; loops for many registers leave it alone.
template <class T>
struct ComplexTable {
    static constexpr int most_places = 6, most_vectors = 2;
    int places;
    Product<T> product[most_vectors][most_places];
    /// c (+)= a * b, for `count` elements of a vector of real and a vector of imaginary parts each;
    /// with `conjugate` the conjugate of a.
    void (*multiply)(const T* a, const T* b, T* c, std::int64_t count, bool conjugate,
                     bool accumulate);
    /// Tiles to matrices: a frequency and the conjugate of its opposite; with `turned` the
    /// conjugates of both.
    void (*spread)(const FrequencyCall<T>&, bool turned);
    /// The way back.
    void (*gather)(const FrequencyCall<T>&);
    /// Tiles of two kernels each, one as real and one as imaginary part, to items 2i and 2i + 1:
    /// the conjugates of their transforms, times `scale`.
    void (*split)(const FrequencyCall<T>&);
    /// Transforms of real numbers, those of items 2i and 2i + 1, to tiles of two.
    void (*join)(const FrequencyCall<T>&);
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
    /// to[i*lines + l] = from[l*from_pitch + i], i < count: lines take turns. With `stream` past
    /// the caches, where alignment allows; the caller fences.
    void (*interleave)(const T* from, std::int64_t from_pitch, std::int64_t lines,
                       std::int64_t count, T* to, bool stream);
    void (*finish)(const FinishCall<T>&);
    double (*sum)(const T* from, std::int64_t count);  // in float64
    /// to[i] += sum over lines of from[line*pitch + i], in float64.
    void (*sum_lines)(const T* from, std::int64_t pitch, std::int64_t lines, std::int64_t count,
                      double* to);
    /// Makes streamed stores visible to other threads.
    void (*fence)();
    WinogradTable<T> winograd4, winograd2;
    NestedTable<T> nested_planes, nested_lines;
    static constexpr int most_channels = 12;
    int pointwise_channels;                                        // the largest block
    void (*pointwise[2][most_channels])(const PointwiseCall<T>&);  // [vectors - 1][channels - 1]
    /// The same with b[offset[k] + i]; nothing is copied.
    void (*scattered[2][most_channels])(const PointwiseCall<T>&);
    int depthwise_places;  // the largest block of the two below
    void (*depthwise[most_places])(const DepthwiseCall<T>&);
    void (*depthwise_gradient[most_places])(const DepthwiseGradientCall<T>&);  // [taps - 1]
    DepthwiseRowTable<T> depthwise_rows;
    ComplexTable<T> complex;
};

}  // namespace faltung::microkernels
