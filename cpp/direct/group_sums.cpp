#include "direct/group_sums.hpp"

#include "direct/row_blocks.hpp"

namespace faltung::direct {

namespace {

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
    call.hop = plan.row_step();
    if (!plan.tap_offsets.empty()) call.offsets = plan.tap_offsets.data();
    return call;
}

template <class T>
void sum_dense(const DensePlan<T>& plan, const TapBox& box, const RowGroup<T>& group,
               const Taps<T>& taps, T* const* out) {
    const microkernels::CorrelateTable<T>& micro = *plan.micro;
    microkernels::CorrelateCall<T> call = call_of(plan, box, group, taps);
    call.out = out;
    call.accumulate = &box != plan.boxes.data();
    if (box.one_row() && !plan.phased()) {
        for (Index r = 0; r < group.rows; ++r, ++call.row, ++call.out) micro.line(call);
        return;
    }
    const int square = plan.kx == box.kx ? microkernels::square_index(box.ky, box.kx) : -1;
    const bool known = call.offsets == nullptr;
    run_blocks(call, known ? known_block(micro, square, box.ky) : nullptr,
               box.kx == 1 ? micro.column : micro.block, group.rows, call.hop);
}

template <class T>
void sum_paired(const DensePlan<T>& plan, const TapBox& box, const RowGroup<T>& group) {
    const microkernels::CorrelateTable<T>& micro = *plan.micro;
    const KernelPlanes<T>& planes = plan.kernel->template planes<T>();
    const int square = microkernels::square_index(box.ky, box.kx);
    microkernels::CorrelateCall<T> call = call_of(plan, box, group, planes.real);
    call.taps_imag = planes.imag.data();
    call.out = group.real;
    const bool known = square >= 0 && call.offsets == nullptr;
    run_blocks(call, known ? &micro.paired_square[square] : nullptr, micro.paired, group.rows,
               call.hop);
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
    if (plan.sparse && !group.tainted) {
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
