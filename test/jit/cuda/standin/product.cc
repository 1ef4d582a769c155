/* The products of the stand-in cuBLASLt, with sums of floats and the epilogues of NVIDIA's manual. */
#include "product.h"
#include <cmath>
#include <cstring>
#include <vector>
#include "numbers.h"

size_t bytesOf(int type) { return type == F32 ? 4 : 2; }
size_t Matrix::bytes() const {
  if (!rows || !columns) return 0;
  return (size_t)((batch - 1) * batchStride + (int64_t)(columns - 1) * stride + (int64_t)rows) * bytesOf(type);
}
static float read(uint64_t at, int type, size_t i) {
  if (type == F32) return ((const float *)at)[i];
  const u16 bits = ((const u16 *)at)[i];
  return type == F16 ? half_to_float(bits) : bf16_to_float(bits);
}
static void write(uint64_t at, int type, size_t i, float value) {
  if (type == F32) ((float *)at)[i] = value;
  else ((u16 *)at)[i] = type == F16 ? float_to_half(value) : float_to_bf16(value);
}

static float gelu(float x) { return 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x))); }
static float geluSlope(float x) {
  const float t = tanhf(0.7978845608f * (x + 0.044715f * x * x * x));
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.7978845608f * (1 + 3 * 0.044715f * x * x);
}

/** op(matrix) of one of the batch as floats, column by column. */
static std::vector<float> unpacked(const Matrix &matrix, uint64_t at, int batch, bool transposed, bool tf32) {
  const size_t rows = matrix.rows, columns = matrix.columns, first = batch * matrix.batchStride;
  std::vector<float> out(rows * columns);
  const bool stored = !transposed;
  for (size_t j = 0; j < columns; j++)
    for (size_t i = 0; i < rows; i++) {
      float value = read(at, matrix.type, first + j * matrix.stride + i);
      if (tf32) value = emulate::float_of(to_tf32(value));
      out[stored ? j * rows + i : i * columns + j] = value;
    }
  return out;
}

/** sums[n][m] of a[k][m] and b[n][k]: columns of the result in fours, so that a row of `a` is read once for each. */
__attribute__((optimize("O3"))) static void sumUp(const float *a, const float *b, float *sums, size_t m, size_t n, size_t k) {
  size_t j = 0;
  for (; j + 4 <= n; j += 4) {
    float *s0 = sums + j * m, *s1 = s0 + m, *s2 = s1 + m, *s3 = s2 + m;
    for (size_t p = 0; p < k; p++) {
      const float *row = a + p * m, b0 = b[j * k + p], b1 = b[(j + 1) * k + p], b2 = b[(j + 2) * k + p], b3 = b[(j + 3) * k + p];
      for (size_t i = 0; i < m; i++) {
        s0[i] += row[i] * b0;
        s1[i] += row[i] * b1;
        s2[i] += row[i] * b2;
        s3[i] += row[i] * b3;
      }
    }
  }
  for (; j < n; j++)
    for (size_t p = 0; p < k; p++)
      for (size_t i = 0; i < m; i++) sums[j * m + i] += a[p * m + i] * b[j * k + p];
}

/** Applies the epilogue to the sums, and keeps what the gradient of a bias is. */
static void finish(const Product &product, const Matrix &d, uint64_t to, int batch, std::vector<float> &sums) {
  const size_t m = d.rows, n = d.columns;
  const int epilogue = product.epilogue, auxType = product.auxType < 0 ? d.type : product.auxType, biasType = product.biasType < 0 ? d.type : product.biasType;
  std::vector<float> gradient(m);
  for (size_t j = 0; j < n; j++)
    for (size_t i = 0; i < m; i++) {
      float x = sums[j * m + i];
      const size_t aux = batch * product.auxBatchStride + j * product.auxStride + i;
      if (epilogue & BIAS) x += read(product.bias, biasType, batch * product.biasBatchStride + i);
      if (epilogue & DGELU_BIT) x *= geluSlope(read(product.aux, auxType, aux));
      else if (epilogue & GELU) {
        if (epilogue & AUX) write(product.aux, auxType, aux, x);
        x = gelu(x);
      }
      if (epilogue & RELU) x = x > 0 ? x : x != x ? x : 0;
      gradient[i] += x;
      write(to, d.type, batch * d.batchStride + j * d.stride + i, x);
    }
  if (epilogue & BGRAD_BIT)
    for (size_t i = 0; i < m; i++) write(product.bias, biasType, i, gradient[i]);
}

void multiply(const Product &product, const Matrix &a, const Matrix &b, const Matrix &c, const Matrix &d, const Operands &at) {
  const size_t m = d.rows, n = d.columns, k = product.transposedA ? a.rows : a.columns;
  const bool tf32 = product.compute == COMPUTE_TF32;
  const int biasType = product.biasType < 0 ? d.type : product.biasType;
  // An algorithm may leave anything in its workspace.
  if (at.workspaceBytes) memset((void *)at.workspace, 0xff, at.workspaceBytes);
  for (int batch = 0; batch < d.batch; batch++) {
    // a[k][m] is op(A) column by column, b[n][k] is op(B) so too.
    const auto left = unpacked(a, at.a, batch, product.transposedA, tf32);
    const auto right = unpacked(b, at.b, batch, product.transposedB, tf32);
    std::vector<float> sums(m * n);
    sumUp(left.data(), right.data(), sums.data(), m, n, k);
    for (size_t j = 0; j < n; j++)
      for (size_t i = 0; i < m; i++) {
        sums[j * m + i] *= at.alpha;
        if (at.beta != 0) sums[j * m + i] += at.beta * read(at.c, c.type, batch * c.batchStride + j * c.stride + i);
      }
    finish(product, d, at.d, batch, sums);
    if (product.epilogue & (BGRAD_A | BGRAD_B)) {
      const bool ofA = product.epilogue & BGRAD_A;
      for (size_t i = 0; i < (ofA ? m : n); i++) {
        float sum = 0;
        for (size_t p = 0; p < k; p++) sum += ofA ? left[p * m + i] : right[i * k + p];
        write(product.bias, biasType, i, sum);
      }
    }
  }
}
