#include "config/run/parallel_config.h"

namespace fathom {

void ParallelConfig::list_fields(FieldList& list) {
  list.add("pipeline_ranks", pipeline_ranks,
           "ranks that a micro-batch passes through, each with some of the layers",
           {.min = 1, .max = 1 << 16});
  list.add("schedule", schedule, kPipelineScheduleNames,
           "in which order a pipeline's ranks work (V3: dualpipe)");
  list.add("pipeline_chunks", pipeline_chunks,
           "pieces of the model on each rank, of the interleaved schedule alone",
           {.min = 1, .max = 1 << 10});
  list.add(
      "overlap", overlap,
      "a pair of dualpipe or dualpipev computes its backward pass while its forward pass waits, "
      "and the other way round");
  list.add("expert_ranks", expert_ranks,
           "ranks that the experts of a layer are dealt to; the others hold copies",
           {.min = 1, .max = 1 << 16});
  list.add("wire", wire, kWireFormatNames,
           "how tokens travel to their experts: fp8 (V3) and bf16 come back as bf16 sums, f32 sums "
           "as one rank does");
  list.add("round_tokens", round_tokens,
           "tokens of a rank that are sent at a time; bounds the memory of an exchange",
           {.min = 1, .max = 1 << 20});
  list.add("expert_room", expert_room,
           "room for arriving tokens, in multiples of an even share; 0: for all that could arrive",
           {.min = 0.0, .max = 1e6});
  list.add(
      "reduction", reduction, kGradientReductionNames,
      "in which order gradients are added: rank-order is fast; any-layout gives the same bits on "
      "1, 2, 4, ... data ranks and in every pipeline, for more memory");
  list.add(
      "engine", engine, kCommEngineNames,
      "what ranks exchange over: auto (mpi under a launcher, else threads), threads, mpi, nccl");
  list.add(
      "ranks_per_node", ranks_per_node,
      "ranks of a node: a token crosses from one to another once, however many ranks it goes to "
      "there; 0: those that share memory",
      {.min = 0, .max = 1 << 16});
  list.add("deadline_s", deadline_s,
           "seconds that a rank waits for others before it names them and the job ends",
           {.min = 0.1, .max = 1e6});
  list.add(
      "check_calls", check_calls,
      "ranks compare every collective call before it, so that the first that differs is named; "
      "slow");
  list.add("check_every", check_every,
           "steps between comparisons of the replicas' weights; 0: never", {.min = 0, .max = 1e12});
  list.add("trace_step", trace_step,
           "the step whose timeline is written, trace.json for Chrome's viewer; 0: none",
           {.min = 0, .max = 1e12});
}

}  // namespace fathom
