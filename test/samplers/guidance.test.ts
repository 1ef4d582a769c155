/** Guidance against its formula, weak + scale (strong - weak), and what means nothing refused, at every way in. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DIT_PROCESS, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { jit } from "../../lib/jit/index.ts";
import type { Condition } from "../../lib/models/index.ts";
import {
  type GenerateOptions,
  type Guidance,
  networkPredictor,
  predictor,
  sample,
  sampleGenerator,
  type WeakerModel,
} from "../../lib/samplers/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";
import { randomParams, smallDiT, smallSiT } from "./small.ts";

const { network, process, params } = smallSiT();
const dit = smallDiT();
const random = randomGenerator(4);
const x = normalTensor(random, [3, 1, 8, 8]);
const labels = [0, 1, 0];
const condition = { y: tf.tensor1d(labels, "int32") };
const none = network.nullCondition(3);
const velocity = (x: Tensor, t: Tensor, condition: Condition): Tensor =>
  network.apply(params, x, t, condition).output;
/** A shallower network, and the same one with other weights. */
const shallow = smallSiT({ depth: 1 });
const other = randomParams(network, randomGenerator(9));

/** Euler's method with the formula written out, of two calls. */
function byFormula(
  scale: number,
  steps: number,
  weak = (x: Tensor, t: Tensor): Tensor => velocity(x, t, none),
): Tensor {
  let at = x;
  for (let i = 0; i < steps; i++) {
    const t = tf.fill([3], 1 - i / steps);
    const [low, high] = [weak(at, t), velocity(at, t, condition)];
    at = tf.sub(at, tf.div(tf.add(low, tf.mul(tf.sub(high, low), scale)), steps));
  }
  return at;
}

const compiled = jit((x: Tensor, t: Tensor, condition: Condition) => velocity(x, t, condition));
const generator = sampleGenerator(network, process);

for (const scale of [0.5, 0, -2, 1, 1.5, 4]) {
  test(`scale ${scale} is its formula, step by step, with promises, and in the generator`, async () => {
    const expected = byFormula(scale, 3);
    const guidance = { scale };
    for (const predict of [
      networkPredictor(network, params, { condition, guidance }),
      predictor(velocity, { condition, guidance, none }),
      predictor(compiled, { condition, guidance, none }),
    ]) {
      const plain = await sample("euler", predict, x, { steps: 3 });
      assert.ok(relativeError(plain, expected) < 1e-5, `plain ${relativeError(plain, expected)}`);
    }
    const options = { labels, sampler: "euler", steps: 3, guidance, latents: x } as const;
    const made = await generator.generate(params, options);
    assert.ok(relativeError(made, expected) < 1e-5, `generator ${relativeError(made, expected)}`);
  });
}

for (const [name, weaker] of [
  ["other weights", { params: other }],
  ["another network", { network: shallow.network, params: shallow.params }],
] as const) {
  test(`${name} guide as weak + scale (strong - weak), all with the condition`, async () => {
    const weakNetwork = "network" in weaker ? weaker.network : network;
    const weak = (x: Tensor, t: Tensor): Tensor => weakNetwork.apply(weaker.params, x, t, condition).output;
    const guidance = { scale: 2.5 };
    const expected = byFormula(2.5, 3, weak);
    const weakLater = jit(
      (params: Params, x: Tensor, t: Tensor, condition: Condition) =>
        weakNetwork.apply(params, x, t, condition).output,
    );
    for (const predict of [
      networkPredictor(network, params, { condition, guidance, weaker }),
      predictor(compiled, {
        condition,
        guidance,
        weaker: (x, t, condition) => weakLater(weaker.params, x, t, condition),
      }),
    ]) {
      const plain = await sample("euler", predict, x, { steps: 3 });
      assert.ok(relativeError(plain, expected) < 1e-5, `plain ${relativeError(plain, expected)}`);
    }
    const options = { labels, sampler: "euler", steps: 3, guidance, latents: x, weaker } as const;
    const made = await generator.generate(params, options);
    assert.ok(relativeError(made, expected) < 1e-5, `generator ${relativeError(made, expected)}`);
    // Its parameters are an argument: others need no other program.
    const zero = {
      ...weaker,
      params: Object.fromEntries(Object.entries(weaker.params).map(([n, p]) => [n, tf.zerosLike(p)])),
    };
    const still = await generator.generate(params, { ...options, weaker: zero });
    const alone = byFormula(2.5, 3, (x) => tf.zerosLike(x));
    assert.ok(relativeError(still, alone) < 1e-5, `${relativeError(still, alone)}`);
    await weakLater.dispose();
  });
}

