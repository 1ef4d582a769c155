/*
 * A stand-in for cuBLASLt: descriptors as strict as those of the real one, as far as its manual says, and products that
 * the stand-in driver's streams run.
 */
#include "product.cc"
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include "standin.h"

#define API extern "C" __attribute__((visibility("default")))
enum Status { SUCCESS = 0, NOT_INITIALIZED_LT = 1, INVALID = 7, EXECUTION_FAILED = 13, INTERNAL = 14, UNSUPPORTED = 15 };

struct Preference {
  uint64_t workspace = 0;
};
template <typename T> struct Objects {
  std::map<void *, std::shared_ptr<T>> all;
  std::mutex mutex;
  int add(void **out, T value) {
    if (!out) return INVALID;
    auto object = std::make_shared<T>(value);
    std::lock_guard lock(mutex);
    all[*out = object.get()] = object;
    return SUCCESS;
  }
  std::shared_ptr<T> get(void *handle) {
    std::lock_guard lock(mutex);
    auto at = all.find(handle);
    return at == all.end() ? nullptr : at->second;
  }
  int remove(void *handle) {
    std::lock_guard lock(mutex);
    return all.erase(handle) ? SUCCESS : INVALID;
  }
};
static auto &handles = *new Objects<int>;
static auto &products = *new Objects<Product>;
static auto &matrices = *new Objects<Matrix>;
static auto &preferences = *new Objects<Preference>;

API size_t cublasLtGetVersion() { return 130100; }
API const char *cublasLtGetStatusName(int status) {
  switch (status) {
    case SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case NOT_INITIALIZED_LT: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case INVALID: return "CUBLAS_STATUS_INVALID_VALUE";
    case EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case INTERNAL: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case UNSUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "unknown status";
  }
}
API const char *cublasLtGetStatusString(int status) {
  switch (status) {
    case SUCCESS: return "success";
    case NOT_INITIALIZED_LT: return "the library was not initialized";
    case INVALID: return "an unsupported value or parameter was passed to the function";
    case EXECUTION_FAILED: return "the GPU program failed to execute";
    case INTERNAL: return "an internal operation failed";
    case UNSUPPORTED: return "the functionality requested is not supported";
    default: return "unknown error";
  }
}
API int cublasLtCreate(void **handle) { return standin_context() ? NOT_INITIALIZED_LT : handles.add(handle, 1); }
API int cublasLtDestroy(void *handle) { return handles.remove(handle); }
API int cublasLtMatmulDescCreate(void **out, int compute, int scale) { return products.add(out, Product{compute, scale}); }
API int cublasLtMatmulDescDestroy(void *handle) { return products.remove(handle); }
API int cublasLtMatrixLayoutCreate(void **out, int type, uint64_t rows, uint64_t columns, int64_t stride) {
  return matrices.add(out, Matrix{(Type)type, rows, columns, stride});
}
API int cublasLtMatrixLayoutDestroy(void *handle) { return matrices.remove(handle); }
API int cublasLtMatmulPreferenceCreate(void **out) { return preferences.add(out, {}); }
API int cublasLtMatmulPreferenceDestroy(void *handle) { return preferences.remove(handle); }

