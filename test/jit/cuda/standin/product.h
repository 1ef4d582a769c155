/* A product as cuBLASLt describes it, column-major, checked: D = epilogue(alpha op(A) op(B) + beta C). */
#pragma once
#include <cstddef>
#include <cstdint>

enum Type { F32 = 0, F16 = 2, BF16 = 14 };
enum Compute { COMPUTE_F32 = 68, COMPUTE_TF32 = 77 };
/* The bits that epilogues are made of. */
enum Epilogue { PLAIN = 1, RELU = 2, BIAS = 4, DRELU_BIT = 8, BGRAD_BIT = 16, GELU = 32, DGELU_BIT = 64, AUX = 128, BGRAD_A = 256, BGRAD_B = 512 };

struct Matrix {
  Type type;
  uint64_t rows, columns;
  int64_t stride, batchStride = 0;
  int order = 0, batch = 1;
  /** From the first number to the last, of all of the batch. */
  size_t bytes() const;
};
struct Product {
  int compute, scale, transposedA = 0, transposedB = 0, epilogue = PLAIN;
  uint64_t bias = 0, aux = 0;
  int64_t auxStride = 0, auxBatchStride = 0, biasBatchStride = 0;
  int biasType = -1, auxType = -1;
};
struct Operands {
  float alpha, beta;
  uint64_t a, b, c, d, workspace;
  size_t workspaceBytes;
};
size_t bytesOf(int type);
void multiply(const Product &product, const Matrix &a, const Matrix &b, const Matrix &c, const Matrix &d, const Operands &at);
