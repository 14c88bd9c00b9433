#pragma once
// One unit of causal attention, a query head of one sequence: where its rows lie, who sees whom,
// and how rows are packed into the operands of causal_products.inl.
#include "kernels/api/causal_attention.h"
#include "kernels/cpu/causal_attention/causal_products.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr float kInfinity = __builtin_inff();

/// Rows of one head of one sequence.
struct Rows {
  const float* data;  // nullptr: none
  int64_t stride;
  int64_t cols;
};

inline Rows rows_of(const HeadRows& x, int64_t row, int64_t head, int64_t cols) {
  if (x.data == nullptr) return {nullptr, 0, 0};
  return {x.data + row * x.row_stride + head * x.head_stride, x.row_stride, cols};
}

/// Rows of a head lie far apart and are short, so the hardware fetches none ahead.
template <int kForWriting>
inline void prefetch_row(const float* row, int64_t cols) {
  for (int64_t i = 0; i < cols; i += 16) __builtin_prefetch(row + i, kForWriting, 2);
  if (cols > 0) __builtin_prefetch(row + cols - 1, kForWriting, 2);
}

/// out [kPanel, width]: rows [begin, end) of first and second, concatenated; zeros behind them.
void load_joined(const Rows& first, const Rows& second, int64_t begin, int64_t end, float* out,
                 int64_t width) {
  for (int64_t r = 0; r < kPanel; ++r, out += width) {
    const bool inside = begin + r < end;
    int64_t at = 0;
    const auto append = [&](const Rows& part) {
      if (!inside || part.cols == 0) return;
      const float* row = part.data + (begin + r) * part.stride;
      if (begin + r + kPanel < end) prefetch_row<0>(row + kPanel * part.stride, part.cols);
      __builtin_memcpy(out + at, row, static_cast<Size>(part.cols) * sizeof(float));
      at += part.cols;
    };
    append(first);
    append(second);
    for (; at < width; ++at) out[at] = 0.0f;
  }
}

// Three ways to pack the rows x [kPanel, width], width a multiple of kPanel.

/// K = columns, as a left operand: out [kPanel][width words].
template <class W>
void pack_along(const float* x, int64_t width, typename W::Word* out) {
  const int64_t count = kPanel * width;
  for (int64_t i = 0; i < count; i += Vec::kLanes) {
    W::store_along(Vec::load(x + i), out + i / W::kNumbers);
  }
}

/// K = columns, as one panel of a right operand: out [width words][kPanel].
template <class W>
void pack_panel(const float* x, int64_t width, typename W::Word* out) {
  constexpr int64_t kWords = kPanel / W::kNumbers;
  typename W::Word block[kPanel][kWords];
  for (int64_t i = 0; i < width; i += kPanel, out += kWords * kPanel) {
    for (int r = 0; r < kPanel; ++r) {
      for (int j = 0; j < kPanel; j += Vec::kLanes) {
        W::store_along(Vec::load(x + r * width + i + j), block[r] + j / W::kNumbers);
      }
    }
    for (int64_t k = 0; k < kWords; ++k) {
      for (int r = 0; r < kPanel; ++r) out[k * kPanel + r] = block[r][k];
    }
  }
}

/// K = rows, as panels of a right operand: out [width / kPanel][kPanel words of K][kPanel], with
/// `stride` words from panel to panel. What is not finite becomes 0, because a masked weight of 0
/// must hide it; `poison` becomes 1 then, and spread_nan finishes the work.
template <class W>
void pack_across(const float* x, int64_t width, typename W::Word* out, int64_t stride,
                 Vec& poison) {
  const Vec limit = Vec::set1(W::kLimit), one = Vec::set1(1.0f), zero = Vec::zero();
  for (int64_t r = 0; r < kPanel; r += 2, x += 2 * width) {
    for (int64_t i = 0; i < width; i += Vec::kLanes) {
      const Vec even = Vec::load(x + i), odd = Vec::load(x + width + i);
      poison = max(poison, select_less(abs(even), limit, zero, one));
      poison = max(poison, select_less(abs(odd), limit, zero, one));
      W::store_across(select_less(abs(even), limit, even, zero),
                      select_less(abs(odd), limit, odd, zero),
                      out + i / kPanel * stride + r / W::kNumbers * kPanel + i % kPanel, kPanel);
    }
  }
}

/// Hands out 64-byte aligned parts of scratch; from address 0 it counts the bytes.
struct Carver {
  uintptr_t at;

  /// Parts of `count` elements each.
  template <typename... T>
  void take(int64_t count, T*&... parts) {
    ((parts = next<T>(count)), ...);
  }

 private:
  template <typename T>
  T* next(int64_t count) {
    T* part = reinterpret_cast<T*>(at);  // NOLINT: an address, or a count of bytes
    at += static_cast<uintptr_t>(round_up(count * static_cast<int64_t>(sizeof(T)), 64));
    return part;
  }
};

/// Paddings of one sequence. Rows and columns of operands are padded with zeros to whole panels, or
/// pairs of panels where tiles multiply.
struct CausalSizes {
  int64_t rows, qk_cols, v_cols;