/** An attribute is given with the size of its own type, or it is not taken. */
template <typename T> static int set(T &to, const void *from, size_t bytes) {
  if (!from || bytes != sizeof(T)) return INVALID;
  memcpy(&to, from, sizeof(T));
  return SUCCESS;
}
API int cublasLtMatmulDescSetAttribute(void *handle, int attribute, const void *value, size_t bytes) {
  auto product = products.get(handle);
  if (!product) return INVALID;
  int pointerMode;
  switch (attribute) {
    case 0: return set(product->compute, value, bytes);
    case 1: return set(product->scale, value, bytes);
    case 2: return set(pointerMode, value, bytes) || pointerMode ? INVALID : SUCCESS;
    case 3: return set(product->transposedA, value, bytes);
    case 4: return set(product->transposedB, value, bytes);
    case 7: return set(product->epilogue, value, bytes);
    case 8: return set(product->bias, value, bytes);
    case 10: return set(product->biasBatchStride, value, bytes);
    case 11: return set(product->aux, value, bytes);
    case 12: return set(product->auxStride, value, bytes);
    case 13: return set(product->auxBatchStride, value, bytes);
    case 22: return set(product->auxType, value, bytes);
    case 26: return set(product->biasType, value, bytes);
    default: return INVALID;
  }
}
API int cublasLtMatrixLayoutSetAttribute(void *handle, int attribute, const void *value, size_t bytes) {
  auto matrix = matrices.get(handle);
  if (!matrix) return INVALID;
  switch (attribute) {
    case 0: return set(matrix->type, value, bytes);
    case 1: return set(matrix->order, value, bytes);
    case 2: return set(matrix->rows, value, bytes);
    case 3: return set(matrix->columns, value, bytes);
    case 4: return set(matrix->stride, value, bytes);
    case 5: return set(matrix->batch, value, bytes);
    case 6: return set(matrix->batchStride, value, bytes);
    default: return INVALID;
  }
}
API int cublasLtMatmulPreferenceSetAttribute(void *handle, int attribute, const void *value, size_t bytes) {
  auto preference = preferences.get(handle);
  uint32_t word;
  if (!preference) return INVALID;
  if (attribute == 1) return set(preference->workspace, value, bytes);
  return attribute >= 0 && attribute <= 9 ? set(word, value, bytes) : INVALID;
}

/** What NVIDIA's tables of types and epilogues allow; its dimensions must fit, too. */
static int check(const Product &p, const Matrix &a, const Matrix &b, const Matrix &c, const Matrix &d) {
  for (const Matrix *matrix : {&a, &b, &c, &d}) {
    if (matrix->order) return UNSUPPORTED;
    if (matrix->stride < (int64_t)matrix->rows || !matrix->rows || !matrix->columns || matrix->batch < 1) return INVALID;
    if (matrix->batch != d.batch) return INVALID;
    if (matrix->type != F32 && matrix->type != F16 && matrix->type != BF16) return UNSUPPORTED;
  }
  if ((p.transposedA | p.transposedB) & ~1) return INVALID;
  const uint64_t m = p.transposedA ? a.columns : a.rows, k = p.transposedA ? a.rows : a.columns;
  const uint64_t k2 = p.transposedB ? b.columns : b.rows, n = p.transposedB ? b.rows : b.columns;
  if (k != k2 || m != d.rows || n != d.columns || c.rows != m || c.columns != n) return INVALID;
  if (a.type != b.type || c.type != d.type || (d.type != F32 && d.type != a.type)) return UNSUPPORTED;
  if (p.scale != F32 || (p.compute != COMPUTE_F32 && (p.compute != COMPUTE_TF32 || a.type != F32))) return UNSUPPORTED;
  static const int EPILOGUES[] = {1, 2, 4, 6, 32, 36, 160, 164, 192, 208, 256, 512};
  bool found = false;
  for (int epilogue : EPILOGUES) found |= epilogue == p.epilogue;
  if (!found) return UNSUPPORTED;
  const bool gradient = p.epilogue & (BGRAD_BIT | BGRAD_A | BGRAD_B);
  if (gradient && d.batch > 1) return UNSUPPORTED;
  if ((p.epilogue & BIAS || gradient) && p.biasType >= 0 && p.biasType != d.type) return UNSUPPORTED;
  if (p.epilogue & AUX || p.epilogue & DGELU_BIT) {
    if (p.auxStride < (int64_t)m || p.auxStride % 8) return INVALID;
    if (p.auxType >= 0 && p.auxType != d.type) return UNSUPPORTED;
  }
  return SUCCESS;
}

/** What an algorithm's 64 bytes hold: it is one of this problem, and of no other. */
struct Algorithm {
  uint64_t magic, problem, workspace, reserved[5];
};
constexpr uint64_t MAGIC = 0x6469746c61622121, WORKSPACE = 1 << 20;
static uint64_t problemOf(const Product &p, const Matrix &a, const Matrix &b, const Matrix &d) {
  uint64_t hash = 14695981039346656037ull;
  auto mix = [&](uint64_t value) { hash = (hash ^ value) * 1099511628211ull; };
  for (int value : {p.compute, p.transposedA, p.transposedB, p.epilogue, (int)a.type, (int)d.type, d.batch}) mix(value);
  for (const Matrix *matrix : {&a, &b, &d}) mix(matrix->rows), mix(matrix->columns), mix(matrix->stride);
  return hash;
}
struct Result {
  Algorithm algorithm;
  uint64_t workspace;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Algorithm) == 64 && sizeof(Result) == 96);
