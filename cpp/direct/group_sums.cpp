#include "direct/group_sums.hpp"

namespace faltung::direct {

namespace {

template <class T>
using Block = typename microkernels::CorrelateTable<T>::Block;

template <class T>
microkernels::CorrelateCall<T> call_of(const DensePlan<T>& plan, const TapBox& box,
                                       const RowGroup<T>& group, const Taps<T>& taps) {
    microkernels::CorrelateCall<T> call{};
    call.row = group.input;
    call.taps = taps.data() + (box.d * plan.ky + box.y) * plan.kx + box.t;
    call.n = group.n;
    call.depth = box.depth;
    call.row_pitch = group.input_pitch;
    call.ky = box.ky;
    call.kx = box.kx;
    call.tap_pitch = plan.kx;
    call.tap_step = plan.last().dilation * plan.problem.lanes();
    call.ahead = group.ahead;
    call.ahead_pitch = group.ahead_pitch;
    call.stream = group.stream;
    return call;
}

/// All rows of a group, by the blocks that fit them; `known` is made for this kernel.
template <class T>
void run_blocks(microkernels::CorrelateCall<T>& call, const Block<T>* known, const Block<T>* blocks,
                Index rows) {
    while (rows > 0) {
        const Block<T>* block = blocks;
        if (known != nullptr && rows >= known->rows)
            block = known;
        else
            while (block->rows > rows || block->rows > call.ky) ++block;
        block->run(call);
        call.row += block->rows;
        call.out += block->rows;
        call.ahead = nullptr;
        rows -= block->rows;
    }
}

template <class T>
void sum_dense(const DensePlan<T>& plan, const TapBox& box, const RowGroup<T>& group,
               const Taps<T>& taps, T* const* out) {
    const microkernels::CorrelateTable<T>& micro = *plan.micro;
    microkernels::CorrelateCall<T> call = call_of(plan, box, group, taps);
    call.out = out;
    call.accumulate = &box != plan.boxes.data();
    if (box.one_row()) {
        for (Index r = 0; r < group.rows; ++r, ++call.row, ++call.out) micro.line(call);
        return;
    }
    const int square = plan.kx == box.kx ? microkernels::square_index(box.ky, box.kx) : -1;
    const int low = microkernels::low_index(box.ky);
    const Block<T>* known = square >= 0 ? &micro.square[square]
                            : low >= 0  ? &micro.low[low]
                                        : nullptr;
    run_blocks<T>(call, known, box.kx == 1 ? micro.column : micro.block, group.rows);
}

template <class T>
void sum_paired(const DensePlan<T>& plan, const TapBox& box, const RowGroup<T>& group) {
    const microkernels::CorrelateTable<T>& micro = *plan.micro;
    const KernelPlanes<T>& planes = plan.kernel->template planes<T>();
    const int square = microkernels::square_index(box.ky, box.kx);
    microkernels::CorrelateCall<T> call = call_of(plan, box, group, planes.real);
    call.taps_imag = planes.imag.data();
    call.out = group.real;
    run_blocks<T>(call, square < 0 ? nullptr : &micro.paired_square[square], micro.paired,
                  group.rows);
}

template <class T>
void sum_listed(const DensePlan<T>& plan, const RowGroup<T>& group,
                const std::vector<microkernels::SparseTap<T>>& taps, T* const* out) {
    plan.micro->sparse({group.input, group.input_pitch, taps.data(),
                        static_cast<Index>(taps.size()), out, group.rows, group.n});
}

}  // namespace

template <class T>
void sum_group(const DensePlan<T>& plan, const TapBox& box, const RowGroup<T>& group) {
    const bool apart = plan.problem.complex_kernel;
    // what is not finite makes NaN of taps that no list of a sparse kernel holds
    if (plan.phased() || (plan.sparse && !group.tainted)) {
        sum_listed(plan, group, plan.sparse_real, group.real);
        if (apart) sum_listed(plan, group, plan.sparse_imag, group.imag);
        return;
    }
    if (plan.paired) return sum_paired(plan, box, group);
    const KernelPlanes<T>& planes = plan.kernel->template planes<T>();
    sum_dense(plan, box, group, planes.real, group.real);
    if (apart) sum_dense(plan, box, group, planes.imag, group.imag);
}

template void sum_group(const DensePlan<float>&, const TapBox&, const RowGroup<float>&);
template void sum_group(const DensePlan<double>&, const TapBox&, const RowGroup<double>&);
template void sum_group(const DensePlan<std::int64_t>&, const TapBox&,
                        const RowGroup<std::int64_t>&);

}  // namespace faltung::direct
