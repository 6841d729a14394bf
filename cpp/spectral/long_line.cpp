#include "spectral/long_line.hpp"

#include <algorithm>

#include "lines/strided.hpp"
#include "parallel/parallel_for.hpp"

namespace faltung {
namespace {

constexpr Index chunk = Index{1} << 16;  // samples fed or delivered by one task

/// [0, count) in chunks.
template <class Body>
void in_chunks(Index count, const Context& context, Body&& body) {
    parallel_for((count + chunk - 1) / chunk, context,
                 [&](Index task, int) { body(task * chunk, std::min(count, (task + 1) * chunk)); });
}

}  // namespace

/// The feed's first `count` samples, scrubbed, in `memory`.
template <class T>
const T* LongLine<T>::staged(Feed<T>& feed, Index count, T* memory, const Context& context) const {
    in_chunks(count, context, [&](Index begin, Index end) {
        T* here = memory + begin * per();
        const T* numbers = feed.line(nullptr, begin, end, here);
        if (numbers != here) std::copy_n(numbers, (end - begin) * per(), here);
    });
    return memory;
}

/// From the wanted points to the outputs among them.
template <class T>
void LongLine<T>::deliver(T* outputs, Drain<T>& drain, const Context& context) const {
    const Span& span = shape_.span;
    const bool again = span.out > span.length;  // what takes the numbers may change them
    in_chunks(span.out, context, [&](Index begin, Index end) {
        if (span.step == 1 && !again) {
            for (Index j = begin, run = 0; j < end; j += run) {
                const Index place = span.place(j);
                run = std::min(end - j, span.periodic ? span.length - place : end - j);
                drain.line(nullptr, j, j + run, outputs + (place - span.wanted_begin()) * per());
            }
            return;
        }
        const Workspace picked(static_cast<std::size_t>((end - begin) * per()) * sizeof(T));
        T* numbers = picked.as<T>();
        for (Index j = begin, run = 0; j < end; j += run) {
            const Index place = span.place(j);
            run = std::min(end - j, (span.length - place + span.step - 1) / span.step);
            keep_every(span.step, outputs + (place - span.wanted_begin()) * per(), per(), run,
                       numbers + (j - begin) * per());
        }
        drain.line(nullptr, begin, end, numbers);
    });
}

template <class T>
void LongLine<T>::run(const Spectrum<T>& spectrum, Feed<T>& feed, Drain<T>& drain,
                      const Context& context) const {
    const Pass pass(*this, context);
    const Span& span = shape_.span;
    const T* samples = feed.in_place();
    if (!samples || !forward(samples, span.have, pass)) {
        const Workspace memory(static_cast<std::size_t>(span.have * per()) * sizeof(T));
        forward(staged(feed, span.have, memory.as<T>(), context), span.have, pass);
    }
    middle(spectrum, pass);
    drain.begin(context);
    if (T* outputs = span.step == 1 && !span.periodic ? drain.in_place() : nullptr)
        return backward(outputs, pass);
    const Workspace memory(
        static_cast<std::size_t>((span.wanted_end() - span.wanted_begin()) * per()) * sizeof(T));
    backward(memory.as<T>(), pass);
    deliver(memory.as<T>(), drain, context);
}

template <class T>
Spectrum<T> LongLine<T>::spectrum(Feed<T>& kernel, const Context& context) const {
    const Pass pass(*this, context);
    const Index points = shape_.span.kernel_points();
    if (const T* taps = kernel.in_place()) {
        forward(taps, points, pass);
    } else {
        const Workspace memory(static_cast<std::size_t>(points * per()) * sizeof(T));
        forward(staged(kernel, points, memory.as<T>(), context), points, pass);
    }
    Spectrum<T> result(shape_.row_points());
    keep(result, pass);
    return result;
}

template class LongLine<float>;
template class LongLine<double>;

}  // namespace faltung
