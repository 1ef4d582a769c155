export { type Dict, Global, PythonObject } from "./pickle.ts";
export { type TorchStorage, TorchTensor } from "./rebuild.ts";
export { openTorch, type TorchFile } from "./torch.ts";
export { type TorchValue, writeTorch } from "./write.ts";
