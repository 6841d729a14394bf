#include "spectral/fft.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <utility>

#include "core/error.hpp"
#include "core/workspace.hpp"
#include "spectral/fftw_api.hpp"
#include "spectral/wisdom.hpp"

namespace faltung::fft {
namespace {

using fftw::Dimension;
using fftw::PlanHandle;

/// Set while the process ends: the provider may be gone already, so plans are left alone.
std::atomic<bool> leaving{false};

void notice_exit() {
    [[maybe_unused]] static const int once = std::atexit([] { leaving = true; });
}

template <class T>
struct Wisdom {
    std::once_flag loaded;
    std::string key;
};

template <class T>
Wisdom<T>& wisdom_of() {
    static auto* instance = new Wisdom<T>;
    return *instance;
}

/// The library, with what earlier processes measured.
template <class T>
const fftw::Api<T>& library() {
    const fftw::Api<T>& api = fftw::api<T>();
    Wisdom<T>& mine = wisdom_of<T>();
    std::call_once(mine.loaded, [&] {
        notice_exit();
        mine.key = wisdom::key(api.version, sizeof(T) == 4 ? "float32" : "float64");
        if (!api.import_wisdom || !api.export_wisdom) return;
        const std::string text = wisdom::load(mine.key);
        const std::lock_guard lock(fftw::planning_mutex<T>());
        if (!text.empty()) api.import_wisdom(text.c_str());
    });
    return api;
}

template <class T>
void keep_wisdom(const fftw::Api<T>& api) {
    if (!api.export_wisdom || !api.import_wisdom) return;
    const std::string& key = wisdom_of<T>().key;
    const std::string theirs = wisdom::load(key);  // what other processes learnt meanwhile
    std::string text;
    {
        const std::lock_guard lock(fftw::planning_mutex<T>());
        if (!theirs.empty()) api.import_wisdom(theirs.c_str());
        api.export_wisdom([](char c, void* to) { static_cast<std::string*>(to)->push_back(c); },
                          &text);
    }
    wisdom::store(key, text);
}

/// Owns a plan of the library.
template <class T>
class Handle {
public:
    Handle(const fftw::Api<T>& api, PlanHandle plan) : api_(&api), plan_(plan) {}
    Handle(Handle&& other) noexcept
        : api_(other.api_), plan_(std::exchange(other.plan_, nullptr)) {}
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    Handle& operator=(Handle&&) = delete;
    ~Handle() {
        if (!plan_ || leaving) return;
        const std::lock_guard lock(fftw::planning_mutex<T>());
        api_->destroy(plan_);
    }

    PlanHandle get() const { return plan_; }
    const fftw::Api<T>& api() const { return *api_; }

private:
    const fftw::Api<T>* api_;
    PlanHandle plan_;
};

/// Asks `make(flags)` for a plan: from wisdom, by measuring, by estimating, whatever comes first.
template <class T, class Make>
Handle<T> search(const fftw::Api<T>& api, bool measure, Make&& make) {
    PlanHandle plan = nullptr;
    double seconds = 0;
    {
        const std::lock_guard lock(fftw::planning_mutex<T>());
        if (api.import_wisdom) plan = make(fftw::flag_measure | fftw::flag_wisdom_only);
        if (!plan && measure) {
            const auto start = std::chrono::steady_clock::now();
            plan = make(fftw::flag_measure);
            seconds =
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        }
        if (!plan) plan = make(fftw::flag_estimate);
    }
    if (seconds > 0.002) keep_wisdom(api);
    return {api, plan};
}

template <class T>
using Pair = typename fftw::Api<T>::Pair;

template <class T>
Pair<T>* pairs(std::complex<T>* data) {
    return reinterpret_cast<Pair<T>*>(data);
}

template <class T>
class OnePlan final : public ComplexPlan<T> {
public:
    explicit OnePlan(Handle<T> handle) : handle_(std::move(handle)) {}
    void execute(std::complex<T>* data) const override {
        handle_.api().execute_complex(handle_.get(), pairs(data), pairs(data));
    }

private:
    Handle<T> handle_;
};

Dimension dimension(Index n, Index stride) {
    return {static_cast<std::ptrdiff_t>(n), static_cast<std::ptrdiff_t>(stride),
            static_cast<std::ptrdiff_t>(stride)};
}

/// For providers that have no plan for all axes at once: one axis after the other, through a
/// contiguous copy.
template <class T>
class AxisByAxis final : public ComplexPlan<T> {
public:
    AxisByAxis(const Extents& shape, Direction direction, Effort effort) : shape_(shape) {
        for (int a = 0; a < shape.size(); ++a)
            plans_.push_back(complex_plan<T>({shape[a]}, direction, effort));
    }
    void execute(std::complex<T>* data) const override {
        for (int a = 0; a < shape_.size(); ++a) along(a, data);
    }

private:
    void along(int axis, std::complex<T>* data) const {
        const Index n = shape_[axis];
        Index inner = 1, outer = 1;
        for (int a = 0; a < axis; ++a) outer *= shape_[a];
        for (int a = axis + 1; a < shape_.size(); ++a) inner *= shape_[a];
        const Workspace scratch(static_cast<std::size_t>(n) * sizeof(std::complex<T>));
        auto* line = scratch.as<std::complex<T>>();
        for (Index o = 0; o < outer; ++o)
            for (Index i = 0; i < inner; ++i) {
                std::complex<T>* at = data + o * n * inner + i;
                for (Index j = 0; j < n; ++j) line[j] = at[j * inner];
                plans_[static_cast<std::size_t>(axis)]->execute(line);
                for (Index j = 0; j < n; ++j) at[j * inner] = line[j];
            }
    }