API int cublasLtMatmulAlgoGetHeuristic(void *handle, void *desc, void *aDesc, void *bDesc, void *cDesc, void *dDesc, void *preferenceHandle, int most, Result *results, int *count) {
  auto p = products.get(desc);
  auto a = matrices.get(aDesc), b = matrices.get(bDesc), c = matrices.get(cDesc), d = matrices.get(dDesc);
  auto preference = preferences.get(preferenceHandle);
  if (!handles.get(handle)) return NOT_INITIALIZED_LT;
  if (!p || !a || !b || !c || !d || !preference || most < 1 || !results || !count) return INVALID;
  *count = 0;
  if (int error = check(*p, *a, *b, *c, *d)) return error;
  for (uint64_t workspace : {WORKSPACE, (uint64_t)0}) {
    if (workspace > preference->workspace || *count == most) continue;
    results[(*count)++] = {{MAGIC, problemOf(*p, *a, *b, *d), workspace, {}}, workspace, SUCCESS, 1, {}};
  }
  return SUCCESS;
}

API int cublasLtMatmul(void *handle, void *desc, const float *alpha, uint64_t A, void *aDesc, uint64_t B, void *bDesc, const float *beta, uint64_t C, void *cDesc,
                       uint64_t D, void *dDesc, const Algorithm *algorithm, uint64_t workspace, size_t workspaceBytes, void *stream) {
  auto p = products.get(desc);
  auto a = matrices.get(aDesc), b = matrices.get(bDesc), c = matrices.get(cDesc), d = matrices.get(dDesc);
  if (!handles.get(handle) || standin_context()) return NOT_INITIALIZED_LT;
  if (!p || !a || !b || !c || !d || !alpha || !beta) return INVALID;
  if (int error = check(*p, *a, *b, *c, *d)) return error;
  size_t used = 0;
  if (algorithm) {
    if (algorithm->magic != MAGIC || algorithm->problem != problemOf(*p, *a, *b, *d)) return INVALID;
    used = algorithm->workspace;
  }
  if (used > workspaceBytes || (used && workspace % 16)) return INVALID;
  if (C == D && (c->stride != d->stride || c->batchStride != d->batchStride)) return INVALID;

  struct Region {
    uint64_t at;
    size_t bytes, unit;
  };
  const bool biased = p->epilogue & (BIAS | BGRAD_BIT | BGRAD_A | BGRAD_B), auxiliary = p->epilogue & (AUX | DGELU_BIT);
  std::vector<Region> regions = {{A, a->bytes(), bytesOf(a->type)}, {B, b->bytes(), bytesOf(b->type)}, {D, d->bytes(), bytesOf(d->type)}};
  if (*beta != 0) regions.push_back({C, c->bytes(), bytesOf(c->type)});
  if (used) regions.push_back({workspace, used, 16});
  const size_t unit = bytesOf(d->type), last = d->batch - 1;
  if (biased) regions.push_back({p->bias, (last * p->biasBatchStride + (p->epilogue & BGRAD_B ? d->columns : d->rows)) * unit, unit});
  if (auxiliary) regions.push_back({p->aux, (last * p->auxBatchStride + (d->columns - 1) * p->auxStride + d->rows) * unit, unit});
  Work work;
  for (auto &region : regions) {
    if (!region.at || region.at % region.unit) return INVALID;
    // The real one would go on, and the device would fail later or compute with what lies there.
    if (!standin_inside(region.at, region.bytes)) return EXECUTION_FAILED;
    work.names.push_back(region.at);
  }
  const Operands at = {*alpha, *beta, A, B, C, D, workspace, used};
  work.run = [product = *p, a = *a, b = *b, c = *c, d = *d, at, regions] {
    for (auto &region : regions)
      if (!standin_inside(region.at, region.bytes)) return (int)ILLEGAL_ADDRESS;
    multiply(product, a, b, c, d, at);
    return (int)OK;
  };
  return standin_submit(stream, &work) ? EXECUTION_FAILED : SUCCESS;
}
