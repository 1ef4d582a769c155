/** Of a file that the build makes: see bundle-registrations.js. */

/** Registers all gradients of tfjs, and gives tensors their methods. */
export function register(core: object, Tensor: object): void;