test("a network without classes is guided by a weaker one", async () => {
  const free = smallSiT({ numClasses: 0 });
  const weaker = { params: randomParams(free.network, randomGenerator(9)) };
  const options = { guidance: { scale: 2 }, weaker };
  const predict = networkPredictor(free.network, free.params, options);
  const expected = await sample("heun", predict, x, { steps: 3 });
  const freely = sampleGenerator(free.network, free.process);
  const made = await freely.generate(free.params, {
    count: 3,
    sampler: "heun",
    steps: 3,
    latents: x,
    ...options,
  });
  assert.ok(relativeError(made, expected) < 1e-5);
  await freely.dispose();
  assert.throws(
    () => networkPredictor(free.network, free.params, { guidance: { scale: 2 } }),
    /^classifier-free guidance leaves the condition out, and the network takes none; expected a weaker model to be guided by, or no guidance$/,
  );
});

test("a scale of 1 is no guidance, with or without classes; a weaker model alone says nothing", async () => {
  const free = smallSiT({ numClasses: 0 });
  const expected = await sample("euler", networkPredictor(free.network, free.params), x, { steps: 2 });
  const one = networkPredictor(free.network, free.params, { guidance: { scale: 1 } });
  assert.equal((await sample("euler", one, x, { steps: 2 })).dataSync(), expected.dataSync());
  const freely = sampleGenerator(free.network, free.process);
  const options = { count: 3, sampler: "euler", steps: 2, latents: x, guidance: { scale: 1 } } as const;
  assert.ok(relativeError(await freely.generate(free.params, options), expected) < 1e-5);
  await freely.dispose();
  const message = /^a weaker model guides by guidance\.scale; expected guidance, got none$/;
  assert.throws(() => networkPredictor(network, params, { condition, weaker: { params: other } }), message);
  assert.throws(() => predictor(velocity, { condition, weaker: velocity }), message);
});

test("a weaker model says what the model says, of the same input and classes", async () => {
  const unread = new Proxy(params, { get: () => assert.unreachable("a parameter was read") });
  const refused = async (weaker: WeakerModel, message: RegExp, knowsProcess = false): Promise<void> => {
    const guidance = { scale: 2 };
    const options = { labels, sampler: "euler", steps: 2, guidance, weaker } as const;
    await rejects(generator.generate(unread, options), message);
    if (!knowsProcess)
      assert.throws(() => networkPredictor(network, params, { condition, guidance, weaker }), message);
  };
  const cosine = { type: "interpolant", path: "cosine", times: "uniform" } as const;
  for (const process of [dit.process, { ...DIT_PROCESS, learnSigma: false }, cosine])
    await refused(
      { params: other, process },
      /^a weaker model guides within one process; expected \{"type":"interpolant","path":"linear",.*\}, got \{.*\}$/,
      true,
    );
  const is = "^a weaker model must";
  const as = "as the model that it guides; expected";
  await refused(dit, /^a weaker model guides within one process/, true);
  const { process: _, ...unnamed } = dit;
  await refused(unnamed, new RegExp(`${is} predict as many channels ${as} 1, got 2$`));
  const large = smallSiT({ inputSize: 16 });
  await refused(large, new RegExp(`${is} take the same input ${as} \\[1,8,8\\], got \\[1,16,16\\]$`));
  const classes = smallSiT({ numClasses: 3 });
  await refused(classes, new RegExp(`${is} know the same classes ${as} 2 or none, got 3$`));
  // How training times are drawn is none of a sampler's business, and a weaker model may know no classes.
  const lognormal = { ...SIT_PROCESS, times: "lognormal" } as const;
  const free = smallSiT({ numClasses: 0 });
  for (const weaker of [{ params: other, process: lognormal }, free]) {
    const options = { labels, sampler: "euler", steps: 2, guidance: { scale: 2 }, weaker } as const;
    assert.ok((await generator.generate(params, options)).data.every(Number.isFinite));
  }
});

