#include "recursive/cascade.hpp"

#include <algorithm>
#include <cstdlib>

#include "core/error.hpp"
#include "core/workspace.hpp"
#include "lines/line_reader.hpp"
#include "lines/line_writer.hpp"
#include "parallel/parallel_for.hpp"
#include "recursive/complex_line.hpp"

namespace faltung {

namespace {

constexpr Index line_chunk = 1024;        // samples of a line that pass all sections at a time
constexpr Index panel_numbers = 64;       // of lines that lie side by side
constexpr Index panel_chunk = 32;         // positions of a panel
constexpr Index worth_waking = 50'000;    // samples times sections: some 60 us
constexpr Index between_polls = 1 << 22;  // samples: some 10 ms

bool is_real(const std::vector<std::complex<double>>& values) {
    return std::ranges::all_of(values, [](std::complex<double> v) { return v.imag() == 0; });
}

/// Looks for an interrupt now and then within a task, which may be one endless line.
class Patience {
public:
    Patience(const Context& context, int worker)
        : interrupt_(worker == 0 ? context.interrupt : nullptr) {}

    void passed(Index samples) {
        if (interrupt_ == nullptr || (left_ -= samples) > 0) return;
        left_ = between_polls;
        if (interrupt_->poll()) throw Cancelled();
    }

private:
    Interrupt* interrupt_;  // polled by the calling thread only, which is worker 0
    Index left_ = between_polls;
};

/// Where the state of one section along one line stands.
struct Slot {
    double* data;
    Index pitch;  // numbers from one state to the next
};

}  // namespace

/// A call with its axes in the order that the loops want: others first, then the filtered one, then
/// for panels the one that lies side by side.
struct Cascade::Call {
    ArrayView x, out;
    States states;
    Problem problem;
    const Context* context;
    int filtered;   // place of the filtered axis in this order
    Index lanes;    // 2 for complex samples
    Index samples;  // along the filtered axis
    Index outer;    // tasks: positions on all axes before the filtered one

    Extents position(Index task) const {
        Extents at(x.rank(), 0);
        for (int a = filtered - 1; a >= 0; --a) {
            at[a] = task % x.shape[a];
            task /= x.shape[a];
        }
        return at;
    }

