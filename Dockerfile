# JupyterLab with the TypeScript kernel and the teaching notebooks:
#
#     docker build --tag ditlab .
#     docker run --rm --publish 127.0.0.1:8888:8888 --volume ditlab-home:/home/node ditlab
#
# It prints an address with a token, which lets nobody else in. What is saved stays in the volume.

# Node's plain image has git, which the build does not need, and no compiler: all packages bring what they need built.
FROM node:22-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
# The package's own `prepare` needs its sources, which change more often than what it depends on.
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm pack --ignore-scripts && mv ditlab-*.tgz ditlab.tgz

FROM node:22-bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-venv tini \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/jupyter \
 && /opt/jupyter/bin/pip install --no-cache-dir "jupyterlab==4.*" "ipywidgets==8.*"
COPY --from=build /build/ditlab.tgz /opt/ditlab/
RUN npm install --prefix /opt/ditlab --no-audit --no-fund /opt/ditlab/ditlab.tgz \
 && npm cache clean --force
ENV PATH="/opt/jupyter/bin:/opt/ditlab/node_modules/.bin:$PATH"
RUN ditlab kernel install --prefix /opt/jupyter
# Not root, as which a notebook's `!rm` could do more harm than it should.
USER node
WORKDIR /home/node
COPY --chown=node:node notebooks notebooks
EXPOSE 8888
HEALTHCHECK --start-period=30s CMD ["node", "-e", "fetch('http://127.0.0.1:8888/api').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# A first process that takes leave of kernels which have ended.
ENTRYPOINT ["tini", "--"]
CMD ["jupyter-lab", "--ip=0.0.0.0", "--no-browser", "--notebook-dir=/home/node/notebooks"]
