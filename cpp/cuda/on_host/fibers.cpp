#undef _FORTIFY_SOURCE  // its longjmp takes another fiber's stack for a mistake
#include "cuda/on_host/on_host.hpp"

#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

#include <cuda_runtime.h>

namespace faltung::cuda {

/// What `extern __shared__` in launch.cuh stands for, and a fence behind it.
alignas(128) thread_local std::byte dynamic_shared_bytes[(std::size_t{227} << 10) + 4096];

}  // namespace faltung::cuda

namespace on_host {

namespace {

constexpr std::size_t stack_bytes = std::size_t{128} << 10, page = 4096;
constexpr int most_threads = 1024, warp = 32;
constexpr auto poison = std::byte{0xff};  // NaN, -1

enum class State : std::uint8_t { runs, at_block_barrier, at_warp_barrier, ended };

struct Copy {
    void* to;
    const void* from;
    std::size_t bytes;
};

struct Fiber {
    jmp_buf left;  // where it gave way
    std::byte* stack = nullptr;
    bool begun = false;
    uint3 index{};
    State state = State::ended;
    std::source_location barrier;
    bool vote = false;
    std::uint64_t posted[2] = {};  // by turns, so that a lane that runs ahead overwrites nothing
    unsigned turn = 0;
    std::vector<Copy> copies;
};

// kernels run one at a time, under the runtime's lock
jmp_buf scheduler;
Fiber fibers[most_threads];
Fiber* current = nullptr;
const std::function<void()>* thread_of_kernel = nullptr;
const char* wrong = nullptr;
bool verdict = false;     // of the votes at the last barrier
std::uint32_t drawn = 0;  // the state of the order's generator

int count_of(const dim3& extent) { return static_cast<int>(extent.x * extent.y * extent.z); }

std::uint32_t draw() {
    drawn ^= drawn << 13;
    drawn ^= drawn >> 17;
    drawn ^= drawn << 5;
    return drawn;
}

void give_way(State state) {
    current->state = state;
    if (_setjmp(current->left) == 0) _longjmp(scheduler, 1);
}

void live() {
    for (;;) {
        (*thread_of_kernel)();
        give_way(State::ended);
    }
}

/// Runs a fiber until it gives way; false after a fault.
bool resume(Fiber& fiber) {
    current = &fiber;
    threadIdx = fiber.index;
    fiber.state = State::runs;
    if (const int came = _setjmp(scheduler)) return came == 1;
    if (fiber.begun) _longjmp(fiber.left, 1);
    fiber.begun = true;
    ucontext_t start;
    getcontext(&start);
    if (!fiber.stack) {
        void* stack =
            mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED) fault("no memory for the stack of a thread");
        fiber.stack = static_cast<std::byte*>(stack);
        mprotect(stack, page, PROT_NONE);
    }
    start.uc_stack.ss_sp = fiber.stack;
    start.uc_stack.ss_size = stack_bytes;
    start.uc_link = nullptr;
    makecontext(&start, live, 0);
    setcontext(&start);
    return false;  // never
}

/// Lets the fibers in [begin, end) go on if all that have not ended wait at one barrier of a kind.
bool release(int begin, int end, State kind) {
    const Fiber* first = nullptr;
    bool any = false;
    for (int i = begin; i < end; ++i) {
        const Fiber& fiber = fibers[i];
        if (fiber.state == State::ended) continue;
        if (fiber.state != kind) return false;
        if (!first) first = &fiber;
        any = any || fiber.vote;
        if (fiber.barrier.line() != first->barrier.line() ||
            fiber.barrier.column() != first->barrier.column() ||
            std::strcmp(fiber.barrier.file_name(), first->barrier.file_name()) != 0) {
            wrong = "threads of a block wait at different barriers";
            return false;
        }
    }
    if (!first) return false;
    if (kind == State::at_block_barrier) verdict = any;
    for (int i = begin; i < end; ++i)
        if (fibers[i].state != State::ended) fibers[i].state = State::runs;
    return true;
}

/// One block, from barrier to barrier.
void run_block(int threads) {
    for (int i = 0; i < threads; ++i) {
        Fiber& fiber = fibers[i];
        const auto at = static_cast<unsigned>(i);
        fiber.index = {at % blockDim.x, at / blockDim.x % blockDim.y, at / blockDim.x / blockDim.y};
        fiber.state = State::runs;
        fiber.copies.clear();
    }
    const auto n = static_cast<unsigned>(threads);
    for (bool going = true; going && !wrong;) {
        // all numbers below n once, in steps that have no divisor in common with it
        unsigned at = draw() % n, step = draw() % n | 1u;
        while (std::gcd(step, n) != 1) step += 2;
        for (unsigned i = 0; i < n; ++i, at = (at + step) % n)
            if (fibers[at].state == State::runs && !resume(fibers[at])) return;
        going = release(0, threads, State::at_block_barrier);
        for (int lane = 0; lane < threads && !wrong; lane += warp)
            going |= release(lane, std::min(lane + warp, threads), State::at_warp_barrier);
    }
    for (int i = 0; i < threads && !wrong; ++i)
        if (fibers[i].state != State::ended) wrong = "threads of a block wait for each other";
}

void on_signal(int) {
    wrong = "an illegal memory access was encountered";
    _longjmp(scheduler, 2);
}

/// What a thread must not touch becomes an error of the kernel.
class SignalsCaught {
public:
    SignalsCaught() {
        struct sigaction action{};
        action.sa_handler = on_signal;
        action.sa_flags = SA_NODEFER | SA_ONSTACK;
        sigaction(SIGSEGV, &action, &segv_);
        sigaction(SIGBUS, &action, &bus_);
    }
    ~SignalsCaught() {
        sigaction(SIGSEGV, &segv_, nullptr);
        sigaction(SIGBUS, &bus_, nullptr);
    }
    SignalsCaught(const SignalsCaught&) = delete;
    SignalsCaught& operator=(const SignalsCaught&) = delete;

private:
    struct sigaction segv_, bus_;
};

/// Shared memory of every kind: the thread-local variables of this library. Those that are
/// something else are put back at the end.
class SharedMemory {
public:
    SharedMemory() {
        dl_iterate_phdr(
            [](dl_phdr_info* module, std::size_t, void* self) {
                auto* found = static_cast<std::byte*>(module->dlpi_tls_data);
                for (int i = 0; i < module->dlpi_phnum; ++i) {
                    const auto& part = module->dlpi_phdr[i];
                    const std::byte* ours = faltung::cuda::dynamic_shared_bytes;
                    if (part.p_type != PT_TLS || ours < found || ours >= found + part.p_memsz)
                        continue;
                    static_cast<SharedMemory*>(self)->begin_ = found;
                    static_cast<SharedMemory*>(self)->end_ = found + part.p_memsz;
                }
                return 0;
            },
            this);
        before_.assign(begin_, end_);
    }
    ~SharedMemory() { std::copy(before_.begin(), before_.end(), begin_); }
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;

