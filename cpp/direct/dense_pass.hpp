// Computes boxes of outputs for one pair of arrays: strips along the last axis, groups of rows down
// the row axis.
#pragma once

#include <array>
#include <cstring>
#include <optional>

#include "core/box.hpp"
#include "core/workspace.hpp"
#include "direct/byte_plan.hpp"
#include "direct/dense_plan.hpp"
#include "direct/plane_window.hpp"
#include "direct/row_window.hpp"
#include "lines/conversion.hpp"
#include "lines/line_reader.hpp"
#include "lines/line_writer.hpp"

namespace faltung::direct {

template <class T>
class DensePass {
public:
    /// What does not fit the caches: results are kept out of them, samples fetched early.
    struct Far {
        bool results = false, samples = false;
    };

    DensePass(const DensePlan<T>& plan, const ArrayView& x, const ArrayView& out, const Far& far);

    void run(const Box& box) const;

    static std::size_t scratch_bytes(const DensePlan<T>& plan);

private:
    static constexpr Index max_group = 12;
    static constexpr int max_segments = 3;
    static constexpr std::size_t line_bytes = 64;
    static constexpr Index line_numbers = static_cast<Index>(line_bytes / sizeof(T));
    /// Loops over bytes leave rows as out holds them, and end where a row ends.
    static constexpr bool in_bytes = unconverted<T>;

    /// Memory for one strip after another. Taking a block anew for each would have the workers wait
    /// for each other, where a strip takes less than a microsecond; small calls must not wait for
    /// an allocator at all.
    class StripMemory {
    public:
        std::byte* room(std::size_t bytes) {
            if (bytes <= sizeof small_) return small_;
            if (!large_ || large_->size() < bytes) {
                large_.reset();
                large_.emplace(bytes);
            }
            return large_->data();
        }

    private:
        alignas(line_bytes) std::byte small_[16 * 1024];
        std::optional<Workspace> large_;
    };

    /// Outputs of the last axis.
    struct Range {
        Index begin, end;
        bool edge;
    };

    /// A stretch of the last axis whose rows come the same way: all from x, or all through buffers.
    struct Segment {
        Index begin, end;       // outputs
        bool edge;              // of the interior: windows reach beyond x
        Index numbers;          // that the microkernels must compute per row, one step at a time
        Index n;                // that they do compute
        bool staged;            // results go through `stage`
        RowWindow<T> window;    // the rows of one group, or
        PlaneWindow<T> planes;  // those of a band of a volume
    };

    /// Where a segment's rows go first when they cannot go straight into out.
    struct Stage {
        T* rows = nullptr;  // group rows; twice as many for a complex kernel
        T* line = nullptr;  // one more, for a row that is put together
        Index pitch = 0;
        const T** pointers = nullptr;  // room for the rows of one group
        T* row(Index r) const { return rows + r * pitch; }
    };

    /// Rows that a microkernel reads, and the pointers from one plane of them to the next.
    struct Rows {
        const T* const* first;
        Index pitch;
        const void* ahead;  // rows of x that come next
    };

    struct Targets {
        T* real[max_group];
        T* imag[max_group];
    };

    void run_strip(const Box& box, const Range* ranges, int count, StripMemory& memory) const;
    Segment segment(const Range& range) const;
    WindowShape<T> shape(const Segment& segment) const;
    void walk(const Box& box, Segment* segments, int count, const Stage& stage) const;
    void run_rows(const Box& box, Segment* segments, int count, const Stage& stage,
                  const Index* at_in, Index* at_out) const;
    void run_group(Segment& s, const Stage& stage, const Index* at_in, Index* at_out, Index y,
                   Index sequence, Index rows) const;
    void run_planes(const Box& box, Segment* segments, int count, const Stage& stage, Index* at_in,
                    Index* at_out) const;
    const void* ahead(const Segment& s, const Index* at) const;
    Rows rows_at(const Segment& s, const Stage& stage, Index from, Index rows) const;
    Targets targets(const Segment& s, const Stage& stage, Index* at_out, Index y, Index rows) const;
    void correlate(const TapBox& taps, const Segment& s, const Rows& input, const Targets& to,
                   Index rows) const;
    void finish(const Segment& s, const Stage& stage, Index* at_out, Index y, Index rows) const;
    void finish_row(const Segment& s, const Stage& stage, Index r, const Index* at_out) const;
    Index aligned_start(const Box& box, Index from, Index limit) const;
    static Index round_up(Index value, Index unit) { return (value + unit - 1) / unit * unit; }
    static Index pitch_of(Index numbers);
    static Index window_rows(const DensePlan<T>& plan);
    Index strip_positions() const;
    Index band_rows(Index numbers) const;
    Index rows_of_band(Index rows) const;

    const DensePlan<T>& plan_;
    const LineReader<T> reader_;
    const LineWriter<T> writer_;
    const bool stream_, fetch_;
    const Index lanes_, vector_;
    const Index result_size_;  // of T, for each number of a result
    bool reads_in_place_, writes_in_place_;
    Index ahead_pitch_ = 0;  // bytes from one input row of a group to the next; 0 if x does not
                             // hold rows as they are
};

extern template class DensePass<float>;
extern template class DensePass<double>;
extern template class DensePass<std::int64_t>;
extern template class DensePass<std::byte>;

}  // namespace faltung::direct