test("a network predicts what its process has it predict", async () => {
  await rejects(
    sampleGenerator(dit.network, process).generate(dit.params, { labels, sampler: "euler", steps: 2 }),
    /^the transformer .* predicts 2 channels; expected 1, as its process has it of 1$/,
  );
});

test("what nobody knows by its name is refused", async () => {
  const misspelt = { scale: 2, intervall: [0, 0.1] } as Guidance;
  const message = /^guidance: intervall is unknown, did you mean interval\?$/;
  await rejects(
    generator.generate(params, { labels, sampler: "euler", steps: 2, guidance: misspelt }),
    message,
  );
  assert.throws(() => predictor(velocity, { condition, guidance: misspelt, none }), message);
  const options = { conditon: condition } as object;
  for (const make of [() => predictor(velocity, options), () => networkPredictor(network, params, options)])
    assert.throws(make, /^predictor options: conditon is unknown, did you mean condition\?$/);
  await rejects(
    generator.generate(params, { labels, sampler: "euler", steps: 2, ...({ stepz: 3 } as object) }),
    /^sampler options: stepz is unknown, did you mean steps\?$/,
  );
});

/** Guidance that means nothing, and what is said of it. */
const REFUSED: [Guidance, RegExp][] = [
  [{ scale: Number.NaN }, /^guidance scale must be a finite number, got NaN$/],
  [{ scale: Number.POSITIVE_INFINITY }, /^guidance scale must be a finite number, got Infinity$/],
  ...(
    [[0.9, 0.1], [-1, 7], [0, 700], [Number.NaN, 1], [0, Number.NaN], [0.5]] as unknown as [number, number][]
  ).map((interval): [Guidance, RegExp] => [
    { scale: 2, interval },
    new RegExp(
      `^guidance interval must be two ascending times within \\[0, 1\\] \\(of a DiT: shares of its steps\\), got \\[${interval.join(", ")}\\]$`,
    ),
  ]),
  // A scale of 1 does not act, and means nothing with such an interval all the same.
  [{ scale: 1, interval: [0.9, 0.1] }, /guidance interval must be/],
  ...[0, 2, 1.5, Number.NaN].map((channels): [Guidance, RegExp] => [
    { scale: 2, channels },
    new RegExp(
      `^guided channels must be an integer (of at least 1|from 1 to the input's 1), got ${channels}$`,
    ),
  ]),
];

for (const [guidance, message] of REFUSED) {
  test(`refused before anything is computed: ${JSON.stringify(guidance, (_, v) => (typeof v === "number" ? String(v) : v))}`, async () => {
    const unasked = (): Tensor => assert.unreachable("the network was asked") as never;
    const sampled = async () =>
      sample("euler", predictor(unasked, { condition, guidance, none }), x, { steps: 2 });
    await rejects(sampled(), message);
    const unread = new Proxy(params, { get: () => assert.unreachable("a parameter was read") });
    for (const small of [{ network, process }, dit]) {
      const sampler: GenerateOptions["sampler"] = small === dit ? "ddim" : "euler";
      await rejects(
        sampleGenerator(small.network, small.process).generate(unread, {
          labels: [0],
          sampler,
          steps: 2,
          guidance,
        }),
        message,
      );
    }
  });
}

test("guidance leads away from one thing, which has what the condition has", () => {
  const guidance = { scale: 2 };
  assert.throws(
    () => predictor(velocity, { condition, guidance }),
    /^guidance leads away from none, .* or from a weaker model; expected one of them, got neither$/,
  );
  assert.throws(
    () => predictor(velocity, { condition, guidance, none, weaker: velocity }),
    /expected one of them, got both$/,
  );
  const text = { ...condition, text: tf.zeros([3, 2]) };
  assert.throws(
    () => predictor(velocity, { condition: text, guidance, none })(x, 0.5, 0.5),
    /^the condition that says nothing must have what the condition has; got no 'text'$/,
  );
});

test("a condition is a tree: each of its tensors is joined with the one that says nothing", () => {
  const seen: Condition[] = [];
  const model = (x: Tensor, _: Tensor, condition: Condition): Tensor => {
    seen.push(
      JSON.parse(JSON.stringify(condition, (_, v) => (v instanceof tf.Tensor ? [...v.dataSync()] : v))),
    );
    return tf.clone(x);
  };
  const tree = { text: [tf.tensor2d([[1], [2], [3]]), { size: tf.tensor1d([4, 5, 6]) }] };
  const nothing = { text: [tf.zeros([3, 1]), { size: tf.zeros([3]) }] };
  predictor(model, { condition: tree, guidance: { scale: 2 }, none: nothing })(x, 0.5, 0.5);
  assert.equal(seen, [{ text: [[1, 2, 3, 0, 0, 0], { size: [4, 5, 6, 0, 0, 0] }] }]);
});

