// JupyterLab's side of widgets with a module of their own: registers anywidget's front end. The installer puts this file
// behind that bundle, within one function, and calls what stands here.

/**
 * A federated extension, as JupyterLab loads them: `init` brings what all extensions share, `get` is asked for the plugin.
 * @param {string} name by which JupyterLab knows it
 * @param {string} version of anywidget
 * @param {(base: object) => object} makeWidgets makes anywidget's classes of the front end's own
 */
// biome-ignore lint/correctness/noUnusedVariables: the installer calls it.
function labextension(name, version, makeWidgets) {
  const WIDGETS = "@jupyter-widgets/base";
  let scope = {};
  const numbers = (text) => text.split(/[.-]/).map(Number);
  const isNewer = (a, b) => {
    const [left, right] = [numbers(a), numbers(b)];
    const i = left.findIndex((part, at) => part !== right[at]);
    return i >= 0 && left[i] > right[i];
  };
  /** Whether anywidget's own extension is there, which then does it. */
  const isTaken = () => {
    const config = document.getElementById("jupyter-config-data")?.textContent ?? "{}";
    const { federated_extensions: extensions = [] } = JSON.parse(config);
    return extensions.some((extension) => extension.name === "anywidget");
  };
  const plugin = (base) => ({
    id: `${name}:plugin`,
    description: "Widgets with a module of their own, by anywidget, for the TypeScript kernel of ditlab.",
    autoStart: true,
    optional: [base.IJupyterWidgetRegistry],
    activate(_app, registry) {
      // Asked for the model and for the view, which must be of one making.
      registry?.registerWidget({ name: "anywidget", version, exports: makeWidgets(base) });
    },
  });

  async function plugins() {
    // Without ipywidgets' front end there is nothing to register with, and outputs show their text.
    const [newest] = Object.keys(scope[WIDGETS] ?? {}).sort((a, b) => (isNewer(a, b) ? -1 : 1));
    if (newest === undefined || isTaken()) return [];
    const base = (await scope[WIDGETS][newest].get())();
    return [plugin(base)];
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB[name] = {
    init(shared) {
      scope = shared;
    },
    async get() {
      const exports = { __esModule: true, default: await plugins() };
      return () => exports;
    },
  };
}
