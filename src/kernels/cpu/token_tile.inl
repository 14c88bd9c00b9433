// What a tile of token_panels.inl multiplies: decoded rows of weights and panels of activations.
namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// From the tile's first row and first token on.
struct TokenTile {
  const uint8_t* x;
  int64_t x_panel;                // bytes from a panel to the next
  const float* x_scale;           // nullptr: 1
  int64_t x_scale_panel;          // floats
  const uint8_t* w;               // decoded rows
  int64_t w_stride;               // bytes
  const float* w_scale;           // FP8: of this row of blocks
  const uint16_t* w_group_scale;  // integers: of row 0
  int64_t w_group_stride;
  const int32_t* starts;  // integers: of row 0
  int64_t starts_stride;
  int64_t k, group;
  float* y;
  int64_t y_stride;
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