    Extents shape_;
    std::vector<std::shared_ptr<const ComplexPlan<T>>> plans_;
};

template <class T>
std::shared_ptr<const ComplexPlan<T>> make_complex(const Extents& shape, Direction direction,
                                                   bool measure) {
    const fftw::Api<T>& api = library<T>();
    std::vector<Dimension> dimensions;
    Index stride = 1;
    for (int a = shape.size() - 1; a >= 0; --a) {
        dimensions.insert(dimensions.begin(), dimension(shape[a], stride));
        stride *= shape[a];
    }
    const Workspace work(static_cast<std::size_t>(stride) * sizeof(std::complex<T>));
    std::memset(work.data(), 0, static_cast<std::size_t>(stride) * sizeof(std::complex<T>));
    auto* data = work.as<Pair<T>>();
    const int sign = direction == Direction::forward ? fftw::forward_sign : fftw::backward_sign;
    Handle<T> handle = search<T>(api, measure, [&](unsigned flags) {
        return api.plan_complex(shape.size(), dimensions.data(), 0, nullptr, data, data, sign,
                                flags);
    });
    if (handle.get()) return std::make_shared<OnePlan<T>>(std::move(handle));
    if (shape.size() > 1)
        return std::make_shared<AxisByAxis<T>>(shape, direction,
                                               measure ? Effort::measure : Effort::estimate);
    throw ProviderError(api.version + " has no transform of " + std::to_string(shape[0]) +
                        " points");
}

template <class T>
class OneLine final : public LinePlan<T> {
public:
    explicit OneLine(Handle<T> handle) : handle_(std::move(handle)) {}
    void execute(const std::complex<T>* in, std::complex<T>* out) const override {
        handle_.api().execute_complex(handle_.get(), pairs(const_cast<std::complex<T>*>(in)),
                                      pairs(out));
    }

private:
    Handle<T> handle_;
};

template <class T>
std::shared_ptr<const LinePlan<T>> make_line(Index n, Direction direction, bool measure) {
    const fftw::Api<T>& api = library<T>();
    const std::size_t bytes = static_cast<std::size_t>(n) * sizeof(std::complex<T>);
    const Workspace in(bytes), out(bytes);
    std::memset(in.data(), 0, bytes);
    std::memset(out.data(), 0, bytes);
    const Dimension line = dimension(n, 1);
    const int sign = direction == Direction::forward ? fftw::forward_sign : fftw::backward_sign;
    Handle<T> handle = search<T>(api, measure, [&](unsigned flags) {
        return api.plan_complex(1, &line, 0, nullptr, in.as<Pair<T>>(), out.as<Pair<T>>(), sign,
                                flags);
    });
    if (handle.get()) return std::make_shared<OneLine<T>>(std::move(handle));
    throw ProviderError(api.version + " has no transform of " + std::to_string(n) + " points");
}

/// The plans used last, whoever uses them.
template <class Key, class Value>
class Recent {
public:
    template <class Make>
    std::shared_ptr<const Value> find_or_make(const Key& key, Make&& make) {
        if (auto known = find(key)) return known;
        auto made = make();  // planning takes a lock of its own, and time
        const std::lock_guard lock(mutex_);
        entries_.emplace_front(key, made);
        if (entries_.size() > most) {
            retired_ = std::move(entries_.back().second);
            entries_.pop_back();
        }
        return made;
    }
    void drop(const Key& key) {
        const std::lock_guard lock(mutex_);
        entries_.remove_if([&](const auto& entry) { return entry.first == key; });
    }

private:
    static constexpr std::size_t most = 256;

