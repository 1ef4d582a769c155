/** What others published and ditlab reads, by name. */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { cacheFolder } from "../home.ts";
import { type Checksum, type DownloadOptions, download, explain, reasonOf } from "./download.ts";
import { exists, writeAtomic } from "./files.ts";

interface PublishedFile {
  /** Where it is; of the hub the part of the URL after the host. */
  url: string;
  /** As far as it is known. */
  bytes?: number;
  /** Absent: the hub says it when the file is downloaded, and it is kept beside the file. */
  checksum?: Checksum;
}

interface Published {
  about: string;
  files: readonly PublishedFile[];
  /** Of weights of a network: which of the papers' models they are. */
  model?: string;
}

const HUB = "https://huggingface.co";
/** 680,423,056 parameters of SiT-XL/2 with SRA's head as float32; the rest of the file is small. */
const XL_BYTES = 2_722_000_000;
const VAE_BYTES = 334_643_276;

const PUBLISHED = {
  "sitxl-sra-res256-ep800": {
    about: "the authors' SiT-XL/2 with SRA on ImageNet 256x256, 800 epochs",
    files: [{ url: "DyJiang/SRA/resolve/main/sitxl-sra-res256-ep800.pt", bytes: XL_BYTES }],
    model: "SiT-XL/2",
  },
  "sitxl-sra-res512-ep400": {
    about: "the authors' SiT-XL/2 with SRA on ImageNet 512x512, 400 epochs",
    files: [{ url: "DyJiang/SRA/resolve/main/sitxl-sra-res512-ep400.pt", bytes: XL_BYTES }],
    model: "SiT-XL/2",
  },
  "sd-vae-ft-ema": {
    about: "Stable Diffusion's VAE, the paper's",
    files: [
      { url: "stabilityai/sd-vae-ft-ema/resolve/main/config.json" },
      {
        url: "stabilityai/sd-vae-ft-ema/resolve/main/diffusion_pytorch_model.safetensors",
        bytes: VAE_BYTES,
      },
    ],
  },
  "sd-vae-ft-mse": {
    about: "the same with another decoder",
    files: [
      {
        url: "stabilityai/sd-vae-ft-mse/resolve/31f26fdeee1355a5c34592e401dd41e45d25a493/config.json",
        bytes: 547,
        checksum: { sha256: "92d3dfb746fca211a2c9e019e285f8597412211728dce3c5bcf4eda0f2d62e7e" },
      },
      {
        url: "stabilityai/sd-vae-ft-mse/resolve/31f26fdeee1355a5c34592e401dd41e45d25a493/diffusion_pytorch_model.safetensors",
        bytes: VAE_BYTES,
        checksum: { sha256: "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815" },
      },
    ],
  },
  "inception-2015": {
    about: "the FID network's weights",
    files: [
      {
        url: "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        bytes: 95_628_359,
        checksum: { sha256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2" },
      },
    ],
  },
  "imagenet-classes": {
    about: "the names of ImageNet's 1,000 classes",
    files: [
      {
        url: "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
        bytes: 35_363,
        checksum: { md5: "c2c37ea517e94d9795004a39431a14cb" },
      },
    ],
  },
} as const satisfies Record<string, Published>;

export type PublishedName = keyof typeof PUBLISHED;

/** The names that `fetchPublished` knows, with what they stand for. */
export const publishedNames: readonly { name: PublishedName; about: string }[] = Object.entries(
  PUBLISHED,
).map(([name, { about }]) => ({ name: name as PublishedName, about }));

export interface PublishedOptions extends Omit<DownloadOptions, "onProgress"> {
  onProgress?: (file: string, received: number, total: number | undefined) => void;
}

/**
 * Downloads what is published under a name into the cache folder, unless it is there: by this, or put there by hand.
 * The hub's address is that of `HF_ENDPOINT` where it is set.
 * @returns the file's path, or that of the folder of several files
 * @throws an error that names the name and what there is; else as `download` does.
 */
export async function fetchPublished(name: string, options: PublishedOptions = {}): Promise<string> {
  if (!isPublished(name))
    throw new Error(`there is nothing published as '${name}', expected ${Object.keys(PUBLISHED).join(", ")}`);
  const files: readonly PublishedFile[] = PUBLISHED[name].files;
  const folder = cacheFolder("published", name);
  for (const file of files) await fetchFile(name, file, folder, options);
  return files.length === 1 ? join(folder, basename(files[0].url)) : folder;
}

/** Which of the papers' models the weights published under a name are of; undefined where they are none, or unknown. */
export function publishedModel(name: string): string | undefined {
  const published: Readonly<Record<string, Published>> = PUBLISHED;
  const known = name.replace(/\.pt$/, "");
  return isPublished(known) ? published[known].model : undefined;
}

const isPublished = (name: string): name is PublishedName => Object.hasOwn(PUBLISHED, name);

/**
 * A path as it is where something lies there; else what is published under that name, with or without an extension.
 * What is neither stays as it is, for the error of whoever opens it.
 */
export async function pathOrPublished(path: string, options: PublishedOptions = {}): Promise<string> {
  const name = path.replace(/\.pt$/, "");
  return isPublished(name) && !(await exists(path)) ? fetchPublished(name, options) : path;
}

async function fetchFile(
  name: string,
  file: PublishedFile,
  folder: string,
  { onProgress }: PublishedOptions,
): Promise<void> {
  const url = file.url.startsWith("https:") ? file.url : `${process.env.HF_ENDPOINT || HUB}/${file.url}`;
  const destination = join(folder, basename(file.url));
  const note = `${destination}.checksum`;
  const about = { name: `${basename(file.url)} of ${name}`, url, bytes: file.bytes, destination };
  let checksum = file.checksum ?? (await readNote(note));
  if (!checksum) {
    // Put there by hand: what it should be is not known here, and readers check what they read.
    if (await exists(destination)) return;
    checksum = await hubChecksum(url).catch((error) => {
      throw new Error(explain(about, reasonOf(error)), { cause: error });
    });
  }
  await download(
    { ...about, ...checksum },
    { onProgress: (received, total) => onProgress?.(basename(url), received, total) },
  );
  if (!file.checksum) await writeAtomic(note, `${JSON.stringify(checksum)}\n`);
}

const readNote = async (path: string): Promise<Checksum | undefined> =>
  (await exists(path)) ? JSON.parse(await readFile(path, "utf8")) : undefined;

/** What the hub says of a file: SHA-256 of large ones, Git's SHA-1 of small ones. */
async function hubChecksum(url: string): Promise<Checksum> {
  const response = await fetch(url, { method: "HEAD", redirect: "manual" });
  if (response.status >= 400)
    throw new Error(`the server answered ${response.status} ${response.statusText}`);
  const tag = response.headers.get("x-linked-etag") ?? response.headers.get("etag") ?? "";
  const [, hash = ""] = /^(?:W\/)?"([0-9a-f]+)"$/i.exec(tag) ?? [];
  if (hash.length === 64) return { sha256: hash };
  if (hash.length === 40) return { gitBlob: hash };
  throw new Error(
    `the server gave no checksum, but ${tag === "" ? "nothing" : `the tag ${tag.slice(0, 80)}`}`,
  );
}
