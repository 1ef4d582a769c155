// @ts-nocheck
// Gradients and chained operations of @tensorflow/tfjs-core 4.22.0, bundled by test/tensor/registrations.ts.
// Copyright Google LLC. Licensed under the Apache License, Version 2.0 (http://www.apache.org/licenses/LICENSE-2.0).

/** Registers all gradients, and gives tensors their methods. */
export function register(core, Tensor) {
  (() => {
    var Abs = core.Abs;
    var Acos = core.Acos;
    var Acosh = core.Acosh;
    var Add = core.Add;
    var AddN = core.AddN;
    var All = core.All;
    var Any = core.Any;
    var ArgMax = core.ArgMax;
    var ArgMin = core.ArgMin;
    var Asin = core.Asin;
    var Asinh = core.Asinh;
    var Atan = core.Atan;
    var Atanh = core.Atanh;
    var Atan2 = core.Atan2;
    var AvgPool = core.AvgPool;
    var AvgPoolGrad = core.AvgPoolGrad;
    var AvgPool3D = core.AvgPool3D;
    var AvgPool3DGrad = core.AvgPool3DGrad;
    var BatchMatMul = core.BatchMatMul;
    var BatchToSpaceND = core.BatchToSpaceND;
    var Bincount = core.Bincount;
    var BitwiseAnd = core.BitwiseAnd;
    var BroadcastTo = core.BroadcastTo;
    var BroadcastArgs = core.BroadcastArgs;
    var Cast = core.Cast;
    var Ceil = core.Ceil;
    var ClipByValue = core.ClipByValue;
    var Complex = core.Complex;
    var ComplexAbs = core.ComplexAbs;
    var Concat = core.Concat;
    var Conv2D = core.Conv2D;
    var Conv2DBackpropFilter = core.Conv2DBackpropFilter;
    var Conv2DBackpropInput = core.Conv2DBackpropInput;
    var Conv3D = core.Conv3D;
    var Conv3DBackpropFilterV2 = core.Conv3DBackpropFilterV2;
    var Conv3DBackpropInputV2 = core.Conv3DBackpropInputV2;
    var Cos = core.Cos;
    var Cosh = core.Cosh;
    var Cumprod = core.Cumprod;
    var Cumsum = core.Cumsum;
    var CropAndResize = core.CropAndResize;
    var DenseBincount = core.DenseBincount;
    var DepthToSpace = core.DepthToSpace;
    var DepthwiseConv2dNative = core.DepthwiseConv2dNative;
    var DepthwiseConv2dNativeBackpropFilter = core.DepthwiseConv2dNativeBackpropFilter;
    var DepthwiseConv2dNativeBackpropInput = core.DepthwiseConv2dNativeBackpropInput;
    var Diag = core.Diag;
    var Dilation2D = core.Dilation2D;
    var Dilation2DBackpropInput = core.Dilation2DBackpropInput;
    var Dilation2DBackpropFilter = core.Dilation2DBackpropFilter;
    var Draw = core.Draw;
    var RealDiv = core.RealDiv;
    var Einsum = core.Einsum;
    var Elu = core.Elu;
    var EluGrad = core.EluGrad;
    var Erf = core.Erf;
    var Equal = core.Equal;
    var Exp = core.Exp;
    var ExpandDims = core.ExpandDims;
    var Expm1 = core.Expm1;
    var FFT = core.FFT;
    var Fill = core.Fill;
    var FlipLeftRight = core.FlipLeftRight;
    var Floor = core.Floor;
    var FloorDiv = core.FloorDiv;
    var FusedBatchNorm = core.FusedBatchNorm;
    var GatherV2 = core.GatherV2;
    var GatherNd = core.GatherNd;
    var Greater = core.Greater;
    var GreaterEqual = core.GreaterEqual;
    var Identity = core.Identity;
    var IFFT = core.IFFT;
    var Imag = core.Imag;
    var IsFinite = core.IsFinite;
    var IsInf = core.IsInf;
    var IsNan = core.IsNan;
    var LeakyRelu = core.LeakyRelu;
    var Less = core.Less;
    var LessEqual = core.LessEqual;
    var LinSpace = core.LinSpace;
    var Log = core.Log;
    var Log1p = core.Log1p;
    var LogicalAnd = core.LogicalAnd;
    var LogicalNot = core.LogicalNot;
    var LogicalOr = core.LogicalOr;
    var LogicalXor = core.LogicalXor;
    var LogSoftmax = core.LogSoftmax;
    var LowerBound = core.LowerBound;
    var LRN = core.LRN;
    var LRNGrad = core.LRNGrad;
    var MatrixBandPart = core.MatrixBandPart;
    var Max = core.Max;
    var Maximum = core.Maximum;
    var MaxPool = core.MaxPool;
    var MaxPoolGrad = core.MaxPoolGrad;
    var MaxPool3D = core.MaxPool3D;
    var MaxPool3DGrad = core.MaxPool3DGrad;
    var MaxPoolWithArgmax = core.MaxPoolWithArgmax;
    var Mean = core.Mean;
    var Min = core.Min;
    var Minimum = core.Minimum;
    var MirrorPad = core.MirrorPad;
    var Mod = core.Mod;
    var Multinomial = core.Multinomial;
    var Multiply = core.Multiply;
    var Neg = core.Neg;
    var NotEqual = core.NotEqual;
    var NonMaxSuppressionV3 = core.NonMaxSuppressionV3;
    var NonMaxSuppressionV4 = core.NonMaxSuppressionV4;
    var NonMaxSuppressionV5 = core.NonMaxSuppressionV5;
    var OnesLike = core.OnesLike;
    var OneHot = core.OneHot;
    var Pack = core.Pack;
    var PadV2 = core.PadV2;
    var Pool = core.Pool;
    var Pow = core.Pow;
    var Prelu = core.Prelu;
    var Prod = core.Prod;
    var RaggedGather = core.RaggedGather;
    var RaggedRange = core.RaggedRange;
    var RaggedTensorToTensor = core.RaggedTensorToTensor;
    var Range = core.Range;
    var Real = core.Real;
    var Reciprocal = core.Reciprocal;
    var Relu = core.Relu;
    var Reshape = core.Reshape;
    var ResizeNearestNeighbor = core.ResizeNearestNeighbor;
    var ResizeNearestNeighborGrad = core.ResizeNearestNeighborGrad;
    var ResizeBilinear = core.ResizeBilinear;
    var ResizeBilinearGrad = core.ResizeBilinearGrad;
    var Relu6 = core.Relu6;
    var Reverse = core.Reverse;
    var Round = core.Round;
    var Rsqrt = core.Rsqrt;
    var ScatterNd = core.ScatterNd;
    var TensorScatterUpdate = core.TensorScatterUpdate;
    var SearchSorted = core.SearchSorted;
    var Select = core.Select;
    var Selu = core.Selu;
    var Slice = core.Slice;
    var Sin = core.Sin;
    var Sinh = core.Sinh;
    var Sign = core.Sign;
    var Sigmoid = core.Sigmoid;
    var Softplus = core.Softplus;
    var Sqrt = core.Sqrt;
    var Sum = core.Sum;
    var SpaceToBatchND = core.SpaceToBatchND;
    var SplitV = core.SplitV;
    var Softmax = core.Softmax;
    var SparseFillEmptyRows = core.SparseFillEmptyRows;
    var SparseReshape = core.SparseReshape;
    var SparseSegmentMean = core.SparseSegmentMean;
    var SparseSegmentSum = core.SparseSegmentSum;
    var SparseToDense = core.SparseToDense;
    var SquaredDifference = core.SquaredDifference;
    var Square = core.Square;
    var StaticRegexReplace = core.StaticRegexReplace;
    var StridedSlice = core.StridedSlice;
    var StringNGrams = core.StringNGrams;
    var StringSplit = core.StringSplit;
    var StringToHashBucketFast = core.StringToHashBucketFast;
    var Sub = core.Sub;
    var Tan = core.Tan;
    var Tanh = core.Tanh;
    var Tile = core.Tile;
    var TopK = core.TopK;
    var Transform = core.Transform;
    var Transpose = core.Transpose;
    var Unique = core.Unique;
    var Unpack = core.Unpack;
    var UnsortedSegmentSum = core.UnsortedSegmentSum;
    var UpperBound = core.UpperBound;
    var ZerosLike = core.ZerosLike;
    var Step = core.Step;
    var FromPixels = core.FromPixels;
    var RotateWithOffset = core.RotateWithOffset;
    var _FusedMatMul = core._FusedMatMul;
    var FusedConv2D = core.FusedConv2D;
    var FusedDepthwiseConv2D = core.FusedDepthwiseConv2D;
    var cast = core.cast;
    var mul = core.mul;
    var step = core.step;
    var absGradConfig = {
      kernelName: Abs,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => mul(dy, step(cast(x, "float32"), -1)) };
      }
    };
    var div = core.div;
    var neg = core.neg;
    var scalar = core.scalar;
    var sqrt = core.sqrt;
    var square = core.square;
    var sub = core.sub;
    var acosGradConfig = {
      kernelName: Acos,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return {
          x: () => {
            const a = square(cast(x, "float32"));
            const b = sqrt(sub(scalar(1), a));
            return neg(div(dy, b));
          }
        };
      }
    };
    var acoshGradConfig = {
      kernelName: Acosh,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return {
          x: () => {
            const a = sqrt(sub(square(cast(x, "float32")), 1));
            return div(dy, a);
          }
        };
      }
    };
    var getReductionAxes = core.broadcast_util.getReductionAxes;
    var assertAndGetBroadcastShape = core.broadcast_util.assertAndGetBroadcastShape;
    var reshape = core.reshape;
    var sum = core.sum;
    var addGradConfig = {
      kernelName: Add,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        const outShape = assertAndGetBroadcastShape(a.shape, b.shape);
        const derA = () => {
          let res = dy;
          const reduceAxes = getReductionAxes(a.shape, outShape);
          if (reduceAxes.length > 0) {
            res = sum(res, reduceAxes);
          }
          return reshape(res, a.shape);
        };
        const derB = () => {
          let res = dy;
          const reduceAxes = getReductionAxes(b.shape, outShape);
          if (reduceAxes.length > 0) {
            res = sum(res, reduceAxes);
          }
          return reshape(res, b.shape);
        };
        return { a: derA, b: derB };
      }
    };
    var addNGradConfig = {
      kernelName: AddN,
      saveAllInputs: true,
      gradFunc: (dy, saved) => {
        const ders = {};
        saved.forEach((_, i) => {
          ders[i] = () => dy.clone();
        });
        return ders;
      }
    };
    var zerosLike = core.zerosLike;
    var argMaxGradConfig = {
      kernelName: ArgMax,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => zerosLike(x) };
      }
    };
    var argMinGradConfig = {
      kernelName: ArgMin,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => zerosLike(x) };
      }
    };
    var asinGradConfig = {
      kernelName: Asin,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => div(dy, sqrt(sub(scalar(1), square(cast(x, "float32"))))) };
      }
    };
    var add = core.add;
    var asinhGradConfig = {
      kernelName: Asinh,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return {
          x: () => {
            const a = sqrt(add(scalar(1), square(cast(x, "float32"))));
            return div(dy, a);
          }
        };
      }
    };
    var atan2GradConfig = {
      kernelName: Atan2,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        const outShape = assertAndGetBroadcastShape(a.shape, b.shape);
        const derA = () => {
          const d = add(square(a), square(b));
          let res = mul(dy, div(b, d));
          const reduceAxes = getReductionAxes(a.shape, outShape);
          if (reduceAxes.length > 0) {
            res = sum(res, reduceAxes);
          }
          return reshape(res, a.shape);
        };
        const derB = () => {
          const d = add(square(a), square(b));
          let res = neg(mul(dy, div(a, d)));
          const reduceAxes = getReductionAxes(b.shape, outShape);
          if (reduceAxes.length > 0) {
            res = sum(res, reduceAxes);
          }
          return reshape(res, b.shape);
        };
        return { a: derA, b: derB };
      }
    };
    var atanGradConfig = {
      kernelName: Atan,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => div(dy, add(square(cast(x, "float32")), 1)) };
      }
    };
    var atanhGradConfig = {
      kernelName: Atanh,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => div(dy, sub(scalar(1), square(cast(x, "float32")))) };
      }
    };
    var ENGINE = core.engine();
    var env = core.env;
    var getGlobalTensorClass = () => Tensor;
    var { Tensor: TensorClass, TensorBuffer, Variable } = core;
    var Rank;
    (function(Rank4) {
      Rank4["R0"] = "R0";
      Rank4["R1"] = "R1";
      Rank4["R2"] = "R2";
      Rank4["R3"] = "R3";
      Rank4["R4"] = "R4";
      Rank4["R5"] = "R5";
      Rank4["R6"] = "R6";
    })(Rank || (Rank = {}));
    var UpcastInt32AndMap;
    (function(UpcastInt32AndMap2) {
      UpcastInt32AndMap2["float32"] = "float32";
      UpcastInt32AndMap2["int32"] = "int32";
      UpcastInt32AndMap2["bool"] = "int32";
      UpcastInt32AndMap2["complex64"] = "complex64";
    })(UpcastInt32AndMap || (UpcastInt32AndMap = {}));
    var UpcastBoolAndMap;
    (function(UpcastBoolAndMap2) {
      UpcastBoolAndMap2["float32"] = "float32";
      UpcastBoolAndMap2["int32"] = "int32";
      UpcastBoolAndMap2["bool"] = "bool";
      UpcastBoolAndMap2["complex64"] = "complex64";
    })(UpcastBoolAndMap || (UpcastBoolAndMap = {}));
    var UpcastFloat32AndMap;
    (function(UpcastFloat32AndMap2) {
      UpcastFloat32AndMap2["float32"] = "float32";
      UpcastFloat32AndMap2["int32"] = "float32";
      UpcastFloat32AndMap2["bool"] = "float32";
      UpcastFloat32AndMap2["complex64"] = "complex64";
    })(UpcastFloat32AndMap || (UpcastFloat32AndMap = {}));
    var UpcastComplex64AndMap;
    (function(UpcastComplex64AndMap2) {
      UpcastComplex64AndMap2["float32"] = "complex64";
      UpcastComplex64AndMap2["int32"] = "complex64";
      UpcastComplex64AndMap2["bool"] = "complex64";
      UpcastComplex64AndMap2["complex64"] = "complex64";
    })(UpcastComplex64AndMap || (UpcastComplex64AndMap = {}));
    function isWebGLData(values) {
      return values != null && typeof values === "object" && "texture" in values && values.texture instanceof WebGLTexture;
    }
    function isWebGPUData(values) {
      return typeof GPUBuffer !== "undefined" && values != null && typeof values === "object" && "buffer" in values && values.buffer instanceof GPUBuffer;
    }
    function isTypedArrayBrowser(a) {
      return a instanceof Float32Array || a instanceof Int32Array || a instanceof Uint8Array || a instanceof Uint8ClampedArray;
    }
    var assert = core.util.assert;
    var sizeFromShape = core.util.sizeFromShape;
    var tanh = core.util.tanh;
    var parseAxisParam = core.util.parseAxisParam;
    var checkConversionForErrors = core.util.checkConversionForErrors;
    var bytesPerElement = core.util.bytesPerElement;
    var inferDtype = core.util.inferDtype;
    var isPromise = core.util.isPromise;
    function noConversionNeeded(a, dtype) {
      return a instanceof Float32Array && dtype === "float32" || a instanceof Int32Array && dtype === "int32" || a instanceof Uint8Array && dtype === "bool";
    }
    function toTypedArray(a, dtype) {
      if (dtype === "string") {
        throw new Error("Cannot convert a string[] to a TypedArray");
      }
      if (Array.isArray(a)) {
        a = flatten(a);
      }
      if (env().getBool("DEBUG")) {
        checkConversionForErrors(a, dtype);
      }
      if (noConversionNeeded(a, dtype)) {
        return a;
      }
      if (dtype == null || dtype === "float32" || dtype === "complex64") {
        return new Float32Array(a);
      } else if (dtype === "int32") {
        return new Int32Array(a);
      } else if (dtype === "bool") {
        const bool = new Uint8Array(a.length);
        for (let i = 0; i < bool.length; ++i) {
          if (Math.round(a[i]) !== 0) {
            bool[i] = 1;
          }
        }
        return bool;
      } else {
        throw new Error(`Unknown data type ${dtype}`);
      }
    }
    function isTypedArray(a) {
      if (env().platform.isTypedArray != null) {
        return env().platform.isTypedArray(a);
      } else {
        return isTypedArrayBrowser(a);
      }
    }
    function flatten(arr, result = [], skipTypedArray = false) {
      if (result == null) {
        result = [];
      }
      if (typeof arr === "boolean" || typeof arr === "number" || typeof arr === "string" || isPromise(arr) || arr == null || isTypedArray(arr) && skipTypedArray) {
        result.push(arr);
      } else if (Array.isArray(arr) || isTypedArray(arr)) {
        for (let i = 0; i < arr.length; ++i) {
          flatten(arr[i], result, skipTypedArray);
        }
      } else {
        let maxIndex = -1;
        for (const key of Object.keys(arr)) {
          if (/^([1-9]+[0-9]*|0)$/.test(key)) {
            maxIndex = Math.max(maxIndex, Number(key));
          }
        }
        for (let i = 0; i <= maxIndex; i++) {
          flatten(arr[i], result, skipTypedArray);
        }
      }
      return result;
    }
    function inferShape(val, dtype) {
      let firstElem = val;
      if (isTypedArray(val)) {
        return dtype === "string" ? [] : [val.length];
      }
      if (isWebGLData(val)) {
        const usedChannels = val.channels || "RGBA";
        return [val.height, val.width * usedChannels.length];
      } else if (isWebGPUData(val)) {
        return [val.buffer.size / (dtype == null ? 4 : bytesPerElement(dtype))];
      }
      if (!Array.isArray(val)) {
        return [];
      }
      const shape = [];
      while (Array.isArray(firstElem) || isTypedArray(firstElem) && dtype !== "string") {
        shape.push(firstElem.length);
        firstElem = firstElem[0];
      }
      if (Array.isArray(val) && env().getBool("TENSORLIKE_CHECK_SHAPE_CONSISTENCY")) {
        deepAssertShapeConsistency(val, shape, []);
      }
      return shape;
    }
    function deepAssertShapeConsistency(val, shape, indices) {
      indices = indices || [];
      if (!Array.isArray(val) && !isTypedArray(val)) {
        assert(shape.length === 0, () => `Element arr[${indices.join("][")}] is a primitive, but should be an array/TypedArray of ${shape[0]} elements`);
        return;
      }
      assert(shape.length > 0, () => `Element arr[${indices.join("][")}] should be a primitive, but is an array of ${val.length} elements`);
      assert(val.length === shape[0], () => `Element arr[${indices.join("][")}] should have ${shape[0]} elements, but has ${val.length} elements`);
      const subShape = shape.slice(1);
      for (let i = 0; i < val.length; ++i) {
        deepAssertShapeConsistency(val[i], subShape, indices.concat(i));
      }
    }
    function assertDtype(expectedDtype, actualDType, argName, functionName) {
      if (expectedDtype === "string_or_numeric") {
        return;
      }
      if (expectedDtype == null) {
        throw new Error(`Expected dtype cannot be null.`);
      }
      if (expectedDtype !== "numeric" && expectedDtype !== actualDType || expectedDtype === "numeric" && actualDType === "string") {
        throw new Error(`Argument '${argName}' passed to '${functionName}' must be ${expectedDtype} tensor, but got ${actualDType} tensor`);
      }
    }
    function convertToTensor(x, argName, functionName, parseAsDtype = "numeric") {
      if (x instanceof getGlobalTensorClass()) {
        assertDtype(parseAsDtype, x.dtype, argName, functionName);
        return x;
      }
      let inferredDtype = inferDtype(x);
      if (inferredDtype !== "string" && ["bool", "int32", "float32"].indexOf(parseAsDtype) >= 0) {
        inferredDtype = parseAsDtype;
      }
      assertDtype(parseAsDtype, inferredDtype, argName, functionName);
      if (x == null || !isTypedArray(x) && !Array.isArray(x) && typeof x !== "number" && typeof x !== "boolean" && typeof x !== "string") {
        const type = x == null ? "null" : x.constructor.name;
        throw new Error(`Argument '${argName}' passed to '${functionName}' must be a Tensor or TensorLike, but got '${type}'`);
      }
      const inferredShape = inferShape(x, inferredDtype);
      if (!isTypedArray(x) && !Array.isArray(x)) {
        x = [x];
      }
      const skipTypedArray = true;
      const values = inferredDtype !== "string" ? toTypedArray(x, inferredDtype) : flatten(x, [], skipTypedArray);
      return ENGINE.makeTensor(values, inferredShape, inferredDtype);
    }
    var tupleValuesAreOne = core.backend_util.tupleValuesAreOne;
    var eitherStridesOrDilationsAreOne = core.backend_util.eitherStridesOrDilationsAreOne;
    var checkPadOnDimRoundingMode = core.backend_util.checkPadOnDimRoundingMode;
    var OP_SCOPE_SUFFIX = core.OP_SCOPE_SUFFIX;
    var op = core.op;
    function avgPool3dGrad_(dy, input, filterSize, strides, pad4, dimRoundingMode) {
      const $dy = convertToTensor(dy, "dy", "avgPool3dGrad");
      const $input = convertToTensor(input, "input", "avgPool3dGrad");
      let dy5D = $dy;
      let input5D = $input;
      let reshapedTo5D = false;
      if ($input.rank === 4) {
        reshapedTo5D = true;
        dy5D = reshape($dy, [1, $dy.shape[0], $dy.shape[1], $dy.shape[2], $dy.shape[3]]);
        input5D = reshape($input, [
          1,
          $input.shape[0],
          $input.shape[1],
          $input.shape[2],
          $input.shape[3]
        ]);
      }
      assert(dy5D.rank === 5, () => `Error in avgPool3dGrad: dy must be rank 5 but got rank ${dy5D.rank}.`);
      assert(input5D.rank === 5, () => `Error in avgPool3dGrad: input must be rank 5 but got rank ${input5D.rank}.`);
      checkPadOnDimRoundingMode("avgPool3dGrad", pad4, dimRoundingMode);
      const inputs = { dy: dy5D, input: input5D };
      const attrs = { filterSize, strides, pad: pad4, dimRoundingMode };
      const res = ENGINE.runKernel(AvgPool3DGrad, inputs, attrs);
      if (reshapedTo5D) {
        return reshape(res, [res.shape[1], res.shape[2], res.shape[3], res.shape[4]]);
      }
      return res;
    }
    var avgPool3dGrad = /* @__PURE__ */ op({ avgPool3dGrad_ });
    var avgPool3DGradConfig = {
      kernelName: AvgPool3D,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const [x] = saved;
        const { filterSize, strides, pad: pad4, dimRoundingMode } = attrs;
        return {
          x: () => avgPool3dGrad(dy, x, filterSize, strides, pad4, dimRoundingMode)
        };
      }
    };
    function avgPoolGrad_(dy, input, filterSize, strides, pad4) {
      const $dy = convertToTensor(dy, "dy", "avgPoolGrad");
      const $input = convertToTensor(input, "input", "avgPoolGrad");
      assert($input.rank === $dy.rank, () => `Rank of input (${$input.rank}) does not match rank of dy (${$dy.rank})`);
      let input4D = $input;
      let dy4D = $dy;
      let reshapedTo4D = false;
      if ($input.rank === 3) {
        reshapedTo4D = true;
        input4D = reshape($input, [1, $input.shape[0], $input.shape[1], $input.shape[2]]);
        dy4D = reshape($dy, [1, $dy.shape[0], $dy.shape[1], $dy.shape[2]]);
      }
      assert(dy4D.rank === 4, () => `Error in avgPoolGrad: dy must be rank 4 but got rank ${dy4D.rank}.`);
      assert(input4D.rank === 4, () => `Error in avgPoolGrad: input must be rank 4 but got rank ${input4D.rank}.`);
      const inputs = { dy: dy4D, input: input4D };
      const attrs = { filterSize, strides, pad: pad4 };
      const res = ENGINE.runKernel(AvgPoolGrad, inputs, attrs);
      if (reshapedTo4D) {
        return reshape(res, [res.shape[1], res.shape[2], res.shape[3]]);
      }
      return res;
    }
    var avgPoolGrad = /* @__PURE__ */ op({ avgPoolGrad_ });
    var avgPoolGradConfig = {
      kernelName: AvgPool,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const [x] = saved;
        const { filterSize, strides, pad: pad4 } = attrs;
        return { x: () => avgPoolGrad(dy, x, filterSize, strides, pad4) };
      }
    };
    var matMul = core.matMul;
    var batchMatMulGradConfig = {
      kernelName: BatchMatMul,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved, attrs) => {
        const [a, b] = saved;
        const { transposeA, transposeB } = attrs;
        if (!transposeA && !transposeB) {
          return {
            a: () => matMul(dy, b, false, true),
            b: () => matMul(a, dy, true, false)
          };
        } else if (!transposeA && transposeB) {
          return {
            a: () => matMul(dy, b, false, false),
            b: () => matMul(dy, a, true, false)
          };
        } else if (transposeA && !transposeB) {
          return {
            a: () => matMul(b, dy, false, true),
            b: () => matMul(a, dy, false, false)
          };
        } else {
          return {
            a: () => matMul(b, dy, true, true),
            b: () => matMul(dy, a, true, true)
          };
        }
      }
    };
    var spaceToBatchND = core.spaceToBatchND;
    var batchToSpaceNDGradConfig = {
      kernelName: BatchToSpaceND,
      gradFunc: (dy, saved, attrs) => {
        const { blockShape, crops } = attrs;
        return { x: () => spaceToBatchND(dy, blockShape, crops) };
      }
    };
    var broadcastToGradConfig = {
      kernelName: BroadcastTo,
      gradFunc: (dy, saved, attrs) => {
        const broadCastToAttrs = attrs;
        const inputShape = broadCastToAttrs.inputShape;
        const outputShape = broadCastToAttrs.shape;
        const reps = Array.from(outputShape);
        for (let i = inputShape.length - 1; i >= 0; i--) {
          if (inputShape[i] === outputShape[i]) {
            reps[i] = 1;
          } else if (inputShape[i] !== 1) {
            throw new Error(`broadcastTo(): [${inputShape}] cannot be broadcast to [${outputShape}].`);
          }
        }
        const axes = [];
        for (let i = 0; i < reps.length; i++) {
          if (reps[i] > 1) {
            axes.push(i);
          }
        }
        return { x: () => sum(
          dy,
          axes,
          true
        ) };
      }
    };
    var castGradConfig = {
      kernelName: Cast,
      gradFunc: (dy) => {
        return { x: () => dy.clone() };
      }
    };
    var ceilGradConfig = {
      kernelName: Ceil,
      gradFunc: (dy) => {
        return { x: () => zerosLike(dy) };
      }
    };
    var greaterEqual = core.greaterEqual;
    var lessEqual = core.lessEqual;
    var logicalAnd = core.logicalAnd;
    var where = core.where;
    var clipByValueGradConfig = {
      kernelName: ClipByValue,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const [x] = saved;
        const { clipValueMin, clipValueMax } = attrs;
        return {
          x: () => where(logicalAnd(greaterEqual(x, clipValueMin), lessEqual(x, clipValueMax)), dy, zerosLike(dy))
        };
      }
    };
    var complexAbsGradConfig = {
      kernelName: ComplexAbs,
      inputsToSave: ["x"],
      gradFunc: absGradConfig.gradFunc
    };
    var split = core.split;
    var concatGradConfig = {
      kernelName: Concat,
      saveAllInputs: true,
      gradFunc: (dy, saved, attrs) => {
        const shapes = saved.map((t) => t.shape);
        const { axis } = attrs;
        const $axis = parseAxisParam(axis, saved[0].shape)[0];
        const sizeSplits = shapes.map((s) => s[$axis]);
        const derTensors = split(dy, sizeSplits, $axis);
        return derTensors.map((t) => () => t);
      }
    };
    function conv2DBackpropFilter_(x, dy, filterShape, strides, pad4, dataFormat = "NHWC", dimRoundingMode) {
      let x4D = x;
      if (x.rank === 3) {
        x4D = reshape(x, [1, x.shape[0], x.shape[1], x.shape[2]]);
      }
      let dy4D = dy;
      if (dy4D.rank === 3) {
        dy4D = reshape(dy, [1, dy.shape[0], dy.shape[1], dy.shape[2]]);
      }
      assert(x4D.rank === 4, () => `Error in conv2dDerFilter: input must be rank 4, but got shape ${x4D.shape}.`);
      assert(dy4D.rank === 4, () => `Error in conv2dDerFilter: dy must be rank 4, but got shape ${dy4D.shape}.`);
      assert(filterShape.length === 4, () => `Error in conv2dDerFilter: filterShape must be length 4, but got ${filterShape}.`);
      const inDepth = dataFormat === "NHWC" ? x4D.shape[3] : x4D.shape[1];
      const outDepth = dataFormat === "NHWC" ? dy4D.shape[3] : dy4D.shape[1];
      assert(inDepth === filterShape[2], () => `Error in conv2dDerFilter: depth of input ${inDepth}) must match input depth in filter (${filterShape[2]}.`);
      assert(outDepth === filterShape[3], () => `Error in conv2dDerFilter: depth of dy (${outDepth}) must match output depth for filter (${filterShape[3]}).`);
      checkPadOnDimRoundingMode("conv2dDerFilter", pad4, dimRoundingMode);
      const inputs = { x: x4D, dy: dy4D };
      const attrs = { strides, pad: pad4, dataFormat, dimRoundingMode, filterShape };
      return ENGINE.runKernel(Conv2DBackpropFilter, inputs, attrs);
    }
    var conv2DBackpropFilter = /* @__PURE__ */ op({ conv2DBackpropFilter_ });
    function conv2DBackpropInput_(xShape, dy, filter, strides, pad4, dataFormat = "NHWC", dimRoundingMode) {
      assert(xShape.length === dy.rank, () => `Length of inShape (${xShape.length}) and rank of dy (${dy.rank}) must match`);
      let xShape4D = xShape;
      let dy4D = dy;
      let reshapedTo4D = false;
      if (dy.rank === 3) {
        reshapedTo4D = true;
        dy4D = reshape(dy, [1, dy.shape[0], dy.shape[1], dy.shape[2]]);
        xShape4D = [1, xShape[0], xShape[1], xShape[2]];
      }
      assert(xShape4D.length === 4, () => `Error in conv2dDerInput: inShape must be length 4, but got length ${xShape4D.length}.`);
      assert(dy4D.rank === 4, () => `Error in conv2dDerInput: dy must be rank 4, but got rank ${dy4D.rank}`);
      assert(filter.rank === 4, () => `Error in conv2dDerInput: filter must be rank 4, but got rank ${filter.rank}`);
      const inDepth = dataFormat === "NHWC" ? xShape4D[3] : xShape4D[1];
      const outDepth = dataFormat === "NHWC" ? dy4D.shape[3] : dy4D.shape[1];
      assert(inDepth === filter.shape[2], () => `Error in conv2dDerInput: depth of input (${inDepth}) must match input depth for filter ${filter.shape[2]}.`);
      assert(outDepth === filter.shape[3], () => `Error in conv2dDerInput: depth of output (${outDepth}) must match output depth for filter ${filter.shape[3]}.`);
      checkPadOnDimRoundingMode("conv2dDerInput", pad4, dimRoundingMode);
      const inputs = { dy: dy4D, filter };
      const attrs = { strides, pad: pad4, dataFormat, dimRoundingMode, inputShape: xShape4D };
      const res = ENGINE.runKernel(Conv2DBackpropInput, inputs, attrs);
      if (reshapedTo4D) {
        return reshape(res, [res.shape[1], res.shape[2], res.shape[3]]);
      }
      return res;
    }
    var conv2DBackpropInput = /* @__PURE__ */ op({ conv2DBackpropInput_ });
    var conv2DGradConfig = {
      kernelName: Conv2D,
      inputsToSave: ["x", "filter"],
      gradFunc: (dy, saved, attrs) => {
        const [x4D, $filter] = saved;
        const { dilations, strides, pad: pad4, dataFormat } = attrs;
        assert(tupleValuesAreOne(dilations), () => `Error in gradient of conv2D: dilation rates greater than 1 are not yet supported in gradients. Got dilations '${dilations}'`);
        return {
          x: () => conv2DBackpropInput(x4D.shape, dy, $filter, strides, pad4, dataFormat),
          filter: () => conv2DBackpropFilter(x4D, dy, $filter.shape, strides, pad4, dataFormat)
        };
      }
    };
    var conv2d = core.conv2d;
    var conv2DBackpropInputGradConfig = {
      kernelName: Conv2DBackpropInput,
      inputsToSave: ["dy", "filter"],
      gradFunc: (ddx, saved, attrs) => {
        const [dy, filter] = saved;
        const { strides, pad: pad4, dataFormat, dimRoundingMode } = attrs;
        return {
          dy: () => conv2d(ddx, filter, strides, pad4, dataFormat, 1, dimRoundingMode),
          filter: () => conv2DBackpropFilter(ddx, dy, filter.shape, strides, pad4, dataFormat, dimRoundingMode)
        };
      }
    };
    function conv3DBackpropFilter_(x, dy, filterShape, strides, pad4) {
      let x5D = x;
      if (x.rank === 4) {
        x5D = reshape(x, [1, x.shape[0], x.shape[1], x.shape[2], x.shape[3]]);
      }
      let dy5D = dy;
      if (dy5D.rank === 4) {
        dy5D = reshape(dy, [1, dy.shape[0], dy.shape[1], dy.shape[2], dy.shape[3]]);
      }
      assert(x5D.rank === 5, () => `Error in conv3dDerFilter: input must be rank 5, but got shape ${x5D.shape}.`);
      assert(dy5D.rank === 5, () => `Error in conv3dDerFilter: dy must be rank 5, but got shape ${dy5D.shape}.`);
      assert(filterShape.length === 5, () => `Error in conv3dDerFilter: filterShape must be length 5, but got ${filterShape}.`);
      assert(x5D.shape[4] === filterShape[3], () => `Error in conv3dDerFilter: depth of input ${x5D.shape[4]}) must match input depth in filter (${filterShape[3]}.`);
      assert(dy5D.shape[4] === filterShape[4], () => `Error in conv3dDerFilter: depth of dy (${dy5D.shape[4]}) must match output depth for filter (${filterShape[4]}).`);
      const inputs = { x: x5D, dy: dy5D };
      const attrs = { strides, pad: pad4, filterShape };
      return ENGINE.runKernel(Conv3DBackpropFilterV2, inputs, attrs);
    }
    var conv3DBackpropFilter = /* @__PURE__ */ op({ conv3DBackpropFilter_ });
    function conv3DBackpropInput_(xShape, dy, filter, strides, pad4) {
      assert(xShape.length === dy.rank, () => `Length of inShape (${xShape.length}) and rank of dy (${dy.rank}) must match`);
      let xShape5D = xShape;
      let dy5D = dy;
      let reshapedTo5D = false;
      if (dy.rank === 4) {
        reshapedTo5D = true;
        dy5D = reshape(dy, [1, dy.shape[0], dy.shape[1], dy.shape[2], dy.shape[3]]);
        xShape5D = [1, xShape[0], xShape[1], xShape[2], xShape[3]];
      }
      const inDepth = xShape5D[4];
      const outDepth = dy5D.shape[4];
      assert(xShape5D.length === 5, () => `Error in conv3dDerInput: inShape must be length 5, but got length ${xShape5D.length}.`);
      assert(dy5D.rank === 5, () => `Error in conv3dDerInput: dy must be rank 5, but got rank ${dy5D.rank}`);
      assert(filter.rank === 5, () => `Error in conv3dDerInput: filter must be rank 5, but got rank ${filter.rank}`);
      assert(inDepth === filter.shape[3], () => `Error in conv3dDerInput: depth of input (${inDepth}) must match input depth for filter ${filter.shape[3]}.`);
      assert(outDepth === filter.shape[4], () => `Error in conv3dDerInput: depth of output (${outDepth}) must match output depth for filter ${filter.shape[4]}.`);
      const inputs = { dy: dy5D, filter };
      const attrs = { pad: pad4, strides, inputShape: xShape5D };
      const res = ENGINE.runKernel(Conv3DBackpropInputV2, inputs, attrs);
      if (reshapedTo5D) {
        return reshape(res, [res.shape[1], res.shape[2], res.shape[3], res.shape[4]]);
      }
      return res;
    }
    var conv3DBackpropInput = /* @__PURE__ */ op({ conv3DBackpropInput_ });
    var conv3DGradConfig = {
      kernelName: Conv3D,
      inputsToSave: ["x", "filter"],
      gradFunc: (dy, saved, attrs) => {
        const { dilations, strides, pad: pad4 } = attrs;
        assert(tupleValuesAreOne(dilations), () => `Error in gradient of conv3D: dilation rates greater than 1 are not yet supported in gradients. Got dilations '${dilations}'`);
        const [x5D, $filter] = saved;
        return {
          x: () => conv3DBackpropInput(x5D.shape, dy, $filter, strides, pad4),
          filter: () => conv3DBackpropFilter(x5D, dy, $filter.shape, strides, pad4)
        };
      }
    };
    var sin = core.sin;
    var cosGradConfig = {
      kernelName: Cos,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => mul(neg(sin(cast(x, "float32"))), dy) };
      }
    };
    var sinh = core.sinh;
    var coshGradConfig = {
      kernelName: Cosh,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => mul(sinh(cast(x, "float32")), dy) };
      }
    };
    var computeOutAndReduceShapes = core.backend_util.computeOutAndReduceShapes;
    var expandShapeToKeepDim = core.backend_util.expandShapeToKeepDim;
    var getAxesPermutation = core.backend_util.getAxesPermutation;
    var getUndoAxesPermutation = core.backend_util.getUndoAxesPermutation;
    var cumsum = core.cumsum;
    var transpose = core.transpose;
    var cumsumGradConfig = {
      kernelName: Cumsum,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const [x] = saved;
        const { axis, exclusive, reverse: reverse4 } = attrs;
        return {
          x: () => {
            const permutation = getAxesPermutation([axis], x.rank);
            let out = cumsum(dy, axis, exclusive, !reverse4);
            if (permutation != null) {
              out = transpose(out, permutation);
            }
            return out;
          }
        };
      }
    };
    function depthwiseConv2dNativeBackpropFilter_(x, dy, filterShape, strides, pad4, dilations = [1, 1], dimRoundingMode) {
      let x4D = x;
      if (x.rank === 3) {
        x4D = reshape(x, [1, x.shape[0], x.shape[1], x.shape[2]]);
      }
      let dy4D = dy;
      if (dy4D.rank === 3) {
        dy4D = reshape(dy, [1, dy.shape[0], dy.shape[1], dy.shape[2]]);
      }
      const inputs = { x: x4D, dy: dy4D };
      const attrs = { strides, pad: pad4, dimRoundingMode, dilations, filterShape };
      return ENGINE.runKernel(DepthwiseConv2dNativeBackpropFilter, inputs, attrs);
    }
    var depthwiseConv2dNativeBackpropFilter = op({ depthwiseConv2dNativeBackpropFilter_ });
    function depthwiseConv2dNativeBackpropInput_(xShape, dy, filter, strides, pad4, dilations = [1, 1], dimRoundingMode) {
      let dy4D = dy;
      let reshapedTo4D = false;
      if (dy.rank === 3) {
        reshapedTo4D = true;
        dy4D = reshape(dy, [1, dy.shape[0], dy.shape[1], dy.shape[2]]);
      }
      const inputs = { dy: dy4D, filter };
      const attrs = { strides, pad: pad4, dimRoundingMode, dilations, inputShape: xShape };
      const res = (
        // tslint:disable-next-line: no-unnecessary-type-assertion
        ENGINE.runKernel(DepthwiseConv2dNativeBackpropInput, inputs, attrs)
      );
      if (reshapedTo4D) {
        return reshape(res, [res.shape[1], res.shape[2], res.shape[3]]);
      }
      return res;
    }
    var depthwiseConv2dNativeBackpropInput = op({ depthwiseConv2dNativeBackpropInput_ });
    var depthwiseConv2dNativeGradConfig = {
      kernelName: DepthwiseConv2dNative,
      inputsToSave: ["x", "filter"],
      gradFunc: (dy, saved, attrs) => {
        const { dilations, strides, pad: pad4, dimRoundingMode } = attrs;
        const $dilations = dilations == null ? [1, 1] : dilations;
        assert(tupleValuesAreOne($dilations), () => `Error in gradient of depthwiseConv2dNative: dilation rates greater than 1 are not yet supported. Got dilations '${$dilations}'`);
        const [x, filter] = saved;
        assert(x.rank === 4, () => `Error in gradient of depthwiseConv2dNative: input must be rank 4, but got rank ${x.rank}.`);
        assert(filter.rank === 4, () => `Error in gradient of depthwiseConv2dNative: filter must be rank 4, but got rank ${filter.rank}.`);
        assert(x.shape[3] === filter.shape[2], () => `Error in gradient of depthwiseConv2d: number of input channels (${x.shape[3]}) must match the inChannels dimension in filter ${filter.shape[2]}.`);
        assert(eitherStridesOrDilationsAreOne(strides, $dilations), () => `Error in gradient of depthwiseConv2d: Either strides or dilations must be  1. Got strides ${strides} and dilations '${$dilations}'.`);
        checkPadOnDimRoundingMode("depthwiseConv2d", pad4, dimRoundingMode);
        return {
          x: () => depthwiseConv2dNativeBackpropInput(x.shape, dy, filter, strides, pad4, $dilations, dimRoundingMode),
          filter: () => depthwiseConv2dNativeBackpropFilter(x, dy, filter.shape, strides, pad4, $dilations, dimRoundingMode)
        };
      }
    };
    var dilation2dGradConfig = {
      kernelName: Dilation2D,
      inputsToSave: ["x", "filter"],
      gradFunc: (dy, saved, attrs) => {
        const [x, filter] = saved;
        const inputInputs = { x, filter, dy };
        const filterInputs = { x, filter, dy };
        return {
          x: () => ENGINE.runKernel(Dilation2DBackpropInput, inputInputs, attrs),
          filter: () => ENGINE.runKernel(Dilation2DBackpropFilter, filterInputs, attrs)
        };
      }
    };
    var eluGradConfig = {
      kernelName: Elu,
      outputsToSave: [true],
      gradFunc: (dy, saved) => {
        const [y] = saved;
        const inputs = { dy, y };
        return { x: () => ENGINE.runKernel(EluGrad, inputs) };
      }
    };
    var exp = core.exp;
    var erfGradConfig = {
      kernelName: Erf,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        const a = mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI));
        return { x: () => mul(dy, a) };
      }
    };
    var expGradConfig = {
      kernelName: Exp,
      outputsToSave: [true],
      gradFunc: (dy, saved) => {
        const [y] = saved;
        return { x: () => mul(dy, y) };
      }
    };
    var expandDimsGradConfig = {
      kernelName: ExpandDims,
      inputsToSave: ["input"],
      gradFunc: (dy, saved) => {
        const [input] = saved;
        return { input: () => reshape(dy, input.shape) };
      }
    };
    var expm1GradConfig = {
      kernelName: Expm1,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => mul(dy, exp(x)) };
      }
    };
    var floorGradConfig = {
      kernelName: Floor,
      gradFunc: (dy) => {
        return { x: () => zerosLike(dy) };
      }
    };
    var floorDivGradConfig = {
      kernelName: FloorDiv,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        const outShape = assertAndGetBroadcastShape(a.shape, b.shape);
        const derA = () => {
          const res = div(dy, cast(b, "float32"));
          const reduceAxes = getReductionAxes(a.shape, outShape);
          if (reduceAxes.length > 0) {
            return reshape(sum(res, reduceAxes), a.shape);
          }
          return res;
        };
        const derB = () => {
          let res = mul(dy, cast(a, "float32"));
          const reduceAxes = getReductionAxes(b.shape, outShape);
          if (reduceAxes.length > 0) {
            res = reshape(sum(res, reduceAxes), b.shape);
          }
          const tmp = square(b);
          return neg(div(res, cast(tmp, "float32")));
        };
        return { a: derA, b: derB };
      }
    };
    var rsqrt = core.rsqrt;
    var tile = core.tile;
    var fusedBatchNormGradConfig = {
      kernelName: FusedBatchNorm,
      inputsToSave: ["x", "mean", "variance", "scale"],
      gradFunc: (dy, saved, attrs) => {
        const { varianceEpsilon } = attrs;
        const [x, mean4, variance, scale] = saved;
        const scaleValue = scale == null ? scalar(1) : scale;
        const reductionAxes = getReductionAxes(mean4.shape, x.shape);
        const tileShape = [];
        if (mean4.rank === 1) {
          for (let i = 0; i < x.shape.length - 1; ++i) {
            tileShape.push(x.shape[i]);
          }
          tileShape.push(1);
        }
        const xMinusMean = sub(x, mean4);
        const dyTimesScaleValue = mul(dy, scaleValue);
        const oneOverSqrtVariance = rsqrt(add(variance, scalar(varianceEpsilon)));
        const minusHalfRCube = mul(mul(mul(oneOverSqrtVariance, oneOverSqrtVariance), oneOverSqrtVariance), scalar(-0.5));
        const derX = () => {
          if (mean4.rank === 1) {
            return reshape(mul(mul(dy, tile(reshape(oneOverSqrtVariance, [1, 1, 1, mean4.shape[0]]), tileShape)), scaleValue), x.shape);
          } else {
            return reshape(mul(mul(dy, oneOverSqrtVariance), scaleValue), x.shape);
          }
        };
        const derMean = () => {
          let meanDer = mul(mul(oneOverSqrtVariance, scalar(-1)), dyTimesScaleValue);
          if (mean4.rank === 1) {
            meanDer = sum(meanDer, reductionAxes);
          }
          return reshape(meanDer, mean4.shape);
        };
        const derVariance = () => {
          let varianceDer = mul(mul(minusHalfRCube, xMinusMean), dyTimesScaleValue);
          if (mean4.rank === 1) {
            varianceDer = sum(varianceDer, reductionAxes);
          }
          return reshape(varianceDer, mean4.shape);
        };
        const derScale = () => {
          const xMinusMean2TimesRsqrt = mul(xMinusMean, oneOverSqrtVariance);
          let scaleDer = mul(dy, xMinusMean2TimesRsqrt);
          if (mean4.rank === 1) {
            scaleDer = sum(scaleDer, reductionAxes);
          }
          return reshape(scaleDer, mean4.shape);
        };
        const derOffset = () => {
          let offsetDer = dy;
          if (mean4.rank === 1) {
            offsetDer = sum(offsetDer, reductionAxes);
          }
          return reshape(offsetDer, mean4.shape);
        };
        return {
          x: derX,
          mean: derMean,
          variance: derVariance,
          scale: derScale,
          offset: derOffset
        };
      }
    };
    var stack = core.stack;
    var unsortedSegmentSum = core.unsortedSegmentSum;
    var gatherGradConfig = {
      kernelName: GatherV2,
      inputsToSave: ["x", "indices"],
      gradFunc: (dy, saved, attrs) => {
        const [x, indices] = saved;
        const { axis, batchDims } = attrs;
        const parsedAxis = parseAxisParam(axis, x.shape)[0];
        const derXBatch = (x2, indices2, dy2) => {
          return () => {
            const paramsShape = x2.shape;
            const indicesSize = indices2.size;
            const outerShape = paramsShape.slice(0, parsedAxis);
            const outerDims = outerShape.length;
            const innerShape = paramsShape.slice(axis, paramsShape.length).slice(1);
            const innerDims = innerShape.length;
            const outerAxesIndices = arrayRange(0, outerDims);
            const innerAxesIndices = arrayRange(outerDims + 1, outerDims + 1 + innerDims);
            const valuesShape = arrayConcat([
              outerShape,
              [indicesSize],
              innerShape
            ]);
            const values = reshape(dy2, valuesShape);
            const reshapedIndices = reshape(indices2, [indicesSize]);
            const transposeDims = arrayConcat([[outerDims], outerAxesIndices, innerAxesIndices]);
            const valuesTranspose = transpose(values, transposeDims);
            let paramsGrad = unsortedSegmentSum(valuesTranspose, reshapedIndices, x2.shape[parsedAxis]);
            const invertTransposeDims = getUndoAxesPermutation(transposeDims);
            paramsGrad = transpose(paramsGrad, invertTransposeDims);
            return paramsGrad;
          };
        };
        if (batchDims === 1) {
          const batchSize = x.shape[0];
          const xBatch = x.split(batchSize, 0);
          const derXBatched = () => {
            const stacked = stack(xBatch.map((x2, i) => {
              return derXBatch(x2, indices.slice(i, 1), dy.slice(i, 1))();
            }));
            return stacked.reshape(x.shape);
          };
          return { x: derXBatched, indices: () => indices };
        } else {
          return { x: derXBatch(x, indices, dy), indices: () => indices };
        }
      }
    };
    function arrayRange(start, stop) {
      const result = [];
      for (let i = start; i < stop; ++i) {
        result.push(i);
      }
      return result;
    }
    function arrayConcat(arrays) {
      const result = [];
      for (let i = 0; i < arrays.length; ++i) {
        for (let j = 0; j < arrays[i].length; ++j) {
          result.push(arrays[i][j]);
        }
      }
      return result;
    }
    var greaterEqualGradConfig = {
      kernelName: GreaterEqual,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        return { a: () => zerosLike(a), b: () => zerosLike(b) };
      }
    };
    var identityGradConfig = {
      kernelName: Identity,
      gradFunc: (dy) => {
        return { x: () => cast(dy, "float32") };
      }
    };
    var isFiniteGradConfig = {
      kernelName: IsFinite,
      gradFunc: (dy) => {
        return { x: () => zerosLike(dy) };
      }
    };
    var isInfGradConfig = {
      kernelName: IsInf,
      gradFunc: (dy) => {
        return { x: () => zerosLike(dy) };
      }
    };
    var isNanGradConfig = {
      kernelName: IsNan,
      gradFunc: (dy) => {
        return { x: () => zerosLike(dy) };
      }
    };
    var greater = core.greater;
    var leakyReluGradConfig = {
      kernelName: LeakyRelu,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const [x] = saved;
        const { alpha } = attrs;
        const mask = greater(x, 0);
        return { x: () => where(mask, dy, mul(dy, alpha)) };
      }
    };
    var log1pGradConfig = {
      kernelName: Log1p,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => div(dy, add(x, 1)) };
      }
    };
    var logGradConfig = {
      kernelName: Log,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => div(dy, cast(x, "float32")) };
      }
    };
    var logSoftmaxGradConfig = {
      kernelName: LogSoftmax,
      inputsToSave: [],
      outputsToSave: [true],
      gradFunc: (dy, saved, attrs) => {
        const [value] = saved;
        const { axis } = attrs;
        return {
          logits: () => {
            const keepDims = true;
            const softmax3 = exp(value);
            return sub(dy, mul(sum(dy, axis, keepDims), softmax3));
          }
        };
      }
    };
    function localResponseNormalizationBackprop_(x, y, dy, depthRadius = 5, bias = 1, alpha = 1, beta = 0.5) {
      const inputs = { x, y, dy };
      const attrs = { depthRadius, bias, alpha, beta };
      return ENGINE.runKernel(LRNGrad, inputs, attrs);
    }
    var localResponseNormalizationBackprop = op({ localResponseNormalizationBackprop_ });
    var lrnGradConfig = {
      kernelName: LRN,
      inputsToSave: ["x"],
      outputsToSave: [true],
      gradFunc: (dy, saved, attrs) => {
        const [x, y] = saved;
        const { depthRadius, bias, alpha, beta } = attrs;
        return {
          x: () => localResponseNormalizationBackprop(x, y, dy, depthRadius, bias, alpha, beta)
        };
      }
    };
    var equal = core.equal;
    function gradForMinAndMax(dy, y, xOrig, origAxes) {
      if (y.rank < xOrig.rank) {
        y = reshape(y, expandShapeToKeepDim(y.shape, origAxes));
      }
      if (dy.rank < xOrig.rank) {
        dy = reshape(dy, expandShapeToKeepDim(dy.shape, origAxes));
      }
      return {
        x: () => {
          const dx = mul(dy, cast(equal(xOrig, y), dy.dtype));
          return dx;
        }
      };
    }
    var maxGradConfig = {
      kernelName: Max,
      inputsToSave: ["x"],
      outputsToSave: [true],
      gradFunc: (dy, saved, attrs) => {
        const maxAttrs = attrs;
        const { reductionIndices } = maxAttrs;
        const x = saved[0];
        const y = saved[1];
        const origAxes = parseAxisParam(reductionIndices, x.shape);
        const maxGrad = gradForMinAndMax(dy, y, x, origAxes);
        return {
          x: () => {
            return maxGrad["x"]();
          }
        };
      }
    };
    var less = core.less;
    var maximumGradConfig = {
      kernelName: Maximum,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        const derA = () => mul(dy, cast(greaterEqual(a, b), "float32"));
        const derB = () => mul(dy, cast(less(a, b), "float32"));
        return { a: derA, b: derB };
      }
    };
    function maxPool3dGrad_(dy, input, output, filterSize, strides, pad4, dimRoundingMode) {
      const $dy = convertToTensor(dy, "dy", "maxPool3dGrad");
      const $input = convertToTensor(input, "input", "maxPool3dGrad");
      const $output = convertToTensor(output, "output", "maxPool3dGrad");
      let dy5D = $dy;
      let input5D = $input;
      let output5D = $output;
      let reshapedTo5D = false;
      if ($input.rank === 4) {
        reshapedTo5D = true;
        dy5D = reshape($dy, [1, $dy.shape[0], $dy.shape[1], $dy.shape[2], $dy.shape[3]]);
        input5D = reshape($input, [
          1,
          $input.shape[0],
          $input.shape[1],
          $input.shape[2],
          $input.shape[3]
        ]);
        output5D = reshape($output, [
          1,
          $output.shape[0],
          $output.shape[1],
          $output.shape[2],
          $output.shape[3]
        ]);
      }
      assert(dy5D.rank === 5, () => `Error in maxPool3dGrad: dy must be rank 5 but got rank ${dy5D.rank}.`);
      assert(input5D.rank === 5, () => `Error in maxPool3dGrad: input must be rank 5 but got rank ${input5D.rank}.`);
      assert(output5D.rank === 5, () => `Error in maxPool3dGrad: output must be rank 5 but got rank ${output5D.rank}.`);
      checkPadOnDimRoundingMode("maxPool3dGrad", pad4, dimRoundingMode);
      const inputs = { dy: dy5D, input: input5D, output: output5D };
      const attrs = { filterSize, strides, pad: pad4, dimRoundingMode };
      const res = ENGINE.runKernel(MaxPool3DGrad, inputs, attrs);
      if (reshapedTo5D) {
        return reshape(res, [res.shape[1], res.shape[2], res.shape[3], res.shape[4]]);
      }
      return res;
    }
    var maxPool3dGrad = /* @__PURE__ */ op({ maxPool3dGrad_ });
    var maxPool3DGradConfig = {
      kernelName: MaxPool3D,
      inputsToSave: ["x"],
      outputsToSave: [true],
      gradFunc: (dy, saved, attrs) => {
        const [x, y] = saved;
        const { filterSize, strides, pad: pad4, dimRoundingMode } = attrs;
        return {
          x: () => maxPool3dGrad(dy, x, y, filterSize, strides, pad4, dimRoundingMode)
        };
      }
    };
    function maxPoolGrad_(dy, input, output, filterSize, strides, pad4, dimRoundingMode) {
      const $dy = convertToTensor(dy, "dy", "maxPoolGrad");
      const $input = convertToTensor(input, "input", "maxPoolGrad");
      const $output = convertToTensor(output, "output", "maxPoolGrad");
      assert($input.rank === $dy.rank, () => `Rank of input (${$input.rank}) does not match rank of dy (${$dy.rank})`);
      assert($dy.rank === 4, () => `Error in maxPoolGrad: dy must be rank 4 but got rank ${$dy.rank}.`);
      assert($input.rank === 4, () => `Error in maxPoolGrad: input must be rank 4 but got rank ${$input.rank}.`);
      checkPadOnDimRoundingMode("maxPoolGrad", pad4, dimRoundingMode);
      const inputs = { dy: $dy, input: $input, output: $output };
      const attrs = { filterSize, strides, pad: pad4, dimRoundingMode };
      return ENGINE.runKernel(MaxPoolGrad, inputs, attrs);
    }
    var maxPoolGrad = /* @__PURE__ */ op({ maxPoolGrad_ });
    var maxPoolGradConfig = {
      kernelName: MaxPool,
      inputsToSave: ["x"],
      outputsToSave: [true],
      gradFunc: (dy, saved, attrs) => {
        const [x, y] = saved;
        const { filterSize, strides, pad: pad4 } = attrs;
        return {
          x: () => maxPoolGrad(dy, x, y, filterSize, strides, pad4)
        };
      }
    };
    var ones = core.ones;
    var meanGradConfig = {
      kernelName: Mean,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const [x] = saved;
        const { axis } = attrs;
        const axes = parseAxisParam(axis, x.shape);
        const shapes = computeOutAndReduceShapes(x.shape, axes);
        const reduceShape = shapes[1];
        const reduceSize = sizeFromShape(reduceShape);
        const derX = () => {
          const expandedDyShape = x.shape.slice();
          axes.forEach((axis2) => {
            expandedDyShape[axis2] = 1;
          });
          const expandedDy = reshape(dy, expandedDyShape);
          const res = div(mul(expandedDy, ones(x.shape, "float32")), reduceSize);
          return res;
        };
        return { x: derX };
      }
    };
    var minGradConfig = {
      kernelName: Min,
      inputsToSave: ["x"],
      outputsToSave: [true],
      gradFunc: (dy, saved, attrs) => {
        const minAttrs = attrs;
        const { axis } = minAttrs;
        const [x, y] = saved;
        const origAxes = parseAxisParam(axis, x.shape);
        const minGrad = gradForMinAndMax(dy, y, x, origAxes);
        return {
          x: () => {
            return minGrad["x"]();
          }
        };
      }
    };
    var minimumGradConfig = {
      kernelName: Minimum,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        const derA = () => mul(dy, cast(lessEqual(a, b), "float32"));
        const derB = () => mul(dy, cast(greater(a, b), "float32"));
        return { a: derA, b: derB };
      }
    };
    var slice = core.slice;
    var mirrorPadGradConfig = {
      kernelName: MirrorPad,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const x = saved[0];
        const { paddings } = attrs;
        const begin = paddings.map((p) => p[0]);
        return { x: () => slice(dy, begin, x.shape) };
      }
    };
    var floor = core.floor;
    var modGradConfig = {
      kernelName: Mod,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        const outShape = assertAndGetBroadcastShape(a.shape, b.shape);
        const derA = () => {
          const reduceAxes = getReductionAxes(a.shape, outShape);
          if (reduceAxes.length > 0) {
            return reshape(sum(dy, reduceAxes), a.shape);
          }
          return dy;
        };
        const derB = () => {
          const res = mul(dy, neg(floor(div(a, b))));
          const reduceAxes = getReductionAxes(b.shape, outShape);
          if (reduceAxes.length > 0) {
            return reshape(sum(res, reduceAxes), b.shape);
          }
          return res;
        };
        return { a: derA, b: derB };
      }
    };
    var multiplyGradConfig = {
      kernelName: Multiply,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        const outShape = assertAndGetBroadcastShape(a.shape, b.shape);
        const derA = () => {
          const res = mul(dy, cast(b, "float32"));
          const reduceAxes = getReductionAxes(a.shape, outShape);
          if (reduceAxes.length > 0) {
            return reshape(sum(res, reduceAxes), a.shape);
          }
          return res;
        };
        const derB = () => {
          const res = mul(dy, cast(a, "float32"));
          const reduceAxes = getReductionAxes(b.shape, outShape);
          if (reduceAxes.length > 0) {
            return reshape(sum(res, reduceAxes), b.shape);
          }
          return res;
        };
        return { a: derA, b: derB };
      }
    };
    var negGradConfig = {
      kernelName: Neg,
      gradFunc: (dy) => {
        return { x: () => neg(dy) };
      }
    };
    var zeros = core.zeros;
    var oneHotGradConfig = {
      kernelName: OneHot,
      inputsToSave: ["indices"],
      gradFunc: (dy, saved) => {
        const indices = saved[0];
        return { indices: () => zeros(indices.shape, "float32") };
      }
    };
    var onesLikeGradConfig = {
      kernelName: OnesLike,
      gradFunc: (dy) => {
        return { x: () => zerosLike(dy) };
      }
    };
    var unstack = core.unstack;
    var packGradConfig = {
      kernelName: Pack,
      saveAllInputs: true,
      gradFunc: (dy, saved, attrs) => {
        const { axis } = attrs;
        const derTensors = unstack(dy, axis);
        return derTensors.map((t) => () => t);
      }
    };
    var padV2GradConfig = {
      kernelName: PadV2,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const x = saved[0];
        const { paddings } = attrs;
        const begin = paddings.map((p) => p[0]);
        return { x: () => slice(dy, begin, x.shape) };
      }
    };
    var log = core.log;
    var pow = core.pow;
    var powGradConfig = {
      kernelName: Pow,
      inputsToSave: ["a", "b"],
      outputsToSave: [true],
      gradFunc: (dy, saved) => {
        const [a, b, y] = saved;
        const base = a;
        const exp4 = b;
        const outShape = assertAndGetBroadcastShape(base.shape, exp4.shape);
        const derBase = () => {
          const expFloat = cast(exp4, "float32");
          let res = mul(dy, mul(expFloat, pow(base, sub(expFloat, scalar(1)))));
          const reduceAxes = getReductionAxes(base.shape, outShape);
          if (reduceAxes.length > 0) {
            res = sum(res, reduceAxes);
          }
          return reshape(res, base.shape);
        };
        const derExp = () => {
          const condition = greater(base, 0);
          const logBase = where(condition, log(base), zerosLike(base));
          let res = mul(dy, mul(y, logBase));
          const reduceAxes = getReductionAxes(exp4.shape, outShape);
          if (reduceAxes.length > 0) {
            res = sum(res, reduceAxes);
          }
          return reshape(res, exp4.shape);
        };
        return { a: derBase, b: derExp };
      }
    };
    var preluGradConfig = {
      kernelName: Prelu,
      inputsToSave: ["x", "alpha"],
      gradFunc: (dy, saved) => {
        const [x, alpha] = saved;
        const mask = greater(x, 0);
        return {
          x: () => where(mask, dy, mul(dy, alpha)),
          alpha: () => {
            let res = where(mask, zerosLike(dy), mul(dy, x));
            const reduceAxes = getReductionAxes(alpha.shape, dy.shape);
            if (reduceAxes.length > 0) {
              res = sum(res, reduceAxes);
            }
            return reshape(res, alpha.shape);
          }
        };
      }
    };
    var ENV = core.ENV;
    var Reduction = core.Reduction;
    var AdadeltaOptimizer = core.AdadeltaOptimizer;
    var AdagradOptimizer = core.AdagradOptimizer;
    var AdamOptimizer = core.AdamOptimizer;
    var AdamaxOptimizer = core.AdamaxOptimizer;
    var DataStorage = core.DataStorage;
    var Environment = core.Environment;
    var KernelBackend = core.KernelBackend;
    var MomentumOptimizer = core.MomentumOptimizer;
    var Optimizer = core.Optimizer;
    var OptimizerConstructors = core.OptimizerConstructors;
    var RMSPropOptimizer = core.RMSPropOptimizer;
    var SGDOptimizer = core.SGDOptimizer;
    var abs = core.abs;
    var acos = core.acos;
    var acosh = core.acosh;
    var addN = core.addN;
    var all = core.all;
    var any = core.any;
    var argMax = core.argMax;
    var argMin = core.argMin;
    var asin = core.asin;
    var asinh = core.asinh;
    var atan = core.atan;
    var atan2 = core.atan2;
    var atanh = core.atanh;
    var avgPool = core.avgPool;
    var avgPool3d = core.avgPool3d;
    var backend = core.backend;
    var backend_util = core.backend_util;
    var basicLSTMCell = core.basicLSTMCell;
    var batchNorm = core.batchNorm;
    var batchNorm2d = core.batchNorm2d;
    var batchNorm3d = core.batchNorm3d;
    var batchNorm4d = core.batchNorm4d;
    var batchToSpaceND = core.batchToSpaceND;
    var bincount = core.bincount;
    var bitwiseAnd = core.bitwiseAnd;
    var booleanMaskAsync = core.booleanMaskAsync;
    var broadcastArgs = core.broadcastArgs;
    var broadcastTo = core.broadcastTo;
    var broadcast_util = core.broadcast_util;
    var browser = core.browser;
    var buffer = core.buffer;
    var ceil = core.ceil;
    var clipByValue = core.clipByValue;
    var clone = core.clone;
    var complex = core.complex;
    var concat = core.concat;
    var concat1d = core.concat1d;
    var concat2d = core.concat2d;
    var concat3d = core.concat3d;
    var concat4d = core.concat4d;
    var conv1d = core.conv1d;
    var conv2dTranspose = core.conv2dTranspose;
    var conv3d = core.conv3d;
    var conv3dTranspose = core.conv3dTranspose;
    var copyRegisteredKernels = core.copyRegisteredKernels;
    var cos = core.cos;
    var cosh = core.cosh;
    var cosineWindow = core.cosineWindow;
    var cumprod = core.cumprod;
    var customGrad = core.customGrad;
    var denseBincount = core.denseBincount;
    var deprecationWarn = core.deprecationWarn;
    var depthToSpace = core.depthToSpace;
    var depthwiseConv2d = core.depthwiseConv2d;
    var device_util = core.device_util;
    var diag = core.diag;
    var dilation2d = core.dilation2d;
    var disableDeprecationWarnings = core.disableDeprecationWarnings;
    var dispose = core.dispose;
    var disposeVariables = core.disposeVariables;
    var divNoNan = core.divNoNan;
    var dot = core.dot;
    var dropout = core.dropout;
    var einsum = core.einsum;
    var elu = core.elu;
    var enableDebugMode = core.enableDebugMode;
    var enableProdMode = core.enableProdMode;
    var enclosingPowerOfTwo = core.enclosingPowerOfTwo;
    var engine = core.engine;
    var ensureShape = core.ensureShape;
    var erf = core.erf;
    var euclideanNorm = core.euclideanNorm;
    var expandDims = core.expandDims;
    var expm1 = core.expm1;
    var eye = core.eye;
    var fft = core.fft;
    var fill = core.fill;
    var findBackend = core.findBackend;
    var findBackendFactory = core.findBackendFactory;
    var floorDiv = core.floorDiv;
    var fused = core.fused;
    var gather = core.gather;
    var gatherND = core.gatherND;
    var gather_util = core.gather_util;
    var getBackend = core.getBackend;
    var getGradient = core.getGradient;
    var getKernel = core.getKernel;
    var getKernelsForBackend = core.getKernelsForBackend;
    var grad = core.grad;
    var grads = core.grads;
    var ifft = core.ifft;
    var imag = core.imag;
    var image = core.image;
    var inTopKAsync = core.inTopKAsync;
    var io = core.io;
    var irfft = core.irfft;
    var isFinite = core.isFinite;
    var isInf = core.isInf;
    var isNaN = core.isNaN;
    var keep = core.keep;
    var kernel_impls = core.kernel_impls;
    var leakyRelu = core.leakyRelu;
    var linalg = core.linalg;
    var linspace = core.linspace;
    var localResponseNormalization = core.localResponseNormalization;
    var log1p = core.log1p;
    var logSigmoid = core.logSigmoid;
    var logSoftmax = core.logSoftmax;
    var logSumExp = core.logSumExp;
    var logicalNot = core.logicalNot;
    var logicalOr = core.logicalOr;
    var logicalXor = core.logicalXor;
    var losses = core.losses;
    var lowerBound = core.lowerBound;
    var math = core.math;
    var max = core.max;
    var maxPool = core.maxPool;
    var maxPool3d = core.maxPool3d;
    var maxPoolWithArgmax = core.maxPoolWithArgmax;
    var maximum = core.maximum;
    var mean = core.mean;
    var memory = core.memory;
    var meshgrid = core.meshgrid;
    var min = core.min;
    var minimum = core.minimum;
    var mirrorPad = core.mirrorPad;
    var mod = core.mod;
    var moments = core.moments;
    var movingAverage = core.movingAverage;
    var multiRNNCell = core.multiRNNCell;
    var multinomial = core.multinomial;
    var nextFrame = core.nextFrame;
    var norm = core.norm;
    var notEqual = core.notEqual;
    var oneHot = core.oneHot;
    var onesLike = core.onesLike;
    var outerProduct = core.outerProduct;
    var pad = core.pad;
    var pad1d = core.pad1d;
    var pad2d = core.pad2d;
    var pad3d = core.pad3d;
    var pad4d = core.pad4d;
    var pool = core.pool;
    var prelu = core.prelu;
    var print = core.print;
    var prod = core.prod;
    var profile = core.profile;
    var raggedGather = core.raggedGather;
    var raggedRange = core.raggedRange;
    var raggedTensorToTensor = core.raggedTensorToTensor;
    var rand = core.rand;
    var randomGamma = core.randomGamma;
    var randomNormal = core.randomNormal;
    var randomStandardNormal = core.randomStandardNormal;
    var randomUniform = core.randomUniform;
    var randomUniformInt = core.randomUniformInt;
    var range = core.range;
    var ready = core.ready;
    var real = core.real;
    var reciprocal = core.reciprocal;
    var registerBackend = core.registerBackend;
    var registerGradient = core.registerGradient;
    var registerKernel = core.registerKernel;
    var relu = core.relu;
    var relu6 = core.relu6;
    var removeBackend = core.removeBackend;
    var reverse = core.reverse;
    var reverse1d = core.reverse1d;
    var reverse2d = core.reverse2d;
    var reverse3d = core.reverse3d;
    var reverse4d = core.reverse4d;
    var rfft = core.rfft;
    var round = core.round;
    var scatterND = core.scatterND;
    var scatter_util = core.scatter_util;
    var searchSorted = core.searchSorted;
    var selu = core.selu;
    var separableConv2d = core.separableConv2d;
    var serialization = core.serialization;
    var setBackend = core.setBackend;
    var setPlatform = core.setPlatform;
    var setdiff1dAsync = core.setdiff1dAsync;
    var sigmoid = core.sigmoid;
    var sign = core.sign;
    var signal = core.signal;
    var slice1d = core.slice1d;
    var slice2d = core.slice2d;
    var slice3d = core.slice3d;
    var slice4d = core.slice4d;
    var slice_util = core.slice_util;
    var softmax = core.softmax;
    var softplus = core.softplus;
    var sparse = core.sparse;
    var sparseToDense = core.sparseToDense;
    var spectral = core.spectral;
    var squaredDifference = core.squaredDifference;
    var squeeze = core.squeeze;
    var stridedSlice = core.stridedSlice;
    var string = core.string;
    var sumOutType = core.sumOutType;
    var tan = core.tan;
    var tensor = core.tensor;
    var tensor1d = core.tensor1d;
    var tensor2d = core.tensor2d;
    var tensor3d = core.tensor3d;
    var tensor4d = core.tensor4d;
    var tensor5d = core.tensor5d;
    var tensor6d = core.tensor6d;
    var tensorScatterUpdate = core.tensorScatterUpdate;
    var tensor_util = core.tensor_util;
    var test_util = core.test_util;
    var tidy = core.tidy;
    var time = core.time;
    var topk = core.topk;
    var train = core.train;
    var truncatedNormal = core.truncatedNormal;
    var unique = core.unique;
    var unregisterGradient = core.unregisterGradient;
    var unregisterKernel = core.unregisterKernel;
    var upcastType = core.upcastType;
    var upperBound = core.upperBound;
    var util = core.util;
    var valueAndGrad = core.valueAndGrad;
    var valueAndGrads = core.valueAndGrads;
    var variable = core.variable;
    var variableGrads = core.variableGrads;
    var version_core = core.version_core;
    var whereAsync = core.whereAsync;
    var cumprod2 = core.cumprod;
    function prodGradFn_(x, dy, axis) {
      const expandedYShape = x.shape.slice();
      expandedYShape[axis] = 1;
      const expandedDy = reshape(dy, expandedYShape);
      const xCumProd = cumprod2(x, axis, true, false);
      const xCumRevProd = cumprod2(x, axis, true, true);
      const dx = mul(xCumProd, xCumRevProd);
      return mul(expandedDy, dx);
    }
    function prodsGradFn_(x, dy, axis) {
      const xRank = x.shape.length;
      const finalProdAxis = xRank - axis.length;
      const xPermutation = backend_util.getAxesPermutation(axis, xRank);
      let permutedX = x;
      if (xPermutation != null) {
        permutedX = transpose(x, xPermutation);
      }
      const newShape = permutedX.shape.slice();
      const removedShape = newShape.splice(xRank - axis.length, axis.length);
      const endPartShape = removedShape.reduce((p, c) => p * c, 1);
      newShape.push(endPartShape);
      const reshapedPermutedX = permutedX.reshape(newShape);
      let prodGrad = prodGradFn_(reshapedPermutedX, dy, finalProdAxis);
      prodGrad = prodGrad.reshape(permutedX.shape);
      if (xPermutation != null) {
        const undoPermutation = backend_util.getUndoAxesPermutation(xPermutation);
        prodGrad = transpose(prodGrad, undoPermutation);
      }
      return prodGrad;
    }
    var prodGradConfig = {
      kernelName: Prod,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const [x] = saved;
        const { axis } = attrs;
        let axisArr = [];
        if (axis === void 0 || axis === null) {
          axisArr = x.shape.map((_, i) => i);
        } else if (typeof axis === "number") {
          axisArr = [axis];
        } else {
          axisArr = axis;
        }
        return { x: () => prodsGradFn_(x, dy, axisArr) };
      }
    };
    var divGradConfig = {
      kernelName: RealDiv,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        const outShape = assertAndGetBroadcastShape(a.shape, b.shape);
        const derA = () => {
          const res = div(dy, cast(b, "float32"));
          const reduceAxes = getReductionAxes(a.shape, outShape);
          if (reduceAxes.length > 0) {
            return reshape(sum(res, reduceAxes), a.shape);
          }
          return res;
        };
        const derB = () => {
          let res = mul(dy, cast(a, "float32"));
          const reduceAxes = getReductionAxes(b.shape, outShape);
          if (reduceAxes.length > 0) {
            res = reshape(sum(res, reduceAxes), b.shape);
          }
          const tmp = square(b);
          return neg(div(res, cast(tmp, "float32")));
        };
        return { a: derA, b: derB };
      }
    };
    var reciprocalGradConfig = {
      kernelName: Reciprocal,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => div(dy, neg(square(x))) };
      }
    };
    var relu6GradConfig = {
      kernelName: Relu6,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        const mask = mul(lessEqual(x, 6), step(x));
        return { x: () => mul(dy, cast(mask, "float32")) };
      }
    };
    var reluGradConfig = {
      kernelName: Relu,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => mul(dy, cast(step(x), "float32")) };
      }
    };
    var reshapeGradConfig = {
      kernelName: Reshape,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => reshape(dy, x.shape) };
      }
    };
    var resizeBilinearGradConfig = {
      kernelName: ResizeBilinear,
      inputsToSave: ["images"],
      gradFunc: (dy, saved, attrs) => {
        const [images] = saved;
        const inputs = { dy, images };
        const imagesDer = () => (
          // tslint:disable-next-line: no-unnecessary-type-assertion
          ENGINE.runKernel(ResizeBilinearGrad, inputs, attrs)
        );
        return { images: imagesDer };
      }
    };
    var resizeNearestNeighborGradConfig = {
      kernelName: ResizeNearestNeighbor,
      inputsToSave: ["images"],
      gradFunc: (dy, saved, attrs) => {
        const [images] = saved;
        const inputs = { dy, images };
        const imagesDer = () => (
          // tslint:disable-next-line: no-unnecessary-type-assertion
          ENGINE.runKernel(ResizeNearestNeighborGrad, inputs, attrs)
        );
        return { images: imagesDer };
      }
    };
    var reverse2 = core.reverse;
    var reverseGradConfig = {
      kernelName: Reverse,
      gradFunc: (dy, saved, attrs) => {
        const { dims } = attrs;
        const axes = parseAxisParam(dims, dy.shape);
        return { x: () => reverse2(dy, axes) };
      }
    };
    var roundGradConfig = {
      kernelName: Round,
      gradFunc: (dy) => {
        return { x: () => zerosLike(dy) };
      }
    };
    var rsqrtGradConfig = {
      kernelName: Rsqrt,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => neg(div(dy, mul(pow(x, 1.5), 2))) };
      }
    };
    var logicalNot2 = core.logicalNot;
    var selectGradConfig = {
      kernelName: Select,
      inputsToSave: ["condition"],
      gradFunc: (dy, saved) => {
        const [condition] = saved;
        return {
          // TODO(julianoks): Return null for condition gradient
          // when backprop supports it.
          condition: () => cast(zerosLike(condition), "float32"),
          t: () => mul(dy, cast(condition, dy.dtype)),
          e: () => mul(dy, cast(logicalNot2(condition), dy.dtype))
        };
      }
    };
    var SELU_SCALEALPHA = core.backend_util.SELU_SCALEALPHA;
    var SELU_SCALE = core.backend_util.SELU_SCALE;
    var seluGradConfig = {
      kernelName: Selu,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return {
          x: () => {
            const mask = greater(x, scalar(0));
            const scaleAlpha = scalar(SELU_SCALEALPHA);
            const scale = scalar(SELU_SCALE);
            const greaterThanZeroDer = mul(dy, scale);
            const lessEqualZeroDer = mul(mul(dy, scaleAlpha), exp(cast(x, "float32")));
            return where(mask, greaterThanZeroDer, lessEqualZeroDer);
          }
        };
      }
    };
    var sigmoidGradConfig = {
      kernelName: Sigmoid,
      outputsToSave: [true],
      gradFunc: (dy, saved) => {
        const [y] = saved;
        return { x: () => mul(dy, mul(y, sub(scalar(1), y))) };
      }
    };
    var signGradConfig = {
      kernelName: Sign,
      gradFunc: (dy) => {
        return { x: () => zerosLike(dy) };
      }
    };
    var cos2 = core.cos;
    var sinGradConfig = {
      kernelName: Sin,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => mul(cos2(cast(x, "float32")), dy) };
      }
    };
    var cosh2 = core.cosh;
    var sinhGradConfig = {
      kernelName: Sinh,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => mul(cosh2(cast(x, "float32")), dy) };
      }
    };
    var pad2 = core.pad;
    var parseSliceParams = core.slice_util.parseSliceParams;
    var sliceGradConfig = {
      kernelName: Slice,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const [x] = saved;
        const { begin, size } = attrs;
        const inputShape = x.shape;
        const [begin_, size_] = parseSliceParams(x, begin, size);
        const paddings = [];
        for (let i = 0; i < dy.rank; i++) {
          paddings.push([begin_[i], inputShape[i] - begin_[i] - size_[i]]);
        }
        return { x: () => pad2(dy, paddings) };
      }
    };
    var softmaxGradConfig = {
      kernelName: Softmax,
      outputsToSave: [true],
      gradFunc: (dy, saved, attrs) => {
        const [y] = saved;
        const { dim } = attrs;
        const keepDims = true;
        const dyTimesY = mul(dy, y);
        return {
          logits: () => sub(dyTimesY, mul(sum(dyTimesY, [dim], keepDims), y))
        };
      }
    };
    var sigmoid2 = core.sigmoid;
    var softplusGradConfig = {
      kernelName: Softplus,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => mul(dy, sigmoid2(x)) };
      }
    };
    var batchToSpaceND2 = core.batchToSpaceND;
    var spaceToBatchNDGradConfig = {
      kernelName: SpaceToBatchND,
      gradFunc: (dy, saved, attrs) => {
        const { blockShape, paddings } = attrs;
        return { x: () => batchToSpaceND2(dy, blockShape, paddings) };
      }
    };
    var concat2 = core.concat;
    var splitVGradConfig = {
      kernelName: SplitV,
      gradFunc: (dy, saved, attrs) => {
        const { axis } = attrs;
        return { x: () => concat2(dy, axis) };
      }
    };
    var sqrtGradConfig = {
      kernelName: Sqrt,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => div(dy, mul(sqrt(cast(x, "float32")), 2)) };
      }
    };
    var squareGradConfig = {
      kernelName: Square,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => mul(dy, mul(cast(x, "float32"), 2)) };
      }
    };
    var squaredDifferenceGradConfig = {
      kernelName: SquaredDifference,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        const two = scalar(2);
        const derA = () => mul(dy, mul(two, sub(a, b)));
        const derB = () => mul(dy, mul(two, sub(b, a)));
        return { a: derA, b: derB };
      }
    };
    var stepGradConfig = {
      kernelName: Step,
      gradFunc: (dy) => {
        return { x: () => zerosLike(dy) };
      }
    };
    var subGradConfig = {
      kernelName: Sub,
      inputsToSave: ["a", "b"],
      gradFunc: (dy, saved) => {
        const [a, b] = saved;
        const outShape = assertAndGetBroadcastShape(a.shape, b.shape);
        const derA = () => {
          let res = dy;
          const reduceAxes = getReductionAxes(a.shape, outShape);
          if (reduceAxes.length > 0) {
            res = sum(res, reduceAxes);
          }
          return reshape(res, a.shape);
        };
        const derB = () => {
          let res = dy;
          const reduceAxes = getReductionAxes(b.shape, outShape);
          if (reduceAxes.length > 0) {
            res = sum(res, reduceAxes);
          }
          return reshape(neg(res), b.shape);
        };
        return { a: derA, b: derB };
      }
    };
    var sumGradConfig = {
      kernelName: Sum,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const [x] = saved;
        const expandedDyShape = x.shape.slice();
        const { axis } = attrs;
        const axes = parseAxisParam(axis, x.shape);
        axes.forEach((axis2) => {
          expandedDyShape[axis2] = 1;
        });
        const expandedDy = reshape(dy, expandedDyShape);
        const derX = mul(expandedDy, ones(x.shape, "float32"));
        return { x: () => derX };
      }
    };
    var tanGradConfig = {
      kernelName: Tan,
      inputsToSave: ["x"],
      gradFunc: (dy, saved) => {
        const [x] = saved;
        return { x: () => div(dy, square(cos2(x))) };
      }
    };
    var tanhGradConfig = {
      kernelName: Tanh,
      outputsToSave: [true],
      gradFunc: (dy, saved) => {
        const [y] = saved;
        return { x: () => mul(sub(scalar(1), square(y)), dy) };
      }
    };
    var tileGradConfig = {
      kernelName: Tile,
      inputsToSave: ["x"],
      gradFunc: (dy, saved, attrs) => {
        const [x] = saved;
        const { reps } = attrs;
        const derX = () => {
          let xGrad = zerosLike(x);
          if (x.rank === 1) {
            for (let i = 0; i < reps[0]; ++i) {
              xGrad = add(xGrad, slice(dy, [i * x.shape[0]], [x.shape[0]]));
            }
          } else if (x.rank === 2) {
            for (let i = 0; i < reps[0]; ++i) {
              for (let j = 0; j < reps[1]; ++j) {
                xGrad = add(xGrad, slice(dy, [i * x.shape[0], j * x.shape[1]], [
                  x.shape[0],
                  x.shape[1]
                ]));
              }
            }
          } else if (x.rank === 3) {
            for (let i = 0; i < reps[0]; ++i) {
              for (let j = 0; j < reps[1]; ++j) {
                for (let k = 0; k < reps[2]; ++k) {
                  xGrad = add(xGrad, slice(dy, [i * x.shape[0], j * x.shape[1], k * x.shape[2]], [x.shape[0], x.shape[1], x.shape[2]]));
                }
              }
            }
          } else if (x.rank === 4) {
            for (let i = 0; i < reps[0]; ++i) {
              for (let j = 0; j < reps[1]; ++j) {
                for (let k = 0; k < reps[2]; ++k) {
                  for (let l = 0; l < reps[3]; ++l) {
                    xGrad = add(xGrad, slice(dy, [
                      i * x.shape[0],
                      j * x.shape[1],
                      k * x.shape[2],
                      l * x.shape[3]
                    ], [x.shape[0], x.shape[1], x.shape[2], x.shape[3]]));
                  }
                }
              }
            }
          } else {
            throw new Error(`Gradient for tile operation is not implemented for rank-${x.rank} tensors yet.`);
          }
          return xGrad;
        };
        return { x: derX };
      }
    };
    var transposeGradConfig = {
      kernelName: Transpose,
      gradFunc: (dy, saved, attrs) => {
        const transposeAttrs = attrs;
        const { perm } = transposeAttrs;
        const undoPerm = getUndoAxesPermutation(perm);
        return { x: () => transpose(dy, undoPerm) };
      }
    };
    var unpackGradConfig = {
      kernelName: Unpack,
      gradFunc: (dy, saved, attrs) => {
        const unpackAttrs = attrs;
        const { axis } = unpackAttrs;
        return { value: () => stack(dy, axis) };
      }
    };
    var expandDims2 = core.expandDims;
    var gather2 = core.gather;
    var maximum2 = core.maximum;
    var unsortedSegmentSumGradConfig = {
      kernelName: UnsortedSegmentSum,
      inputsToSave: ["segmentIds"],
      gradFunc: (dy, saved) => {
        const [segmentIds] = saved;
        const derX = () => {
          return gatherDropNegatives(dy, segmentIds);
        };
        return { x: derX };
      }
    };
    function gatherDropNegatives(x, indices) {
      const zeroClippedIndices = maximum2(indices, zerosLike(indices));
      const gathered = gather2(x, zeroClippedIndices);
      let isPositive = greaterEqual(indices, scalar(0, "int32"));
      const numIters = gathered.rank - isPositive.rank;
      for (let i = 0; i < numIters; ++i) {
        isPositive = expandDims2(isPositive, i + 1);
      }
      isPositive = logicalAnd(isPositive, ones(gathered.shape, "bool"));
      const zeroSlice = zerosLike(gathered);
      return where(isPositive, gathered, zeroSlice);
    }
    var zerosLikeGradConfig = {
      kernelName: ZerosLike,
      gradFunc: (dy) => {
        return { x: () => zerosLike(dy) };
      }
    };
    var registerGradient2 = core.registerGradient;
    var gradConfigs = [
      absGradConfig,
      acosGradConfig,
      acoshGradConfig,
      addGradConfig,
      addNGradConfig,
      argMaxGradConfig,
      argMinGradConfig,
      asinGradConfig,
      asinhGradConfig,
      atan2GradConfig,
      atanGradConfig,
      atanhGradConfig,
      avgPool3DGradConfig,
      avgPoolGradConfig,
      batchMatMulGradConfig,
      batchToSpaceNDGradConfig,
      broadcastToGradConfig,
      castGradConfig,
      ceilGradConfig,
      clipByValueGradConfig,
      complexAbsGradConfig,
      concatGradConfig,
      conv2DBackpropInputGradConfig,
      conv2DGradConfig,
      conv3DGradConfig,
      cosGradConfig,
      coshGradConfig,
      cumsumGradConfig,
      depthwiseConv2dNativeGradConfig,
      dilation2dGradConfig,
      divGradConfig,
      eluGradConfig,
      erfGradConfig,
      expGradConfig,
      expandDimsGradConfig,
      expm1GradConfig,
      floorDivGradConfig,
      floorGradConfig,
      fusedBatchNormGradConfig,
      gatherGradConfig,
      greaterEqualGradConfig,
      identityGradConfig,
      isFiniteGradConfig,
      isInfGradConfig,
      isNanGradConfig,
      leakyReluGradConfig,
      log1pGradConfig,
      logGradConfig,
      logSoftmaxGradConfig,
      lrnGradConfig,
      maxGradConfig,
      maxGradConfig,
      maximumGradConfig,
      maxPool3DGradConfig,
      maxPoolGradConfig,
      meanGradConfig,
      minGradConfig,
      minimumGradConfig,
      mirrorPadGradConfig,
      modGradConfig,
      multiplyGradConfig,
      negGradConfig,
      oneHotGradConfig,
      onesLikeGradConfig,
      packGradConfig,
      padV2GradConfig,
      padV2GradConfig,
      powGradConfig,
      preluGradConfig,
      prodGradConfig,
      reciprocalGradConfig,
      relu6GradConfig,
      reluGradConfig,
      reshapeGradConfig,
      resizeBilinearGradConfig,
      resizeNearestNeighborGradConfig,
      reverseGradConfig,
      roundGradConfig,
      rsqrtGradConfig,
      selectGradConfig,
      seluGradConfig,
      sigmoidGradConfig,
      signGradConfig,
      sinGradConfig,
      sinhGradConfig,
      sliceGradConfig,
      softmaxGradConfig,
      softplusGradConfig,
      spaceToBatchNDGradConfig,
      spaceToBatchNDGradConfig,
      splitVGradConfig,
      splitVGradConfig,
      sqrtGradConfig,
      squaredDifferenceGradConfig,
      squareGradConfig,
      stepGradConfig,
      subGradConfig,
      sumGradConfig,
      tanGradConfig,
      tanhGradConfig,
      tileGradConfig,
      transposeGradConfig,
      unpackGradConfig,
      unsortedSegmentSumGradConfig,
      zerosLikeGradConfig
    ];
    for (const gradientConfig of gradConfigs) {
      registerGradient2(gradientConfig);
    }
    var abs2 = core.abs;
    var acos2 = core.acos;
    var acosh2 = core.acosh;
    var asin2 = core.asin;
    var asinh2 = core.asinh;
    var atan3 = core.atan;
    var atanh2 = core.atanh;
    var cast3 = core.cast;
    var ceil2 = core.ceil;
    var clipByValue2 = core.clipByValue;
    var cos3 = core.cos;
    var cosh3 = core.cosh;
    var erf2 = core.erf;
    var exp3 = core.exp;
    var expm12 = core.expm1;
    var fft2 = core.fft;
    var floor3 = core.floor;
    var ifft2 = core.ifft;
    var irfft2 = core.irfft;
    var isFinite2 = core.isFinite;
    var isInf2 = core.isInf;
    var isNaN2 = core.isNaN;
    var log3 = core.log;
    var log1p2 = core.log1p;
    var logSigmoid2 = core.logSigmoid;
    var logSoftmax2 = core.logSoftmax;
    var neg3 = core.neg;
    var norm2 = core.norm;
    var onesLike2 = core.onesLike;
    var reciprocal2 = core.reciprocal;
    var rfft2 = core.rfft;
    var round2 = core.round;
    var rsqrt3 = core.rsqrt;
    var sigmoid3 = core.sigmoid;
    var sign2 = core.sign;
    var sin3 = core.sin;
    var sinh3 = core.sinh;
    var slice3 = core.slice;
    var softmax2 = core.softmax;
    var softplus2 = core.softplus;
    var sqrt3 = core.sqrt;
    var square3 = core.square;
    var step3 = core.step;
    var stridedSlice2 = core.stridedSlice;
    var tan2 = core.tan;
    var tanh3 = core.tanh;
    var zerosLike3 = core.zerosLike;
    getGlobalTensorClass().prototype.abs = function() {
      this.throwIfDisposed();
      return abs2(this);
    };
    getGlobalTensorClass().prototype.acos = function() {
      this.throwIfDisposed();
      return acos2(this);
    };
    getGlobalTensorClass().prototype.acosh = function() {
      this.throwIfDisposed();
      return acosh2(this);
    };
    getGlobalTensorClass().prototype.add = function(b) {
      this.throwIfDisposed();
      return add(this, b);
    };
    var all3 = core.all;
    getGlobalTensorClass().prototype.all = function(axis, keepDims) {
      this.throwIfDisposed();
      return all3(this, axis, keepDims);
    };
    var any3 = core.any;
    getGlobalTensorClass().prototype.any = function(axis, keepDims) {
      this.throwIfDisposed();
      return any3(this, axis, keepDims);
    };
    var argMax3 = core.argMax;
    getGlobalTensorClass().prototype.argMax = function(axis) {
      this.throwIfDisposed();
      return argMax3(this, axis);
    };
    var argMin3 = core.argMin;
    getGlobalTensorClass().prototype.argMin = function(axis) {
      this.throwIfDisposed();
      return argMin3(this, axis);
    };
    getGlobalTensorClass().prototype.asScalar = function() {
      this.throwIfDisposed();
      assert(this.size === 1, () => "The array must have only 1 element.");
      return reshape(this, []);
    };
    getGlobalTensorClass().prototype.asType = function(dtype) {
      this.throwIfDisposed();
      return cast3(this, dtype);
    };
    getGlobalTensorClass().prototype.as1D = function() {
      this.throwIfDisposed();
      return reshape(this, [this.size]);
    };
    getGlobalTensorClass().prototype.as2D = function(rows, columns) {
      this.throwIfDisposed();
      return reshape(this, [rows, columns]);
    };
    getGlobalTensorClass().prototype.as3D = function(rows, columns, depth) {
      this.throwIfDisposed();
      return reshape(this, [rows, columns, depth]);
    };
    getGlobalTensorClass().prototype.as4D = function(rows, columns, depth, depth2) {
      this.throwIfDisposed();
      return reshape(this, [rows, columns, depth, depth2]);
    };
    getGlobalTensorClass().prototype.as5D = function(rows, columns, depth, depth2, depth3) {
      this.throwIfDisposed();
      return reshape(this, [rows, columns, depth, depth2, depth3]);
    };
    getGlobalTensorClass().prototype.asin = function() {
      this.throwIfDisposed();
      return asin2(this);
    };
    getGlobalTensorClass().prototype.asinh = function() {
      this.throwIfDisposed();
      return asinh2(this);
    };
    getGlobalTensorClass().prototype.atan = function() {
      this.throwIfDisposed();
      return atan3(this);
    };
    var atan23 = core.atan2;
    getGlobalTensorClass().prototype.atan2 = function(b) {
      this.throwIfDisposed();
      return atan23(this, b);
    };
    getGlobalTensorClass().prototype.atanh = function() {
      this.throwIfDisposed();
      return atanh2(this);
    };
    var avgPool3 = core.avgPool;
    getGlobalTensorClass().prototype.avgPool = function(filterSize, strides, pad4, dimRoundingMode) {
      this.throwIfDisposed();
      return avgPool3(this, filterSize, strides, pad4, dimRoundingMode);
    };
    getGlobalTensorClass().prototype.batchToSpaceND = function(blockShape, crops) {
      this.throwIfDisposed();
      return batchToSpaceND2(this, blockShape, crops);
    };
    var batchNorm3 = core.batchNorm;
    getGlobalTensorClass().prototype.batchNorm = function(mean4, variance, offset, scale, varianceEpsilon) {
      this.throwIfDisposed();
      return batchNorm3(this, mean4, variance, offset, scale, varianceEpsilon);
    };
    var broadcastTo3 = core.broadcastTo;
    getGlobalTensorClass().prototype.broadcastTo = function(shape) {
      this.throwIfDisposed();
      return broadcastTo3(this, shape);
    };
    getGlobalTensorClass().prototype.cast = function(dtype) {
      this.throwIfDisposed();
      return cast3(this, dtype);
    };
    getGlobalTensorClass().prototype.ceil = function() {
      this.throwIfDisposed();
      return ceil2(this);
    };
    getGlobalTensorClass().prototype.clipByValue = function(min4, max4) {
      this.throwIfDisposed();
      return clipByValue2(this, min4, max4);
    };
    getGlobalTensorClass().prototype.concat = function(x, axis) {
      this.throwIfDisposed();
      if (x instanceof TensorClass) {
        x = [x];
      }
      return concat2([this, ...x], axis);
    };
    var conv1d3 = core.conv1d;
    getGlobalTensorClass().prototype.conv1d = function(filter, stride, pad4, dataFormat, dilation, dimRoundingMode) {
      this.throwIfDisposed();
      return conv1d3(this, filter, stride, pad4, dataFormat, dilation, dimRoundingMode);
    };
    var conv2dTranspose3 = core.conv2dTranspose;
    getGlobalTensorClass().prototype.conv2dTranspose = function(filter, outputShape, strides, pad4, dimRoundingMode) {
      this.throwIfDisposed();
      return conv2dTranspose3(this, filter, outputShape, strides, pad4, dimRoundingMode);
    };
    getGlobalTensorClass().prototype.conv2d = function(filter, strides, pad4, dataFormat, dilations, dimRoundingMode) {
      this.throwIfDisposed();
      return conv2d(this, filter, strides, pad4, dataFormat, dilations, dimRoundingMode);
    };
    getGlobalTensorClass().prototype.cos = function() {
      this.throwIfDisposed();
      return cos3(this);
    };
    getGlobalTensorClass().prototype.cosh = function() {
      this.throwIfDisposed();
      return cosh3(this);
    };
    getGlobalTensorClass().prototype.cumprod = function(axis, exclusive, reverse4) {
      this.throwIfDisposed();
      return cumprod2(this, axis, exclusive, reverse4);
    };
    getGlobalTensorClass().prototype.cumsum = function(axis, exclusive, reverse4) {
      this.throwIfDisposed();
      return cumsum(this, axis, exclusive, reverse4);
    };
    var depthToSpace3 = core.depthToSpace;
    getGlobalTensorClass().prototype.depthToSpace = function(blockSize, dataFormat) {
      this.throwIfDisposed();
      return depthToSpace3(this, blockSize, dataFormat);
    };
    var depthwiseConv2d3 = core.depthwiseConv2d;
    getGlobalTensorClass().prototype.depthwiseConv2d = function(filter, strides, pad4, dataFormat, dilations, dimRoundingMode) {
      this.throwIfDisposed();
      return depthwiseConv2d3(this, filter, strides, pad4, dataFormat, dilations, dimRoundingMode);
    };
    var dilation2d3 = core.dilation2d;
    getGlobalTensorClass().prototype.dilation2d = function(filter, strides, pad4, dilations, dataFormat) {
      this.throwIfDisposed();
      return dilation2d3(this, filter, strides, pad4, dilations, dataFormat);
    };
    var divNoNan3 = core.divNoNan;
    getGlobalTensorClass().prototype.divNoNan = function(b) {
      this.throwIfDisposed();
      return divNoNan3(this, b);
    };
    getGlobalTensorClass().prototype.div = function(b) {
      this.throwIfDisposed();
      return div(this, b);
    };
    var dot3 = core.dot;
    getGlobalTensorClass().prototype.dot = function(b) {
      this.throwIfDisposed();
      return dot3(this, b);
    };
    var elu3 = core.elu;
    getGlobalTensorClass().prototype.elu = function() {
      this.throwIfDisposed();
      return elu3(this);
    };
    getGlobalTensorClass().prototype.equal = function(b) {
      this.throwIfDisposed();
      return equal(this, b);
    };
    getGlobalTensorClass().prototype.erf = function() {
      this.throwIfDisposed();
      return erf2(this);
    };
    var euclideanNorm3 = core.euclideanNorm;
    getGlobalTensorClass().prototype.euclideanNorm = function(axis, keepDims) {
      this.throwIfDisposed();
      return euclideanNorm3(this, axis, keepDims);
    };
    getGlobalTensorClass().prototype.exp = function() {
      this.throwIfDisposed();
      return exp3(this);
    };
    getGlobalTensorClass().prototype.expandDims = function(axis) {
      this.throwIfDisposed();
      return expandDims2(this, axis);
    };
    getGlobalTensorClass().prototype.expm1 = function() {
      this.throwIfDisposed();
      return expm12(this);
    };
    getGlobalTensorClass().prototype.fft = function() {
      this.throwIfDisposed();
      return fft2(this);
    };
    getGlobalTensorClass().prototype.flatten = function() {
      this.throwIfDisposed();
      return reshape(this, [this.size]);
    };
    getGlobalTensorClass().prototype.floor = function() {
      this.throwIfDisposed();
      return floor3(this);
    };
    var floorDiv3 = core.floorDiv;
    getGlobalTensorClass().prototype.floorDiv = function(b) {
      this.throwIfDisposed();
      return floorDiv3(this, b);
    };
    getGlobalTensorClass().prototype.gather = function(indices, axis, batchDims) {
      this.throwIfDisposed();
      return gather2(this, indices, axis, batchDims);
    };
    getGlobalTensorClass().prototype.greaterEqual = function(b) {
      this.throwIfDisposed();
      return greaterEqual(this, b);
    };
    getGlobalTensorClass().prototype.greater = function(b) {
      this.throwIfDisposed();
      return greater(this, b);
    };
    getGlobalTensorClass().prototype.ifft = function() {
      this.throwIfDisposed();
      return ifft2(this);
    };
    getGlobalTensorClass().prototype.irfft = function() {
      this.throwIfDisposed();
      return irfft2(this);
    };
    getGlobalTensorClass().prototype.isFinite = function() {
      this.throwIfDisposed();
      return isFinite2(this);
    };
    getGlobalTensorClass().prototype.isInf = function() {
      this.throwIfDisposed();
      return isInf2(this);
    };
    getGlobalTensorClass().prototype.isNaN = function() {
      this.throwIfDisposed();
      return isNaN2(this);
    };
    var leakyRelu3 = core.leakyRelu;
    getGlobalTensorClass().prototype.leakyRelu = function(alpha) {
      this.throwIfDisposed();
      return leakyRelu3(this, alpha);
    };
    getGlobalTensorClass().prototype.lessEqual = function(b) {
      this.throwIfDisposed();
      return lessEqual(this, b);
    };
    getGlobalTensorClass().prototype.less = function(b) {
      this.throwIfDisposed();
      return less(this, b);
    };
    var localResponseNormalization3 = core.localResponseNormalization;
    getGlobalTensorClass().prototype.localResponseNormalization = function(depthRadius, bias, alpha, beta) {
      this.throwIfDisposed();
      return localResponseNormalization3(this, depthRadius, bias, alpha, beta);
    };
    getGlobalTensorClass().prototype.logSigmoid = function() {
      this.throwIfDisposed();
      return logSigmoid2(this);
    };
    getGlobalTensorClass().prototype.logSoftmax = function(axis) {
      this.throwIfDisposed();
      return logSoftmax2(this, axis);
    };
    var logSumExp3 = core.logSumExp;
    getGlobalTensorClass().prototype.logSumExp = function(axis, keepDims) {
      this.throwIfDisposed();
      return logSumExp3(this, axis, keepDims);
    };
    getGlobalTensorClass().prototype.log = function() {
      this.throwIfDisposed();
      return log3(this);
    };
    getGlobalTensorClass().prototype.log1p = function() {
      this.throwIfDisposed();
      return log1p2(this);
    };
    getGlobalTensorClass().prototype.logicalAnd = function(b) {
      this.throwIfDisposed();
      return logicalAnd(this, b);
    };
    getGlobalTensorClass().prototype.logicalNot = function() {
      this.throwIfDisposed();
      return logicalNot2(this);
    };
    var logicalOr3 = core.logicalOr;
    getGlobalTensorClass().prototype.logicalOr = function(b) {
      this.throwIfDisposed();
      return logicalOr3(this, b);
    };
    var logicalXor3 = core.logicalXor;
    getGlobalTensorClass().prototype.logicalXor = function(b) {
      this.throwIfDisposed();
      return logicalXor3(this, b);
    };
    getGlobalTensorClass().prototype.matMul = function(b, transposeA, transposeB) {
      this.throwIfDisposed();
      return matMul(this, b, transposeA, transposeB);
    };
    var maxPool3 = core.maxPool;
    getGlobalTensorClass().prototype.maxPool = function(filterSize, strides, pad4, dimRoundingMode) {
      this.throwIfDisposed();
      return maxPool3(this, filterSize, strides, pad4, dimRoundingMode);
    };
    var max3 = core.max;
    getGlobalTensorClass().prototype.max = function(axis, keepDims) {
      this.throwIfDisposed();
      return max3(this, axis, keepDims);
    };
    getGlobalTensorClass().prototype.maximum = function(b) {
      this.throwIfDisposed();
      return maximum2(this, b);
    };
    var mean3 = core.mean;
    getGlobalTensorClass().prototype.mean = function(axis, keepDims) {
      this.throwIfDisposed();
      return mean3(this, axis, keepDims);
    };
    var min3 = core.min;
    getGlobalTensorClass().prototype.min = function(axis, keepDims) {
      this.throwIfDisposed();
      return min3(this, axis, keepDims);
    };
    var minimum3 = core.minimum;
    getGlobalTensorClass().prototype.minimum = function(b) {
      this.throwIfDisposed();
      return minimum3(this, b);
    };
    var mirrorPad3 = core.mirrorPad;
    getGlobalTensorClass().prototype.mirrorPad = function(paddings, mode) {
      this.throwIfDisposed();
      return mirrorPad3(this, paddings, mode);
    };
    var mod3 = core.mod;
    getGlobalTensorClass().prototype.mod = function(b) {
      this.throwIfDisposed();
      return mod3(this, b);
    };
    getGlobalTensorClass().prototype.mul = function(b) {
      this.throwIfDisposed();
      return mul(this, b);
    };
    getGlobalTensorClass().prototype.neg = function() {
      this.throwIfDisposed();
      return neg3(this);
    };
    getGlobalTensorClass().prototype.norm = function(ord, axis, keepDims) {
      this.throwIfDisposed();
      return norm2(this, ord, axis, keepDims);
    };
    var notEqual3 = core.notEqual;
    getGlobalTensorClass().prototype.notEqual = function(b) {
      this.throwIfDisposed();
      return notEqual3(this, b);
    };
    var oneHot3 = core.oneHot;
    getGlobalTensorClass().prototype.oneHot = function(depth, onValue = 1, offValue = 0) {
      this.throwIfDisposed();
      return oneHot3(this, depth, onValue, offValue);
    };
    getGlobalTensorClass().prototype.onesLike = function() {
      this.throwIfDisposed();
      return onesLike2(this);
    };
    getGlobalTensorClass().prototype.pad = function(paddings, constantValue) {
      this.throwIfDisposed();
      return pad2(this, paddings, constantValue);
    };
    var pool3 = core.pool;
    getGlobalTensorClass().prototype.pool = function(windowShape, poolingType, padding, dilationRate, strides, dimRoundingMode) {
      this.throwIfDisposed();
      return pool3(this, windowShape, poolingType, padding, dilationRate, strides, dimRoundingMode);
    };
    getGlobalTensorClass().prototype.pow = function(exp4) {
      this.throwIfDisposed();
      return pow(this, exp4);
    };
    var prelu3 = core.prelu;
    getGlobalTensorClass().prototype.prelu = function(alpha) {
      this.throwIfDisposed();
      return prelu3(this, alpha);
    };
    var prod3 = core.prod;
    getGlobalTensorClass().prototype.prod = function(axis, keepDims) {
      this.throwIfDisposed();
      return prod3(this, axis, keepDims);
    };
    getGlobalTensorClass().prototype.reciprocal = function() {
      this.throwIfDisposed();
      return reciprocal2(this);
    };
    var relu3 = core.relu;
    getGlobalTensorClass().prototype.relu = function() {
      this.throwIfDisposed();
      return relu3(this);
    };
    var relu63 = core.relu6;
    getGlobalTensorClass().prototype.relu6 = function() {
      this.throwIfDisposed();
      return relu63(this);
    };
    getGlobalTensorClass().prototype.reshapeAs = function(x) {
      this.throwIfDisposed();
      return reshape(this, x.shape);
    };
    getGlobalTensorClass().prototype.reshape = function(shape) {
      this.throwIfDisposed();
      return reshape(this, shape);
    };
    function resizeBilinear_(images, size, alignCorners = false, halfPixelCenters = false) {
      const $images = convertToTensor(images, "images", "resizeBilinear");
      assert($images.rank === 3 || $images.rank === 4, () => `Error in resizeBilinear: x must be rank 3 or 4, but got rank ${$images.rank}.`);
      assert(size.length === 2, () => `Error in resizeBilinear: new shape must 2D, but got shape ${size}.`);
      assert(halfPixelCenters === false || alignCorners === false, () => `Error in resizeBilinear: If halfPixelCenters is true, alignCorners must be false.`);
      let batchImages = $images;
      let reshapedTo4D = false;
      if ($images.rank === 3) {
        reshapedTo4D = true;
        batchImages = reshape($images, [1, $images.shape[0], $images.shape[1], $images.shape[2]]);
      }
      const [] = size;
      const inputs = { images: batchImages };
      const attrs = { alignCorners, halfPixelCenters, size };
      const res = ENGINE.runKernel(ResizeBilinear, inputs, attrs);
      if (reshapedTo4D) {
        return reshape(res, [res.shape[1], res.shape[2], res.shape[3]]);
      }
      return res;
    }
    var resizeBilinear = /* @__PURE__ */ op({ resizeBilinear_ });
    getGlobalTensorClass().prototype.resizeBilinear = function(newShape2D, alignCorners, halfPixelCenters) {
      this.throwIfDisposed();
      return resizeBilinear(this, newShape2D, alignCorners, halfPixelCenters);
    };
    function resizeNearestNeighbor_(images, size, alignCorners = false, halfPixelCenters = false) {
      const $images = convertToTensor(images, "images", "resizeNearestNeighbor");
      assert($images.rank === 3 || $images.rank === 4, () => `Error in resizeNearestNeighbor: x must be rank 3 or 4, but got rank ${$images.rank}.`);
      assert(size.length === 2, () => `Error in resizeNearestNeighbor: new shape must 2D, but got shape ${size}.`);
      assert($images.dtype === "float32" || $images.dtype === "int32", () => "`images` must have `int32` or `float32` as dtype");
      assert(halfPixelCenters === false || alignCorners === false, () => `Error in resizeNearestNeighbor: If halfPixelCenters is true, alignCorners must be false.`);
      let batchImages = $images;
      let reshapedTo4D = false;
      if ($images.rank === 3) {
        reshapedTo4D = true;
        batchImages = reshape($images, [1, $images.shape[0], $images.shape[1], $images.shape[2]]);
      }
      const [] = size;
      const inputs = { images: batchImages };
      const attrs = { alignCorners, halfPixelCenters, size };
      const res = ENGINE.runKernel(ResizeNearestNeighbor, inputs, attrs);
      if (reshapedTo4D) {
        return reshape(res, [res.shape[1], res.shape[2], res.shape[3]]);
      }
      return res;
    }
    var resizeNearestNeighbor = /* @__PURE__ */ op({ resizeNearestNeighbor_ });
    getGlobalTensorClass().prototype.resizeNearestNeighbor = function(newShape2D, alignCorners, halfFloatCenters) {
      this.throwIfDisposed();
      return resizeNearestNeighbor(this, newShape2D, alignCorners, halfFloatCenters);
    };
    getGlobalTensorClass().prototype.reverse = function(axis) {
      this.throwIfDisposed();
      return reverse2(this, axis);
    };
    getGlobalTensorClass().prototype.rfft = function() {
      this.throwIfDisposed();
      return rfft2(this);
    };
    getGlobalTensorClass().prototype.round = function() {
      this.throwIfDisposed();
      return round2(this);
    };
    getGlobalTensorClass().prototype.rsqrt = function() {
      this.throwIfDisposed();
      return rsqrt3(this);
    };
    var selu3 = core.selu;
    getGlobalTensorClass().prototype.selu = function() {
      this.throwIfDisposed();
      return selu3(this);
    };
    var separableConv2d3 = core.separableConv2d;
    getGlobalTensorClass().prototype.separableConv2d = function(depthwiseFilter, pointwiseFilter, strides, pad4, dilation, dataFormat) {
      this.throwIfDisposed();
      return separableConv2d3(this, depthwiseFilter, pointwiseFilter, strides, pad4, dilation, dataFormat);
    };
    getGlobalTensorClass().prototype.sigmoid = function() {
      this.throwIfDisposed();
      return sigmoid3(this);
    };
    getGlobalTensorClass().prototype.sign = function() {
      this.throwIfDisposed();
      return sign2(this);
    };
    getGlobalTensorClass().prototype.sin = function() {
      this.throwIfDisposed();
      return sin3(this);
    };
    getGlobalTensorClass().prototype.sinh = function() {
      this.throwIfDisposed();
      return sinh3(this);
    };
    getGlobalTensorClass().prototype.slice = function(begin, size) {
      this.throwIfDisposed();
      return slice3(this, begin, size);
    };
    getGlobalTensorClass().prototype.softmax = function(dim) {
      this.throwIfDisposed();
      return softmax2(this, dim);
    };
    getGlobalTensorClass().prototype.softplus = function() {
      this.throwIfDisposed();
      return softplus2(this);
    };
    getGlobalTensorClass().prototype.spaceToBatchND = function(blockShape, paddings) {
      this.throwIfDisposed();
      return spaceToBatchND(this, blockShape, paddings);
    };
    getGlobalTensorClass().prototype.split = function(numOrSizeSplits, axis) {
      this.throwIfDisposed();
      return split(this, numOrSizeSplits, axis);
    };
    getGlobalTensorClass().prototype.sqrt = function() {
      this.throwIfDisposed();
      return sqrt3(this);
    };
    getGlobalTensorClass().prototype.square = function() {
      this.throwIfDisposed();
      return square3(this);
    };
    var squaredDifference3 = core.squaredDifference;
    getGlobalTensorClass().prototype.squaredDifference = function(b) {
      this.throwIfDisposed();
      return squaredDifference3(this, b);
    };
    var squeeze3 = core.squeeze;
    getGlobalTensorClass().prototype.squeeze = function(axis) {
      this.throwIfDisposed();
      return squeeze3(this, axis);
    };
    getGlobalTensorClass().prototype.stack = function(x, axis) {
      this.throwIfDisposed();
      const tensorsToBeStacked = x instanceof TensorClass ? [this, x] : [this, ...x];
      return stack(tensorsToBeStacked, axis);
    };
    getGlobalTensorClass().prototype.step = function(alpha) {
      this.throwIfDisposed();
      return step3(this, alpha);
    };
    getGlobalTensorClass().prototype.stridedSlice = function(begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask) {
      this.throwIfDisposed();
      return stridedSlice2(this, begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask);
    };
    getGlobalTensorClass().prototype.sub = function(b) {
      this.throwIfDisposed();
      return sub(this, b);
    };
    getGlobalTensorClass().prototype.sum = function(axis, keepDims) {
      this.throwIfDisposed();
      return sum(this, axis, keepDims);
    };
    getGlobalTensorClass().prototype.tan = function() {
      this.throwIfDisposed();
      return tan2(this);
    };
    getGlobalTensorClass().prototype.tanh = function() {
      this.throwIfDisposed();
      return tanh3(this);
    };
    getGlobalTensorClass().prototype.tile = function(reps) {
      this.throwIfDisposed();
      return tile(this, reps);
    };
    getGlobalTensorClass().prototype.toBool = function() {
      this.throwIfDisposed();
      return cast3(this, "bool");
    };
    getGlobalTensorClass().prototype.toFloat = function() {
      this.throwIfDisposed();
      return cast3(this, "float32");
    };
    getGlobalTensorClass().prototype.toInt = function() {
      this.throwIfDisposed();
      return cast3(this, "int32");
    };
    var topk3 = core.topk;
    getGlobalTensorClass().prototype.topk = function(k, sorted) {
      this.throwIfDisposed();
      return topk3(this, k, sorted);
    };
    getGlobalTensorClass().prototype.transpose = function(perm) {
      this.throwIfDisposed();
      return transpose(this, perm);
    };
    var unique3 = core.unique;
    getGlobalTensorClass().prototype.unique = function(axis) {
      this.throwIfDisposed();
      return unique3(this, axis);
    };
    getGlobalTensorClass().prototype.unsortedSegmentSum = function(segmentIds, numSegments) {
      this.throwIfDisposed();
      return unsortedSegmentSum(this, segmentIds, numSegments);
    };
    getGlobalTensorClass().prototype.unstack = function(axis) {
      this.throwIfDisposed();
      return unstack(this, axis);
    };
    getGlobalTensorClass().prototype.where = function(condition, x) {
      this.throwIfDisposed();
      return where(condition, this, x);
    };
    getGlobalTensorClass().prototype.zerosLike = function() {
      this.throwIfDisposed();
      return zerosLike3(this);
    };
  })();
}
