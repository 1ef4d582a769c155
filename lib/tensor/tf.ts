/**
 * The one place that loads TensorFlow.js.
 *
 * The union package is used because in Node `@tensorflow/tfjs-core` alone registers neither gradients nor
 * chained operations. It is CommonJS whose named exports Node cannot see from ESM, hence the default import.
 */
import tfjs from "@tensorflow/tfjs";

export const tf = tfjs;

export type {
  DataType,
  Rank,
  Scalar,
  Tensor,
  Tensor1D,
  Tensor2D,
  Tensor3D,
  Tensor4D,
  TensorContainer,
} from "@tensorflow/tfjs";

// The portable backend is the default until `useDevice` chooses another. The first write to it would print advice
// to install tfjs-node; compiled code runs on onnxruntime, so the advice would mislead.
void tf.setBackend("cpu");
(tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