  CausalSizes(const CausalAttentionArgs& a, int64_t multiple)
      : rows(round_up(a.seq_len, multiple)),
        qk_cols(round_up(a.dim + a.rope_dim, multiple)),
        v_cols(round_up(a.v_dim, multiple)) {}
};
template <class W>
CausalSizes sizes_of(const CausalAttentionArgs& a) {
  return {a, W::kGroup < kPanel ? kPanel : W::kGroup};
}

/// One query head of one sequence.
struct CausalUnit {
  Rows q, k, q_rope, k_rope, v;
  int64_t token, head;  // token: row of position 0
  const int32_t* first_key;

  CausalUnit(const CausalAttentionArgs& a, int64_t unit)
      : token(unit / a.heads * a.seq_len),
        head(unit % a.heads),
        first_key(a.first_key == nullptr ? nullptr : a.first_key + token) {
    const int64_t kv_head = head * a.kv_heads / a.heads;
    q = rows_of(a.q, token, head, a.dim);
    k = rows_of(a.k, token, kv_head, a.dim);
    q_rope = rows_of(a.q_rope, token, head, a.rope_dim);
    k_rope = rows_of(a.k_rope, token, head * a.rope_heads / a.heads, a.rope_dim);
    v = rows_of(a.v, token, kv_head, a.v_dim);
  }
};

/// Panels of queries in the largest block.
constexpr int kMaxPanels = 12;

/// Who sees what in a block of queries. Padded queries see nothing.
struct QueryBounds {
  float* position;  // as vectors compare them
  float* first;
  int64_t min_first, max_first;  // of the block's true queries
  int64_t panels;
  int64_t panel_first[kMaxPanels];  // the least of each panel

  void set(const CausalAttentionArgs& a, const CausalUnit& unit, int64_t q0, int64_t count) {
    panels = count / kPanel;
    min_first = a.seq_len;
    max_first = 0;
    for (int64_t p = 0; p < panels; ++p) {
      panel_first[p] = a.seq_len;
      for (int64_t i = p * kPanel; i < (p + 1) * kPanel; ++i) {
        const int64_t t = q0 + i;
        position[i] = static_cast<float>(t);
        first[i] = kInfinity;
        if (t >= a.seq_len) continue;
        const int64_t key = unit.first_key == nullptr ? 0 : unit.first_key[t];
        first[i] = static_cast<float>(key);
        panel_first[p] = min(panel_first[p], key);
        if (key > max_first) max_first = key;
      }
      min_first = min(min_first, panel_first[p]);
    }
  }

  /// From this panel, a multiple of `multiple`, on no query sees a key up to `key`.
  int64_t end_panel(int64_t key, int64_t multiple) const {
    int64_t end = panels;
    while (end > 0 && panel_first[end - 1] > key) --end;
    return round_up(end, multiple);
  }
};

/// x where the query sees the key, else `hidden`.
inline Vec if_visible(Vec x, Vec key, Vec position, Vec first, Vec hidden) {
  return select_less(key, first, hidden, select_less(position, key, hidden, x));
}

/// A masked weight of 0 hides a number that is not finite only because pack_across took it out.
/// Here it goes to those who do see it: number i of key row s to the queries that see s, or, if not
/// to_queries, of query row t to the keys that t sees. Number i of their y becomes NaN.
void spread_nan(const CausalAttentionArgs& a, const CausalUnit& unit, const Rows& x, float limit,
                const HeadRowsOut& y, bool to_queries) {
  const auto first = [&](int64_t t) {
    return unit.first_key == nullptr ? 0 : int64_t{unit.first_key[t]};
  };
  for (int64_t r = 0; r < a.seq_len; ++r) {
    const float* from = x.data + r * x.stride;
    for (int64_t i = 0; i < x.cols; ++i) {
      if (__builtin_fabsf(from[i]) < limit) continue;
      const int64_t begin = to_queries ? r : first(r), end = to_queries ? a.seq_len : r + 1;
      for (int64_t row = begin; row < end; ++row) {
        if (to_queries && first(row) > r) continue;
        y.data[(unit.token + row) * y.row_stride + unit.head * y.head_stride + i] =
            __builtin_nanf("");
      }
    }
  }
}

/// A block of queries against a block of keys.
template <class W>
struct Block {
  int64_t q0, queries;  // queries: a multiple of kPanel and kGroup
  int64_t k0, keys;     // a multiple of kGroup
  static constexpr int64_t kPanels = W::kGroup < kPanel ? 1 : W::kGroup / kPanel;

  /// The first panel of queries that may see a key of the group that begins with key k0 + s: panels
  /// before it end above the diagonal.
  int64_t first_panel(int64_t s) const {
    const int64_t before = k0 + s - q0;
    return before < 0 ? 0 : before / kPanel / kPanels * kPanels;
  }
  /// Keys of the block up to the last that queries before q0 + end may see.
  int64_t keys_before(int64_t end) const { return min(keys, q0 + end - k0); }
  /// Keys of the block before the group of key `first`.
  int64_t keys_from(int64_t first) const {
    return first < k0 ? 0 : (first - k0) / W::kGroup * W::kGroup;
  }
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
