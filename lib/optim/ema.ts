import { mapParams, type Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

/** The teacher's step: decay * average + (1 - decay) * params. `decay` is a scalar tensor; 0 makes it a copy. */
export const updateEma = (average: Params, params: Params, decay: Tensor): Params =>
  mapParams(average, (a, name) => tf.add(tf.mul(a, decay), tf.mul(params[name], tf.sub(1, decay))));
