/** The scripts of cells and modules, by what their sources are called in front ends. */
import { fileURLToPath } from "node:url";
import { type Place, SOURCE_ADDRESS } from "../engine/sources.ts";
import type { Inspector, Location, ParsedScript } from "./inspector.ts";
import { cellPath } from "./paths.ts";

/** A script at which a reader may want to stop. */
export interface OwnScript {
  readonly scriptId: string;
  /** The number of its source; JavaScript that Node loaded is its own source. */
  readonly source: number | null;
  readonly name: string;
  readonly path: string;
}

/** A position at which V8 can stop, and its place in the source. */
export interface Stop {
  readonly location: Location;
  readonly place: Place;
}

export interface Scripts {
  add(script: ParsedScript): void;
  /** Forgets all: V8 tells of them again when it is asked to debug. */
  clear(): void;
  /** The script, once it is known where it comes from; undefined for the kernel's, Node's and packages' own. */
  own(scriptId: string): Promise<OwnScript | undefined>;
  isOwn(scriptId: string): boolean;
  /** The scripts of a source, of which the latest are listed where it ran often. */
  of(path: string): Promise<OwnScript[]>;
  all(): Promise<OwnScript[]>;
  stops(script: OwnScript): Promise<Stop[]>;
  /** The places of positions in a script; undefined for what the kernel added. */
  places(script: OwnScript, locations: readonly Location[]): Promise<(Place | undefined)[]>;
  url(scriptId: string): string;
}

/** A cell that ran a thousand times has a thousand scripts; functions of the latest are what is called. */
const LATEST = 30;

export interface ScriptsOptions {
  readonly inspector: Inspector;
  /** Whether a file is code that its reader has written. */
  readonly isOwnFile: (url: string) => boolean;
}

const filePath = (url: string): string => (url.startsWith("file:") ? fileURLToPath(url) : url);

export function createScripts({ inspector, isOwnFile }: ScriptsOptions): Scripts {
  const parsed = new Map<string, ParsedScript>();
  const known = new Map<string, OwnScript>();
  const stops = new Map<string, Promise<Stop[]>>();

  const sourceOf = ({ sourceMapURL = "" }: ParsedScript): number | undefined =>
    sourceMapURL.startsWith(SOURCE_ADDRESS) ? Number(sourceMapURL.slice(SOURCE_ADDRESS.length)) : undefined;
  const isOwn = (script: ParsedScript): boolean =>
    sourceOf(script) !== undefined || (script.url !== "" && isOwnFile(script.url));

  /** Finds out where scripts come from, in one question. */
  async function learn(scripts: ParsedScript[]): Promise<void> {
    const unknown = scripts.filter((script) => isOwn(script) && !known.has(script.scriptId));
    const compiled = unknown.filter((script) => sourceOf(script) !== undefined);
    const origins =
      compiled.length > 0
        ? await inspector.ask(
            "origins",
            compiled.map((script) => sourceOf(script)!),
          )
        : [];
    compiled.forEach(({ scriptId, ...script }, i) => {
      const { name, cell } = origins[i];
      const path = cell === undefined ? name : cellPath(cell);
      known.set(scriptId, { scriptId, source: sourceOf({ scriptId, ...script })!, name, path });
    });
    for (const script of unknown) {
      if (known.has(script.scriptId)) continue;
      const path = filePath(script.url);
      known.set(script.scriptId, { scriptId: script.scriptId, source: null, name: path, path });
    }
  }

  async function places(script: OwnScript, locations: readonly Location[]): Promise<(Place | undefined)[]> {
    const positions = locations.map(({ lineNumber, columnNumber = 0 }): [number, number] => [
      lineNumber,
      columnNumber,
    ]);
    if (script.source === null)
      return positions.map(([line, column]) => ({ line: line + 1, column: column + 1 }));
    return (await inspector.ask("places", script.source, positions)).map((place) => place ?? undefined);
  }

  async function findStops(script: OwnScript): Promise<Stop[]> {
    const { locations } = await inspector.post<{ locations: Location[] }>("Debugger.getPossibleBreakpoints", {
      start: { scriptId: script.scriptId, lineNumber: 0 },
    });
    const found = await places(script, locations);
    return locations
      .flatMap((location, i): Stop[] => (found[i] ? [{ location, place: found[i] }] : []))
      .sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column);
  }

  const all = async (): Promise<OwnScript[]> => {
    await learn([...parsed.values()]);
    return [...known.values()];
  };
  return {
    add: (script) => void parsed.set(script.scriptId, script),
    clear() {
      parsed.clear();
      known.clear();
      stops.clear();
    },
    async own(scriptId) {
      const script = parsed.get(scriptId);
      if (script && !known.has(scriptId)) await learn([script]);
      return known.get(scriptId);
    },
    isOwn: (scriptId) => parsed.has(scriptId) && isOwn(parsed.get(scriptId)!),
    of: async (path) => (await all()).filter((script) => script.path === path).slice(-LATEST),
    all,
    stops(script) {
      let found = stops.get(script.scriptId);
      if (found) return found;
      found = findStops(script);
      stops.set(script.scriptId, found);
      return found;
    },
    places,
    url: (scriptId) => parsed.get(scriptId)?.url ?? "",
  };
}