    void forget() { std::fill(begin_, end_, poison); }

private:
    std::byte *begin_ = nullptr, *end_ = nullptr;
    std::vector<std::byte> before_;
};

}  // namespace

const char* run_blocks(const cudaLaunchConfig_t& config, const std::function<void()>& thread) {
    const int threads = count_of(config.blockDim);
    const char* seed = std::getenv("FALTUNG_ON_HOST_SEED");
    drawn = seed ? static_cast<std::uint32_t>(std::strtoul(seed, nullptr, 10)) | 1u : 2463534242u;
    thread_of_kernel = &thread;
    wrong = nullptr;
    gridDim = config.gridDim;
    blockDim = config.blockDim;
    const SignalsCaught caught;
    SharedMemory shared;
    const std::byte* fence = faltung::cuda::dynamic_shared_bytes + config.dynamicSmemBytes;
    const std::byte* end = fence + page;
    for (unsigned z = 0; z < gridDim.z; ++z)
        for (unsigned y = 0; y < gridDim.y; ++y)
            for (unsigned x = 0; x < gridDim.x && !wrong; ++x) {
                blockIdx = {x, y, z};
                shared.forget();
                run_block(threads);
                if (std::any_of(fence, end, [](std::byte b) { return b != poison; }))
                    wrong = "a block wrote behind its dynamic shared memory";
            }
    if (wrong)  // they stand in the middle of something
        for (Fiber& fiber : fibers) fiber.begun = false;
    return wrong;
}

bool block_barrier(bool vote, std::source_location here) {
    current->barrier = here;
    current->vote = vote;
    give_way(State::at_block_barrier);
    return verdict;
}

std::uint64_t shuffle_down(std::uint64_t value, unsigned delta, std::source_location here) {
    Fiber* const own = current;
    const unsigned turn = own->turn = 1 - own->turn;
    own->posted[turn] = value;
    own->barrier = here;
    give_way(State::at_warp_barrier);
    const auto lane = static_cast<unsigned>((own - fibers) % warp);
    return lane + delta < warp ? own[delta].posted[turn] : value;
}

void copy_later(void* to, const void* from, std::size_t bytes) {
    const auto misplaced =
        (reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from)) % bytes;
    if ((bytes != 4 && bytes != 8 && bytes != 16) || misplaced)
        fault("a copy to shared memory is misaligned");
    current->copies.push_back({to, from, bytes});
}

void make_copies() {
    for (const Copy& copy : current->copies) std::memcpy(copy.to, copy.from, copy.bytes);
    current->copies.clear();
}

void fault(const char* what) {
    wrong = what;
    _longjmp(scheduler, 2);
}

}  // namespace on_host
