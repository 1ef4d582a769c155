/**
 * A picture beside each plotly figure, for readers that run no scripts: GitHub, a notebook that is not trusted. Plotly
 * measures text and paints heatmaps with what browsers alone have, so a Chromium that is there draws them, all on one page.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Launcher } from "chrome-launcher";
import sharp from "sharp";
import { editionOf, type Figure } from "../display/plotly.ts";
import { type Edition, plotlyFile, SCRIPTLESS } from "../display/plotly-page.ts";
import { escapeHtml } from "../display/table.ts";
import { FIGURE } from "./compare/outputs.ts";
import type { DataOutput, Notebook } from "./format.ts";

const PNG = "image/png";
/** The size of a picture in CSS pixels, where its figure says nothing else; each is drawn with twice as many. */
const [WIDTH, HEIGHT, SCALE] = [800, 450, 2];
/** How long a browser may take to start, and for one figure, in milliseconds. */
const PATIENCE = 60_000;

/** The program of Chrome or Chromium: that of CHROME_PATH, or what is installed. */
export function findBrowser(): string {
  let found: string | undefined;
  try {
    found = Launcher.getFirstInstallation();
  } catch {
    // It throws where there is none on some systems.
  }
  if (found === undefined)
    throw new Error(
      "--png needs Chrome or Chromium to draw figures, and found none; install one, or set CHROME_PATH to its program",
    );
  return found;
}

interface Job {
  readonly figure: Figure;
  readonly width: number;
  readonly height: number;
}

function jobOf(output: DataOutput): Job {
  const figure = output.data[FIGURE] as Figure;
  const { width, height } = figure.layout ?? {};
  return { figure, width: Number(width) || WIDTH, height: Number(height) || HEIGHT };
}

/** Draws figure after figure, and says what came of each. */
const script = (count: number) => `
for (let i = 0; i < ${count}; i++) {
  let answer;
  try {
    const { figure: { data, layout }, width, height } = await (await fetch("figures/" + i)).json();
    const options = { format: "png", width, height, scale: ${SCALE}, imageDataOnly: true };
    answer = { png: await Plotly.toImage({ data, layout }, options) };
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  await fetch("pictures/" + i, { method: "POST", body: JSON.stringify(answer) });
}`;

const page = (count: number) =>
  `<!doctype html><meta charset="utf-8"><script src="plotly.js"></script><script type="module">${script(count)}</script>`;

interface Answer {
  readonly png?: string;
  readonly error?: string;
}

/** Serves the page below a path that nobody guesses, on this machine alone. */
async function serve(
  jobs: readonly Job[],
  edition: Edition,
  take: (index: number, answer: Answer) => void,
): Promise<{ url: string; server: Server }> {
  const secret = `/${randomBytes(16).toString("hex")}/`;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? "";
    if (!path.startsWith(secret)) return void response.writeHead(404).end();
    const [what, index] = path.slice(secret.length).split("/");
    if (what === "") response.setHeader("content-type", "text/html").end(page(jobs.length));
    else if (what === "plotly.js") createReadStream(plotlyFile(edition)).pipe(response);
    else if (what === "figures") response.end(JSON.stringify(jobs[Number(index)]));
    else {
      take(Number(index), JSON.parse(await text(request)) as Answer);
      response.end();
    }
  };
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${secret}`, server };
}

/** Opens a page in a browser without windows and with a profile of its own; returns how to end it. */
async function open(
  browser: string,
  url: string,
  fail: (error: Error) => void,
): Promise<() => Promise<void>> {
  const profile = await mkdtemp(join(tmpdir(), "ditlab-browser-"));
  const flags = [...Launcher.defaultFlags(), "--headless=new", `--user-data-dir=${profile}`];
  // Figures in space are drawn by the processor where there is no GPU.
  flags.push("--enable-unsafe-swiftshader", "--disable-dev-shm-usage");
  // Chromium has no sandbox for root.
  if (process.getuid?.() === 0) flags.push("--no-sandbox");
  const child = spawn(browser, [...flags, url], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  child.once("error", (error) => fail(new Error(`${browser} did not start: ${error.message}`)));
  child.once("exit", () => fail(new Error(`${browser} ended before it had drawn all figures`)));
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  return async () => {
    kill();
    await ended;
    process.removeListener("exit", kill);
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  };
}

/** What the browser makes of each figure, in their order. */
async function draw(jobs: readonly Job[], browser: string): Promise<Answer[]> {
  const answers: Answer[] = [];
  let [finish, fail] = [() => {}, (_: Error) => {}];
  const done = new Promise<void>((resolve, reject) => {
    [finish, fail] = [resolve, reject];
  });
  done.catch(() => {});
  const late = setTimeout(
    () => fail(new Error(`${browser} did not draw figure ${answers.length + 1} within ${PATIENCE / 1000} s`)),
    PATIENCE,
  );
  const edition = jobs.every(({ figure }) => editionOf(figure.data) === "cartesian") ? "cartesian" : "whole";
  const { url, server } = await serve(jobs, edition, (index, answer) => {
    answers[index] = answer;
    late.refresh();
    if (index === jobs.length - 1) finish();
  });
  const close = await open(browser, url, fail);
  try {
    await done;
  } finally {
    clearTimeout(late);
    server.closeAllConnections();
    server.close();
    await close();
  }
  return answers;
}

/** The picture as a representation, and in the page where the script's figure is to come. */
async function addTo(output: DataOutput, png: string, { width, height }: Job): Promise<void> {
  const small = await sharp(Buffer.from(png, "base64")).png({ palette: true, effort: 10 }).toBuffer();
  const picture = small.toString("base64");
  output.data[PNG] = picture;
  output.metadata = { ...output.metadata, [PNG]: { width, height } };
  const html = output.data["text/html"];
  if (typeof html === "string")
    output.data["text/html"] = html.replace(
      SCRIPTLESS,
      () =>
        `<img alt="${escapeHtml(String(output.data["text/plain"] ?? ""))}" width="${width}" src="data:${PNG};base64,${picture}">`,
    );
}

/** Adds pictures to a notebook's figures; how many there are. Rejects, naming the figure, if one cannot be drawn. */
export async function addPictures(notebook: Notebook, browser: string): Promise<number> {
  const outputs = notebook.cells.flatMap((cell) =>
    cell.cell_type === "code"
      ? cell.outputs.filter((output): output is DataOutput => "data" in output && FIGURE in output.data)
      : [],
  );
  if (outputs.length === 0) return 0;
  const jobs = outputs.map(jobOf);
  const answers = await draw(jobs, browser);
  for (const [i, output] of outputs.entries()) {
    const { png, error } = answers[i] ?? {};
    if (png === undefined) throw new Error(`the picture of figure ${i + 1} was not drawn: ${error}`);
    await addTo(output, png, jobs[i]);
  }
  return outputs.length;
}
