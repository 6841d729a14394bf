// Layers of nets from arrays to answers: the method, the prepared weights, the run.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/executor.hpp"
#include "layers/conv.hpp"
#include "policy/choose_conv.hpp"

namespace faltung {

/// Arrays as their callers hold them: sample, channel, spatial axes; any strides.
struct ConvArrays {
    ArrayView x, w, out;
    const ArrayView* bias = nullptr;  // contiguous, of the arithmetic
    bool relu = false;
};

/// out from x and w. `asked` forces a method.
void run_conv(const ConvLayer& layer, const ConvArrays& arrays, std::optional<ConvMethod> asked,
              const Context& context);

/// Weights prepared for many calls by the chosen method. Immutable; shared between threads.
class ConvPlan {
public:
    /// `apart`: whether the channels of the arrays to come lie in planes of their own. Others are
    /// served, too; the choice is for these.
    ConvPlan(const ConvLayer& layer, const ArrayView& w, std::optional<ConvMethod> asked,
             bool apart, const Context& context);

    /// `arrays.w` is not looked at.
    void run(const ConvArrays& arrays, const Context& context) const;

    const ConvLayer& layer() const { return layer_; }
    const ConvChoice& choice() const { return choice_; }
    const microkernels::Table& level() const { return *level_; }
    std::size_t workspace_bytes() const { return conv_->workspace_bytes(); }

private:
    ConvLayer layer_;
    const microkernels::Table* level_;
    ConvChoice choice_;
    std::unique_ptr<layers::Conv> conv_;
};

/// x from out and w: the transposed convolution. `asked` forces a method on every part of it.
void run_conv_adjoint(const ConvLayer& layer, const ConvArrays& arrays,
                      std::optional<ConvMethod> asked, const Context& context);

/// What is not wanted stays empty.
struct ConvGradients {
    std::optional<ArrayView> x, w, bias;
};

/// Gradients of a sum over outputs weighted by `grad`. `asked` forces a method on those of x and w.
void run_conv_gradients(const ConvLayer& layer, const ArrayView& grad, const ArrayView& x,
                        const ArrayView& w, const ConvGradients& gradients,
                        std::optional<ConvMethod> asked, const Context& context);

/// What is chosen for them where channels lie `apart`, or do not, and why.
std::string explain_conv_gradients(const ConvLayer& layer, bool apart,
                                   std::optional<ConvMethod> asked);

}  // namespace faltung
