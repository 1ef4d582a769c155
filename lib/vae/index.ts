export { decode, encode, type Posterior, samplePosterior } from "./autoencoder.ts";
export { downsampling, initVAE, parseVAEConfig, SD_VAE, type VAEConfig, vaeShapes } from "./config.ts";
export { type LatentDecoder, latentDecoder } from "./decoder.ts";
export { type LatentEncoder, latentEncoder } from "./encoder.ts";
export { readVAE, type VAE } from "./load.ts";
export { decodeTiled, type TileOptions } from "./tiled.ts";