    Slot slot(const ArrayView& states_of, std::size_t section, const Extents& at) const {
        if (states_of.data == nullptr) return {nullptr, 0};
        std::byte* data = states_of.data + static_cast<Index>(section) * states_of.strides[0];
        for (int a = 0; a < x.rank(); ++a)
            if (a != filtered) data += at[a] * states_of.strides[a + 1];
        return {reinterpret_cast<double*>(data),
                states_of.strides[filtered + 1] / static_cast<Index>(sizeof(double))};
    }
};

namespace {

ArrayView reorder(const ArrayView& view, const PerAxis<int>& order, int skip) {
    ArrayView result{.data = view.data, .dtype = view.dtype};
    for (int a = 0; a < skip; ++a) {
        result.shape.push_back(view.shape[a]);
        result.strides.push_back(view.strides[a]);
    }
    for (int axis : order) {
        result.shape.push_back(view.shape[axis + skip]);
        result.strides.push_back(view.strides[axis + skip]);
    }
    return result;
}

/// The axis that lies closer together than the filtered one, if lines along it fill a vector.
int side_by_side(const ArrayView& x, int axis, Index lanes) {
    int best = axis;
    for (int a = 0; a < x.rank(); ++a)
        if (x.shape[a] > 1 && x.strides[a] != 0 &&
            std::abs(x.strides[a]) < std::abs(x.strides[best]))
            best = a;
    return best != axis && x.shape[best] * lanes >= microkernels::recur_block ? best : axis;
}

}  // namespace

Cascade::Cascade(std::vector<Section> sections, const microkernels::Table& level)
    : sections_(std::move(sections)), level_(&level) {
    const auto real = [](const Section& section) {
        return is_real(section.b) && is_real(section.a);
    };
    if (!std::ranges::all_of(sections_, real)) return;
    for (const Section& section : sections_) {
        stages_.emplace_back(section, level);
        history_ = std::max(history_, stages_.back().history());
    }
}

void Cascade::run(const ArrayView& x, int axis, const ArrayView& out, const States& states,
                  const Context& context) const {
    const bool complex = is_complex(out.dtype);
    const int beside = stages_.empty() ? axis : side_by_side(x, axis, complex ? 2 : 1);
    PerAxis<int> order;
    for (int a = 0; a < x.rank(); ++a)
        if (a != axis && a != beside) order.push_back(a);
    order.push_back(axis);
    if (beside != axis) order.push_back(beside);

    Context settled = context;
    Call call{.x = reorder(x, order, 0),
              .out = reorder(out, order, 0),
              .states = {},
              .problem = {.x_dtype = x.dtype, .out_dtype = out.dtype, .complex_samples = complex},
              .context = &settled,
              .filtered = beside == axis ? x.rank() - 1 : x.rank() - 2,
              .lanes = complex ? 2 : 1,
              .samples = x.shape[axis],
              .outer = 1};
    if (states.initial.data != nullptr) call.states.initial = reorder(states.initial, order, 1);
    if (states.final.data != nullptr) call.states.final = reorder(states.final, order, 1);
    for (Index extent : call.x.shape) call.problem.axes.push_back({.x = extent, .out = extent});
    for (int a = 0; a < call.filtered; ++a) call.outer *= call.x.shape[a];
    if (product(call.x.shape) * static_cast<Index>(sections_.size()) < worth_waking)
        settled.workers = 1;

    if (stages_.empty())
        complex_lines(call);
    else if (beside == axis)
        lines(call);
    else
        columns(call);
}

/// A chunk of a line passes through all sections while it is in the cache. Complex samples are two
/// real lines.
void Cascade::lines(const Call& call) const {
    constexpr Index block = microkernels::recur_block;
    const Index planes = call.lanes, chunk = std::max(line_chunk, history_);
    const Index room = history_ + chunk + block;  // numbers of one section's input, with its past
    const Index rooms = static_cast<Index>(stages_.size()) + 1;
    const auto& convert = level_->convert.f64;
    const LineReader<double> reader(call.problem, call.x, *level_);
    const LineWriter<double> writer(call.problem, call.out, *level_);

    parallel_for(call.outer, *call.context, [&](Index task, int worker) {
        const Extents at = call.position(task);
        const Workspace scratch(static_cast<std::size_t>((rooms * room + chunk) * planes) *
                                sizeof(double));
        double* const rooms_of = scratch.as<double>();
        double* const pairs = rooms_of + planes * rooms * room;
        std::fill_n(rooms_of, planes * rooms * room, 0.0);
        const auto place = [&](Index plane, Index stage) {
            return rooms_of + (plane * rooms + stage) * room + history_;
        };

        Patience patience(*call.context, worker);
        for (Index done = 0; done < call.samples; done += chunk) {
            const Index n = std::min(chunk, call.samples - done);
            if (planes == 1) {
                reader.read(at.data(), done, done + n, place(0, 0));
            } else {
                reader.read(at.data(), done, done + n, pairs);
                convert.split(pairs, place(0, 0), place(1, 0), n);
            }
            for (Index plane = 0; plane < planes; ++plane)
                for (std::size_t s = 0; s < stages_.size(); ++s) {
                    const Index stage = static_cast<Index>(s);
                    const Slot slot = call.slot(call.states.initial, s, at);
                    const Index left = slot.data == nullptr ? 0 : stages_[s].states() - done;
                    stages_[s].line(place(plane, stage), place(plane, stage + 1), n,
                                    slot.data + (left > 0 ? done * slot.pitch + plane : 0),
                                    slot.pitch, left);
                }
            if (planes == 1) {
                writer.write(at.data(), done, done + n, place(0, rooms - 1));
            } else {
                convert.join(place(0, rooms - 1), place(1, rooms - 1), pairs, n);
                writer.write(at.data(), done, done + n, pairs);
            }
            for (Index p = 0; p < planes * rooms; ++p)
                std::copy_n(rooms_of + p * room + n, history_, rooms_of + p * room);
            patience.passed(n);
        }

        if (call.states.final.data == nullptr) return;
        for (std::size_t s = 0; s < stages_.size(); ++s) {
            const Slot before = call.slot(call.states.initial, s, at);
            const Slot after = call.slot(call.states.final, s, at);
            const Index stage = static_cast<Index>(s), states = stages_[s].states();
            for (Index plane = 0; plane < planes; ++plane)
                for (Index i = 0; i < states; ++i) {
                    double& state = after.data[i * after.pitch + plane];
                    state =
                        stages_[s].state_after(place(plane, stage), place(plane, stage + 1), 1, i);
                    if (before.data != nullptr && call.samples + i < states)
                        state += before.data[(call.samples + i) * before.pitch + plane];
                }
        }
    });
}

/// Panels of lines side by side, a line per lane.
void Cascade::columns(const Call& call) const {
    const Index beside = call.x.shape[call.filtered + 1];
    const Index wide = panel_numbers / call.lanes;  // lines of a panel
    const Index panels = (beside + wide - 1) / wide;
    const Index chunk = std::max(panel_chunk, history_);
    const Index room = (history_ + chunk) * panel_numbers;
    const Index rooms = static_cast<Index>(stages_.size()) + 1;
    const LineReader<double> reader(call.problem, call.x, *level_);
    const LineWriter<double> writer(call.problem, call.out, *level_);

    parallel_for(call.outer * panels, *call.context, [&](Index task, int worker) {
        Extents at = call.position(task / panels);
        const Index first = task % panels * wide, last = std::min(first + wide, beside);
        const Index numbers = (last - first) * call.lanes;
        constexpr Index block = microkernels::recur_block;
        const Index width = (numbers + block - 1) / block * block;
        const Workspace scratch(static_cast<std::size_t>(rooms * room) * sizeof(double));
        double* const rooms_of = scratch.as<double>();
        std::fill_n(rooms_of, rooms * room, 0.0);
        const auto place = [&](Index stage) {
            return rooms_of + stage * room + history_ * panel_numbers;
        };
        /// The state's number behind lane `number`; `with` holds the line's place.
        const auto state_of = [&](const ArrayView& states, std::size_t s, Extents with,
                                  Index number) {
            with[call.filtered + 1] = first + number / call.lanes;
            Slot slot = call.slot(states, s, with);
            slot.data += number % call.lanes;
            return slot;
        };

        Patience patience(*call.context, worker);
        for (Index done = 0; done < call.samples; done += chunk) {
            const Index n = std::min(chunk, call.samples - done);
            for (Index i = 0; i < n; ++i) {
                at[call.filtered] = done + i;
                reader.read(at.data(), first, last, place(0) + i * panel_numbers);
            }
            for (std::size_t s = 0; s < stages_.size(); ++s) {
                const Index stage = static_cast<Index>(s);
                double* const y = place(stage + 1);
                std::fill_n(y, n * panel_numbers, 0.0);
                if (call.states.initial.data != nullptr && done < stages_[s].states())
                    for (Index number = 0; number < numbers; ++number) {
                        const Slot slot = state_of(call.states.initial, s, at, number);
                        for (Index i = 0; i < std::min(n, stages_[s].states() - done); ++i)
                            y[i * panel_numbers + number] = slot.data[(done + i) * slot.pitch];
                    }
                stages_[s].columns(place(stage), y, n, width, panel_numbers);
            }
            for (Index i = 0; i < n; ++i) {
                at[call.filtered] = done + i;
                writer.write(at.data(), first, last, place(rooms - 1) + i * panel_numbers);
            }
            for (Index r = 0; r < rooms; ++r)
                std::copy_n(rooms_of + r * room + n * panel_numbers, history_ * panel_numbers,
                            rooms_of + r * room);
            patience.passed(n * wide);
        }

        if (call.states.final.data == nullptr) return;
        for (std::size_t s = 0; s < stages_.size(); ++s)
            for (Index number = 0; number < numbers; ++number) {
                const Index stage = static_cast<Index>(s), states = stages_[s].states();
                const Slot after = state_of(call.states.final, s, at, number);
                for (Index i = 0; i < states; ++i) {
                    double& state = after.data[i * after.pitch];
                    state = stages_[s].state_after(place(stage) + number, place(stage + 1) + number,
                                                   panel_numbers, i);
                    if (call.states.initial.data != nullptr && call.samples + i < states) {
                        const Slot before = state_of(call.states.initial, s, at, number);
                        state += before.data[(call.samples + i) * before.pitch];
                    }
                }
            }
    });
}

void Cascade::complex_lines(const Call& call) const {
    const LineReader<double> reader(call.problem, call.x, *level_);
    const LineWriter<double> writer(call.problem, call.out, *level_);

    parallel_for(call.outer, *call.context, [&](Index task, int worker) {
        const Extents at = call.position(task);
        std::vector<std::vector<std::complex<double>>> memory;
        for (std::size_t s = 0; s < sections_.size(); ++s) {
            const Slot slot = call.slot(call.states.initial, s, at);
            auto& state = memory.emplace_back(static_cast<std::size_t>(sections_[s].states()));
            for (std::size_t i = 0; slot.data != nullptr && i < state.size(); ++i) {
                const double* parts = slot.data + static_cast<Index>(i) * slot.pitch;
                state[i] = {parts[0], parts[1]};
            }
        }
        const Workspace scratch(static_cast<std::size_t>(line_chunk) *
                                sizeof(std::complex<double>));
        double* const pairs = scratch.as<double>();
        Patience patience(*call.context, worker);
        for (Index done = 0; done < call.samples; done += line_chunk) {
            const Index n = std::min(line_chunk, call.samples - done);
            reader.read(at.data(), done, done + n, pairs);
            for (std::size_t s = 0; s < sections_.size(); ++s)
                complex_line(sections_[s], reinterpret_cast<std::complex<double>*>(pairs), n,
                             memory[s].data());
            writer.write(at.data(), done, done + n, pairs);
            patience.passed(n);
        }
        for (std::size_t s = 0; s < sections_.size(); ++s) {
            const Slot slot = call.slot(call.states.final, s, at);
            for (std::size_t i = 0; slot.data != nullptr && i < memory[s].size(); ++i) {
                double* parts = slot.data + static_cast<Index>(i) * slot.pitch;
                parts[0] = memory[s][i].real();
                parts[1] = memory[s][i].imag();
            }
        }
    });
}

}  // namespace faltung