test("guidance extrapolates from no class, within its interval of step times", async () => {
  const calls: number[] = [];
  // The velocity of class y is y everywhere; 10 is no class.
  const model = (x: Tensor, _: Tensor, { y }: { y: Tensor }): Tensor => {
    calls.push(x.shape[0]);
    return tf.mul(tf.onesLike(x), tf.reshape(tf.cast(y, "float32"), [-1, 1, 1, 1]));
  };
  const first = (x: Tensor): number[] => [...tf.slice(x, [0, 0, 0, 0], [3, 1, 1, 1]).dataSync()];
  const ids = { y: tf.tensor1d([1, 2, 3], "int32") };
  const ten = { y: tf.fill([3], 10, "int32") };
  const guided = predictor(model, {
    condition: ids,
    none: ten,
    guidance: { scale: 3, interval: [0.2, 0.6] },
  });
  const extrapolated = [1, 2, 3].map((v) => 10 + 3 * (v - 10));
  assert.equal(first(guided(x, 0.5, 0.5)), extrapolated);
  assert.equal(first(guided(x, 0.5, 0.7)), [1, 2, 3], "the step's time decides");
  assert.equal(first(guided(x, 0.1, 0.2)), extrapolated, "inclusive");
  assert.equal(first(predictor(model, { condition: ids })(x, 0.5, 0.5)), [1, 2, 3]);
  assert.equal(calls, [6, 3, 6, 3]);
});

test("guidance leaves a variance to the class, and acts on a DiT by the share of its steps", async () => {
  // Predicts the class's id as noise, and its tenth as variance; 10 is no class.
  const seen: [number, number][] = [];
  const denoiser = (x: Tensor, t: Tensor, { y }: { y: Tensor }): Tensor => {
    seen.push([t.dataSync()[0], x.shape[0]]);
    const ids = tf.reshape(tf.cast(y, "float32"), [-1, 1, 1, 1]);
    return tf.concat([tf.mul(tf.onesLike(x), ids), tf.mul(tf.onesLike(x), tf.div(ids, 10))], 1);
  };
  const guided = predictor(denoiser, {
    condition,
    none: { y: tf.fill([3], 10, "int32") },
    guidance: { scale: 3, interval: [0, 0.5] },
  });
  await sample("ddim", guided, x, { steps: 4, process: DIT_PROCESS });
  // A batch of twice the size where guidance acts.
  assert.equal(seen, [
    [999, 3],
    [666, 3],
    [333, 6],
    [0, 6],
  ]);
  const [noise, variance] = tf.split(guided(x, 333, 0.333), 2, 1);
  assert.equal([...tf.max(noise, [1, 2, 3]).dataSync()], [10 + 3 * (0 - 10), 10 + 3 * (1 - 10), -20]);
  assert.equal(
    [...tf.max(variance, [1, 2, 3]).dataSync()].map((v) => Math.round(v * 10)),
    [0, 1, 0],
  );
});

test("a predictor's t and stepTime are numbers: a tensor, a step for a time, or none is refused", () => {
  const predict = predictor(velocity, { condition });
  const call = (t: unknown, stepTime?: unknown) => () => predict(x, t as number, stepTime as number);
  assert.throws(call(tf.scalar(0.5), 0.5), /^a predictor's t must be one finite number.*, got a tensor$/);
  assert.throws(call(Number.NaN, 0.5), /t must be one finite number.*, got NaN$/);
  assert.throws(
    call(0.5),
    /^a predictor's stepTime must be a number from 0 to 1 \(of a DiT: t \/ T\), got undefined$/,
  );
  assert.throws(call(999, 999), /stepTime must be a number from 0 to 1.*, got 999$/);
  assert.throws(call(0.5, tf.scalar(0.5)), /stepTime must be .*, got a tensor$/);
  assert.ok(predict(x, 999, 0.999));
});

test.after(() => Promise.all([generator.dispose(), compiled.dispose()]).then(() => {}));

test.run();
