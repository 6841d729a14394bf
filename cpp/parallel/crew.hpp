// The threads that help callers. A helper takes up what it is offered if it wakes up in time; what
// no helper has taken up by the end of the work is taken back, so that nobody waits for a thread
// that the system has not run yet.
#pragma once

#include <array>
#include <atomic>
#include <mutex>

namespace faltung {

/// Work that several threads can do together.
class SharedWork {
public:
    /// Does what is left of the work, and returns when there is nothing left to begin. `worker` is
    /// another number for each thread.
    virtual void join_in(int worker) noexcept = 0;

protected:
    ~SharedWork() = default;
};

class Crew {
public:
    static constexpr int most_helpers = 63;

    /// Calls work.join_in(0) on this thread and, as far as helpers come, join_in(1) ...
    /// join_in(helpers) on others; returns when all that began have ended. Callers may be many.
    void run(SharedWork& work, int helpers) noexcept;

private:
    struct Helper;
    Helper* hire() noexcept;

    std::array<std::atomic<Helper*>, most_helpers> helpers_{};
    std::atomic<int> count_{0};
    std::mutex growing_;
};

/// The crew of this process. A forked child, which has none of its parent's threads, gets another.
Crew& crew();

}  // namespace faltung