    std::shared_ptr<const Value> find(const Key& key) {
        const std::lock_guard lock(mutex_);
        for (auto entry = entries_.begin(); entry != entries_.end(); ++entry)
            if (entry->first == key) {
                entries_.splice(entries_.begin(), entries_, entry);
                return entries_.front().second;
            }
        return nullptr;
    }

    std::mutex mutex_;
    std::list<std::pair<Key, std::shared_ptr<const Value>>> entries_;  // latest first
    std::shared_ptr<const Value> retired_;
};

struct ComplexKey {
    Extents shape;
    Direction direction;
    bool measure;
    friend bool operator==(const ComplexKey&, const ComplexKey&) = default;
};

template <class T>
Recent<ComplexKey, ComplexPlan<T>>& complex_plans() {
    static auto* instance = new Recent<ComplexKey, ComplexPlan<T>>;
    return *instance;
}

struct LineKey {
    Index n;
    Direction direction;
    bool measure;
    friend bool operator==(const LineKey&, const LineKey&) = default;
};

template <class T>
Recent<LineKey, LinePlan<T>>& line_plans() {
    static auto* instance = new Recent<LineKey, LinePlan<T>>;
    return *instance;
}

}  // namespace

template <class T>
std::shared_ptr<const ComplexPlan<T>> complex_plan(const Extents& shape, Direction direction,
                                                   Effort effort) {
    const bool measure = effort == Effort::measure && product(shape) <= most_measured;
    return complex_plans<T>().find_or_make(
        {shape, direction, measure}, [&] { return make_complex<T>(shape, direction, measure); });
}

template <class T>
std::shared_ptr<const LinePlan<T>> line_plan(Index n, Direction direction, Effort effort) {
    const bool measure = effort == Effort::measure && n <= most_measured;
    return line_plans<T>().find_or_make({n, direction, measure},
                                        [&] { return make_line<T>(n, direction, measure); });
}

template <class T>
double tune_length(Index n) {
    const auto start = std::chrono::steady_clock::now();
    for (const Direction direction : {Direction::forward, Direction::backward}) {
        make_line<T>(n, direction, true);
        for (const bool measured : {false, true})  // so that the next plan is made from wisdom
            line_plans<T>().drop({n, direction, measured});
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void require_provider() { fftw::api<double>(); }

Provider provider() {
    Provider result;
    const fftw::Api<double>* f64 = fftw::find_api<double>();
    const fftw::Api<float>* f32 = fftw::find_api<float>();
    result.found = f64 && f32;
    if (f64) {
        result.name = f64->name;
        result.version = f64->version;
        result.path_f64 = f64->path;
    }
    if (f32) result.path_f32 = f32->path;
    result.searched = fftw::search_report();
    result.wisdom = wisdom::report();
    return result;
}

bool available() { return fftw::find_api<double>() && fftw::find_api<float>(); }

void set_search_paths(std::string choice, std::vector<std::string> fftw_files,
                      std::vector<std::string> mkl_files) {
    fftw::set_candidates(std::move(choice), std::move(fftw_files), std::move(mkl_files));
}

template std::shared_ptr<const ComplexPlan<float>> complex_plan<float>(const Extents&, Direction,
                                                                       Effort);
template std::shared_ptr<const ComplexPlan<double>> complex_plan<double>(const Extents&, Direction,
                                                                         Effort);
template std::shared_ptr<const LinePlan<float>> line_plan<float>(Index, Direction, Effort);
template std::shared_ptr<const LinePlan<double>> line_plan<double>(Index, Direction, Effort);
template double tune_length<float>(Index);
template double tune_length<double>(Index);

}  // namespace faltung::fft
