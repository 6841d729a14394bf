// Discrete Fourier transforms of a handful of points, in registers, natural order in and out.
#pragma once

#include "microkernels/transform_complex.hpp"

namespace faltung::microkernels {
namespace {
namespace transform {

enum class Way { forward, inverse };

/// x times -i on the way forward, +i on the way back.
template <Way way, class T>
FALTUNG_INLINE Complex<T> quarter_turn(const Complex<T>& x) {
    if constexpr (way == Way::forward) return {x.im, -x.re};
    return {-x.im, x.re};
}

/// x times cosine -/+ i sine.
template <Way way, class T>
FALTUNG_INLINE Complex<T> turn(const Complex<T>& x, double cosine, double sine) {
    const Vec<T> c = splat(static_cast<T>(cosine));
    const Vec<T> s = splat(static_cast<T>(way == Way::forward ? -sine : sine));
    return {x.re * c - x.im * s, x.im * c + x.re * s};
}

/// a + scale * b for a real scale.
template <class T>
FALTUNG_INLINE Complex<T> plus_scaled(const Complex<T>& a, double scale, const Complex<T>& b) {
    const Vec<T> s = splat(static_cast<T>(scale));
    return {a.re + s * b.re, a.im + s * b.im};
}

template <Way way, class T>
FALTUNG_INLINE void dft2(Complex<T>& a, Complex<T>& b) {
    const Complex<T> sum = a + b;
    b = a - b;
    a = sum;
}

template <Way way, class T>
FALTUNG_INLINE void dft3(Complex<T>& a, Complex<T>& b, Complex<T>& c) {
    constexpr double sine_60 = 0.866025403784438646763723170752936;
    const Complex<T> sum = b + c, turned = quarter_turn<way>(b - c);
    const Complex<T> middle = plus_scaled(a, -0.5, sum);
    a = a + sum;
    b = plus_scaled(middle, sine_60, turned);
    c = plus_scaled(middle, -sine_60, turned);
}

template <Way way, class T>
FALTUNG_INLINE void dft4(Complex<T>& a, Complex<T>& b, Complex<T>& c, Complex<T>& d) {
    const Complex<T> even_sum = a + c, even_difference = a - c;
    const Complex<T> odd_sum = b + d, turned = quarter_turn<way>(b - d);
    a = even_sum + odd_sum;
    b = even_difference + turned;
    c = even_sum - odd_sum;
    d = even_difference - turned;
}

template <Way way, class T>
FALTUNG_INLINE void dft5(Complex<T>* x) {
    constexpr double cosine_72 = 0.309016994374947424102293417182819,
                     cosine_144 = -0.809016994374947424102293417182819,
                     sine_72 = 0.951056516295153572116439333379382,
                     sine_144 = 0.587785252292473129168705954639073;
    const Complex<T> outer = x[1] + x[4], inner = x[2] + x[3];
    const Complex<T> outer_turned = quarter_turn<way>(x[1] - x[4]),
                     inner_turned = quarter_turn<way>(x[2] - x[3]);
    const Complex<T> even1 = plus_scaled(plus_scaled(x[0], cosine_72, outer), cosine_144, inner),
                     even2 = plus_scaled(plus_scaled(x[0], cosine_144, outer), cosine_72, inner);
    x[0] = x[0] + (outer + inner);
    x[1] = plus_scaled(plus_scaled(even1, sine_72, outer_turned), sine_144, inner_turned);
    x[4] = plus_scaled(plus_scaled(even1, -sine_72, outer_turned), -sine_144, inner_turned);
    x[2] = plus_scaled(plus_scaled(even2, sine_144, outer_turned), -sine_72, inner_turned);
    x[3] = plus_scaled(plus_scaled(even2, -sine_144, outer_turned), sine_72, inner_turned);
}

/// 2 x 3 by the Chinese remainder theorem: no factors in between.
template <Way way, class T>
FALTUNG_INLINE void dft6(Complex<T>* x) {
    Complex<T> a0 = x[0], a1 = x[2], a2 = x[4], b0 = x[3], b1 = x[5], b2 = x[1];
    dft3<way>(a0, a1, a2);
    dft3<way>(b0, b1, b2);
    dft2<way>(a0, b0);
    dft2<way>(a1, b1);
    dft2<way>(a2, b2);
    x[0] = a0, x[1] = b1, x[2] = a2, x[3] = b0, x[4] = a1, x[5] = b2;
}

template <Way way, class T>
FALTUNG_INLINE void dft8(Complex<T>* x) {
    constexpr double half_root = 0.707106781186547524400844362104849;
    Complex<T> e0 = x[0], e1 = x[2], e2 = x[4], e3 = x[6];
    Complex<T> o0 = x[1], o1 = x[3], o2 = x[5], o3 = x[7];
    dft4<way>(e0, e1, e2, e3);
    dft4<way>(o0, o1, o2, o3);
    // Eighth turns without their common factor, which joins the sums below.
    const Complex<T> q1 = quarter_turn<way>(o1), q3 = quarter_turn<way>(o3);
    const Complex<T> t1 = o1 + q1, t2 = quarter_turn<way>(o2), t3 = q3 - o3;
    x[0] = e0 + o0, x[4] = e0 - o0;
    x[1] = plus_scaled(e1, half_root, t1), x[5] = plus_scaled(e1, -half_root, t1);
    x[2] = e2 + t2, x[6] = e2 - t2;
    x[3] = plus_scaled(e3, half_root, t3), x[7] = plus_scaled(e3, -half_root, t3);
}

/// 2 x 5 by the Chinese remainder theorem.
template <Way way, class T>
FALTUNG_INLINE void dft10(Complex<T>* x) {
    Complex<T> y[2][5];
    FALTUNG_UNROLL
    for (int a = 0; a < 2; ++a) {
        FALTUNG_UNROLL
        for (int b = 0; b < 5; ++b) y[a][b] = x[(5 * a + 2 * b) % 10];
        dft5<way>(y[a]);
    }
    FALTUNG_UNROLL
    for (int b = 0; b < 5; ++b) {
        dft2<way>(y[0][b], y[1][b]);
        FALTUNG_UNROLL
        for (int a = 0; a < 2; ++a) x[(5 * a + 6 * b) % 10] = y[a][b];
    }
}

/// 3 x 4 by the Chinese remainder theorem.
template <Way way, class T>
FALTUNG_INLINE void dft12(Complex<T>* x) {
    Complex<T> y[3][4];
    FALTUNG_UNROLL
    for (int a = 0; a < 3; ++a) {
        FALTUNG_UNROLL
        for (int b = 0; b < 4; ++b) y[a][b] = x[(4 * a + 3 * b) % 12];
        dft4<way>(y[a][0], y[a][1], y[a][2], y[a][3]);
    }
    FALTUNG_UNROLL
    for (int b = 0; b < 4; ++b) {
        dft3<way>(y[0][b], y[1][b], y[2][b]);
        FALTUNG_UNROLL
        for (int a = 0; a < 3; ++a) x[(4 * a + 9 * b) % 12] = y[a][b];
    }
}

template <Way way, class T>
FALTUNG_INLINE void dft16(Complex<T>* x) {
    constexpr double cosine = 0.923879532511286756128183189396788;  // of 22.5 degrees
    constexpr double sine = 0.382683432365089771728459984030399;
    constexpr double root = 0.707106781186547524400844362104849;
    FALTUNG_UNROLL
    for (int j = 0; j < 4; ++j) dft4<way>(x[j], x[j + 4], x[j + 8], x[j + 12]);
    x[5] = turn<way>(x[5], cosine, sine);
    x[6] = turn<way>(x[6], root, root);
    x[7] = turn<way>(x[7], sine, cosine);
    x[9] = turn<way>(x[9], root, root);
    x[10] = quarter_turn<way>(x[10]);
    x[11] = turn<way>(x[11], -root, root);
    x[13] = turn<way>(x[13], sine, cosine);
    x[14] = turn<way>(x[14], -root, root);
    x[15] = turn<way>(x[15], -cosine, -sine);
    FALTUNG_UNROLL
    for (int j = 0; j < 4; ++j) dft4<way>(x[4 * j], x[4 * j + 1], x[4 * j + 2], x[4 * j + 3]);
    Complex<T> y[16];
    FALTUNG_UNROLL
    for (int j = 0; j < 16; ++j) y[j] = x[4 * (j % 4) + j / 4];
    FALTUNG_UNROLL
    for (int j = 0; j < 16; ++j) x[j] = y[j];
}

template <int points, Way way, class T>
FALTUNG_INLINE void dft(Complex<T>* x) {
    if constexpr (points == 2) dft2<way>(x[0], x[1]);
    if constexpr (points == 3) dft3<way>(x[0], x[1], x[2]);
    if constexpr (points == 4) dft4<way>(x[0], x[1], x[2], x[3]);
    if constexpr (points == 5) dft5<way>(x);
    if constexpr (points == 6) dft6<way>(x);
    if constexpr (points == 8) dft8<way>(x);
    if constexpr (points == 10) dft10<way>(x);
    if constexpr (points == 12) dft12<way>(x);
    if constexpr (points == 16) dft16<way>(x);
}

}  // namespace transform
}  // namespace
}  // namespace faltung::microkernels
