// The one place that starts threads.
#pragma once

#include <memory>
#include <type_traits>

#include "core/executor.hpp"

namespace faltung {

namespace detail {
using TaskBody = void (*)(void* object, Index task, int worker);
void parallel_for(Index tasks, const Context& context, void* object, TaskBody body);
}  // namespace detail

/// Calls body(task, worker) once for every task in [0, tasks), worker in [0, context.workers).
/// Tasks are taken in order by whoever is free, so no result may depend on which worker ran it. A
/// task should take well under 50 ms: between tasks the calling thread looks for an interrupt.
/// Throws Cancelled after one, and passes on the first exception that a task throws.
template <class Body>
void parallel_for(Index tasks, const Context& context, Body&& body) {
    using Object = std::remove_reference_t<Body>;
    detail::parallel_for(tasks, context,
                         const_cast<std::remove_const_t<Object>*>(std::addressof(body)),
                         [](void* object, Index task, int worker) {
                             (*static_cast<Object*>(object))(task, worker);
                         });
}

/// CPUs that this process may use: affinity and control-group quota.
int available_workers();

/// What calls use that name no number: available_workers(), until it is set.
int default_workers();
void set_default_workers(int workers);

/// Lets go of the runtime's threads, so that fork() is safe.
void release_threads();

}  // namespace faltung
