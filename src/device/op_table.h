#pragma once
// The list of all ops. A backend fills a table of it; ops run through it (device/run.h).
#include "device/attention.h"
#include "device/causal_attention.h"
#include "device/elementwise.h"
#include "device/gemm.h"
#include "device/latent_attention.h"
#include "device/linear.h"
#include "device/loss.h"
#include "device/moe.h"
#include "device/norm.h"
#include "device/op.h"
#include "device/optimizer.h"
#include "device/paged_rows.h"
#include "device/peaks.h"
#include "device/prefill_attention.h"
#include "device/quantization_error.h"
#include "device/quantize.h"
#include "device/rope.h"
#include "device/rows.h"
#include "device/upload.h"

namespace fathom::device {

class OpTable
    : public Table<
          // Products with weights as they are stored.
          LinearForward, LinearHeadsForward, LinearTransposedForward, LinearTransposedHeadsForward,
          FfnForward, MoeExpertsForward,
          // Products of training.
          Pack, Gemm, SaveMatrix, LoadMatrix,
          // Attention: over tiles of keys, of prefill, absorbed MLA, of training.
          AttentionBegin, AttentionTileForward, AttentionEnd, PrefillAttentionBegin,
          PrefillAttentionTile, PrefillAttentionEnd, LatentAttentionForward, CausalAttentionForward,
          CausalAttentionBackward, SumHeads,
          // The router, and rows on their way to experts and back.
          MoeRoute, RouterScores, RouterBackward, RouterEntropy, CountExperts, CountDistinctExperts,
          CountRawTopk, SumNormalisedScores, GroupByExpert, PermuteWeights, UnpermuteWeights,
          CombineRows, CombineRowsBackward,
          // Between products.
          RmsNormForward, RmsNormBackward, SiluMulForward, SiluMulBackward, WeightedSiluMulForward,
          WeightedSiluMulBackward, AddInplace, ScaleRowsInplace, AddBiasBackward, RopeInplace,
          RopeByAnglesInplace, ComputeRopeAngles, GatherRows, CopyIds,
          // Ends of a model, losses.
          EmbeddingForward, EmbeddingBackward, TokenLogProbs, CrossEntropyInplace,
          // The optimizer.
          SumOfSquares, AllFinite, AdamWStep, AdamWStepBf16, EmaUpdate,
          // Stored forms.
          UploadMatrix, QuantizeBlocks, QuantizeGroups, Dequantize, CacheStoreRows, CacheLoadRows,
          // What rounding does, for study.
          TileRanges, CountMagnitudes, QuantizationErrors, OctaveCounts,
          // Questions.
          PackedLayoutOf, PackScratchBytes, CausalAttentionScratchBytes, TakesPrefillHeads,
          TakesLatentCache, MeasureArithmeticPeaks> {};

}  // namespace fathom::device
